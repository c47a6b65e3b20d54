// SPDX-License-Identifier: MIT
// Requests that show pictures, one after another.
#include "serve/view_queue.h"

#include <utility>
#include <vector>

namespace hadal {

ViewQueue::ViewQueue(QueueLimits limits) : waiting_(limits), thread_([this] { work(); }) {}

ViewQueue::~ViewQueue() {
  close();
}

Pushed ViewQueue::push(const std::string& owner, Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return Pushed::full;
    const Pushed pushed = waiting_.push(owner, std::move(work));
    if (pushed != Pushed::yes) return pushed;
  }
  changed_.notify_one();
  return Pushed::yes;
}

void ViewQueue::close() {
  std::vector<Work> taken;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    taken = waiting_.take_if([](const Work&) { return true; });
  }
  changed_.notify_one();
  for (const Work& work : taken) work(View::give_up);
  if (thread_.joinable()) thread_.join();
}

int64_t ViewQueue::size() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + (running_ ? 1 : 0);
}

void ViewQueue::work() {
  while (true) {
    std::optional<Work> next;
    {
      std::unique_lock lock(mutex_);
      running_ = false;
      changed_.wait(lock, [this] { return closing_ || waiting_.size() > 0; });
      if (closing_) return;
      next = waiting_.pop();
      running_ = true;
    }
    (*next)(View::look);
  }
}

}  // namespace hadal
