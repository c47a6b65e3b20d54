// SPDX-License-Identifier: MIT
// The queue before the artist.
#include "serve/picture_queue.h"

#include <utility>

namespace hadal {

PictureQueue::PictureQueue(Artist& artist, QueueLimits limits)
    : artist_(artist), waiting_(limits), thread_([this] { work(); }) {}

PictureQueue::~PictureQueue() {
  close();
}

Pushed PictureQueue::push(const std::string& owner, std::shared_ptr<PictureJob> job) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return Pushed::full;
    const Pushed pushed = waiting_.push(owner, std::move(job));
    if (pushed != Pushed::yes) return pushed;
  }
  changed_.notify_one();
  return Pushed::yes;
}

void PictureQueue::cancel(PictureJob& job) {
  std::vector<std::shared_ptr<PictureJob>> taken;
  {
    const std::lock_guard lock(mutex_);
    job.cancel_ = true;
    taken =
        waiting_.take_if([&](const std::shared_ptr<PictureJob>& one) { return one.get() == &job; });
  }
  for (const std::shared_ptr<PictureJob>& one : taken) one->ended({});
}

void PictureQueue::close() {
  std::vector<std::shared_ptr<PictureJob>> taken;
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.joinable()) return;
    closing_ = true;
    if (running_) running_->cancel_ = true;
    taken = waiting_.take_if([](const std::shared_ptr<PictureJob>&) { return true; });
  }
  changed_.notify_one();
  for (const std::shared_ptr<PictureJob>& one : taken) {
    one->cancel_ = true;
    one->ended({});
  }
  thread_.join();
}

PictureGauges PictureQueue::gauges() const {
  const std::lock_guard lock(mutex_);
  PictureGauges now = made_;
  now.running = running_ ? 1 : 0;
  now.waiting = waiting_.size();
  return now;
}

void PictureQueue::work() {
  while (true) {
    std::shared_ptr<PictureJob> job;
    {
      std::unique_lock lock(mutex_);
      running_ = nullptr;
      changed_.wait(lock, [this] { return closing_ || waiting_.size() > 0; });
      if (closing_) return;
      job = *waiting_.pop();
      running_ = job;
    }
    run(*job);
  }
}

void PictureQueue::run(PictureJob& job) {
  const std::optional<ArtOrder> order = job.is_cancelled() ? std::nullopt : job.begin();
  if (!order) return job.ended({});
  Result<Artwork> made = artist_.make(*order, job, job.cancel_);
  if (job.is_cancelled()) return job.ended({});
  if (!made) return job.ended({ArtEnd::Kind::failed, {}, made.error()});
  {
    const std::lock_guard lock(mutex_);
    (order->is_still() ? made_.stills : made_.clips) += static_cast<int64_t>(made->files.size());
  }
  job.ended({ArtEnd::Kind::made, made.take(), {}});
}

}  // namespace hadal
