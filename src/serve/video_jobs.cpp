// SPDX-License-Identifier: MIT
// Videos as jobs.
#include "serve/video_jobs.h"

#include <algorithm>
#include <ctime>
#include <future>
#include <utility>
#include <vector>

#include "serve/picture_reply.h"

namespace hadal {

struct VideoJobs::Shared {
  Shared(VideoStore& the_store, VideoJobsHost the_host)
      : store(the_store), host(std::move(the_host)) {}

  VideoStore& store;
  const VideoJobsHost host;
  std::atomic<bool> ending{false};
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Run>> runs;  // in the queue or painted, by id

  void forget(const std::string& id) {
    const std::lock_guard lock(mutex);
    runs.erase(id);
  }
  // A disk that does not take the state of a job: it is told again when the server starts anew.
  void note(const Status& status) const {
    if (!status) host.log("videos: " + status.error().message);
  }
  void fail(const std::string& id, const std::string& code, const std::string& message) {
    note(store.fail_job(id, code, message, std::time(nullptr)));
    forget(id);
  }
};

// One job on its way through the queue.
class VideoJobs::Run : public PictureJob {
 public:
  Run(std::shared_ptr<Shared> shared, VideoJob job)
      : shared_(std::move(shared)), job_(std::move(job)) {
    job_.order.first_frame.clear();  // it lies on the disk until its turn comes
  }

  std::optional<ArtOrder> begin() override {
    if (const std::optional<ApiError> refusal = refusal_of_key()) {
      shared_->fail(job_.id, refusal->code, refusal->message);
      return std::nullopt;
    }
    Result<std::string> reference = shared_->store.reference(job_);
    if (!reference) {
      shared_->fail(job_.id, "server_error", "its first frame is lost");
      shared_->host.log("videos: " + reference.error().message);
      return std::nullopt;
    }
    deadline_ = Clock::now() + shared_->host.most_time;
    shared_->note(shared_->store.start(job_.id, std::time(nullptr)));
    ArtOrder order = job_.order;
    order.first_frame = reference.take();
    return order;
  }
  void progress(double part) override {
    part_ = part;
    if (Clock::now() >= deadline_) stop();
  }
  void preview(int64_t, int64_t, std::string) override {}

  void ended(ArtEnd end) override {
    if (end.kind == ArtEnd::Kind::made) return deliver(end.work);
    if (end.kind == ArtEnd::Kind::failed) {
      const bool theirs = end.error.blame == Blame::caller;
      return shared_->fail(job_.id, theirs ? "invalid_request" : "server_error", end.error.message);
    }
    if (shared_->ending) {
      shared_->note(shared_->store.put_back(job_.id));
      return shared_->forget(job_.id);
    }
    if (Clock::now() >= deadline_)
      return shared_->fail(job_.id, "deadline", "the " + what() + " took longer than it may");
    shared_->fail(job_.id, std::string(kCancelled), "the " + what() + " was cancelled");
  }

