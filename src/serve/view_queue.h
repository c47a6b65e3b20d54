// SPDX-License-Identifier: MIT
// Requests that show pictures, before they can be planned: looked at one after another on a thread
// of their own, fair between owners, so that the handlers' threads stay free for everybody else.
//
//   ViewQueue queue({.most = 64, .most_of_one = 16});
//   if (queue.push("ann", work) != Pushed::yes) …
//
// A work that was pushed is called exactly once: with View::look, or with View::give_up if the
// queue ends before its turn.  Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "serve/fair_queue.h"

namespace hadal {

enum class View { look, give_up };

class ViewQueue {
 public:
  using Work = std::function<void(View what)>;

  explicit ViewQueue(QueueLimits limits);
  ~ViewQueue();

  Pushed push(const std::string& owner, Work work);
  // Those that wait are given up, now and from now on; returns when the running one is done.
  void close();
  int64_t size() const;  // waiting and running

 private:
  void work();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  FairQueue<Work> waiting_;
  bool running_ = false, closing_ = false;
  std::thread thread_;
};

}  // namespace hadal