  double part() const { return part_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::string what() const { return job_.order.is_still() ? "picture" : "video"; }
  // Between asking and its turn a key may have been revoked, or its money spent.
  std::optional<ApiError> refusal_of_key() const {
    if (job_.key == 0) return std::nullopt;
    Result<std::vector<KeyRecord>> keys = shared_->host.accounts.keys();
    if (!keys) return ApiError{.message = "the accounts cannot be read", .code = "server_error"};
    const auto key = std::find_if(keys->begin(), keys->end(),
                                  [&](const KeyRecord& one) { return one.number == job_.key; });
    if (key == keys->end() || key->revoked)
      return ApiError{.message = "its key is revoked", .code = "invalid_api_key"};
    const Result<bool> may_spend = shared_->host.accounts.may_spend(*key);
    if (may_spend && *may_spend) return std::nullopt;
    return ApiError{.message = "the balance is used up", .code = "insufficient_quota"};
  }

  void deliver(const Artwork& work) {
    const std::string id = job_.id;
    if (const Result<std::optional<VideoJob>> there = shared_->store.find(id, job_.owner);
        there && !*there)
      return shared_->forget(id);  // deleted
    if (const Status saved = shared_->store.save(id, work.files.at(0)); !saved) {
      shared_->host.log("videos: " + saved.error().message);
      return shared_->fail(id, "storage", "the server could not keep the " + what());
    }
    std::optional<LedgerEntry> entry;
    if (job_.key != 0)
      entry = {.request = id,
               .key = job_.key,
               .time = std::time(nullptr),
               .what = shared_->host.model,
               .usage = usage_of(job_.order, work)};
    charge(entry);
    shared_->note(shared_->store.complete(id, std::time(nullptr)));
    shared_->forget(id);
  }

  // Waits for the ledger: the next job of this key must find the balance as it is.
  void charge(const std::optional<LedgerEntry>& entry) {
    const auto written = std::make_shared<std::promise<void>>();
    shared_->host.bookkeeper.add(entry,
                                 [written](const std::optional<Bill>&) { written->set_value(); });
    written->get_future().wait();
  }

  const std::shared_ptr<Shared> shared_;
  VideoJob job_;
  Clock::time_point deadline_ = Clock::time_point::max();
  std::atomic<double> part_{0};
};

VideoJobs::VideoJobs(VideoStore& store, PictureQueue& queue, VideoJobsHost host)
    : store_(store), queue_(queue), shared_(std::make_shared<Shared>(store, std::move(host))) {}

VideoJobs::~VideoJobs() = default;

Pushed VideoJobs::push(const VideoJob& job, const std::string& line) {
  const auto run = std::make_shared<Run>(shared_, job);
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->runs[job.id] = run;
  }
  const Pushed pushed = queue_.push(line, run);
  if (pushed != Pushed::yes) shared_->forget(job.id);
  return pushed;
}

void VideoJobs::resume() {
  const Result<std::vector<VideoJob>> jobs = store_.queued();
  if (!jobs) return shared_->host.log("videos: " + jobs.error().message);
  for (const VideoJob& job : *jobs)
    if (push(job, job.owner) != Pushed::yes)
      shared_->fail(job.id, "queue_full", "the server began anew with too many videos waiting");
}

ApiResult<VideoJob> VideoJobs::add(VideoJob job, const std::string& line) {
  job.has_reference = !job.order.first_frame.empty();
  TRY_STATUS(store_.add(job));
  const Pushed pushed = push(job, line);
  if (pushed == Pushed::yes) return job;
  shared_->note(store_.remove(job.id));
  const bool owner = pushed == Pushed::owner_full;
  return ApiError{.status = 429,
                  .message = owner ? "too many of your pictures and videos wait"
                                   : "the queue of pictures and videos is full",
                  .code = "queue_full",
                  .wait_seconds = owner ? 5 : 10};
}

std::shared_ptr<VideoJobs::Run> VideoJobs::run_of(const std::string& id) const {
  const std::lock_guard lock(shared_->mutex);
  const auto found = shared_->runs.find(id);
  return found == shared_->runs.end() ? nullptr : found->second;
}

void VideoJobs::cancel(const std::string& id) {
  if (const std::shared_ptr<Run> run = run_of(id)) queue_.cancel(*run);
}

void VideoJobs::put_back() {
  shared_->ending = true;
  std::vector<std::shared_ptr<Run>> runs;
  {
    const std::lock_guard lock(shared_->mutex);
    for (const auto& [id, run] : shared_->runs) runs.push_back(run);
  }
  for (const std::shared_ptr<Run>& run : runs) queue_.cancel(*run);
}

double VideoJobs::progress(const std::string& id) const {
  const std::shared_ptr<Run> run = run_of(id);
  return run ? run->part() : 0;
}

}  // namespace hadal
