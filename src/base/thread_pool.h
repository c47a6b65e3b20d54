// SPDX-License-Identifier: MIT
// ThreadPool: persistent workers that share one loop at a time.
//
//   ThreadPool pool(0);                                   // 0: one thread per core
//   pool.run(parts, [&](int64_t part) { ... });           // returns when every part is done
//   pool.split(count, grain, [&](int64_t begin, int64_t end) { ... });
//
// The calling thread works too.  Which thread takes which part is fixed by the part's number, so
// the same call does the same work in the same places each time.  A call from inside a part, or
// while another thread is using the pool, runs all its parts on the caller.  Any thread may call;
// a part must not throw.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace hadal {

class ThreadPool {
 public:
  explicit ThreadPool(int64_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int64_t threads() const { return static_cast<int64_t>(workers_.size()) + 1; }

  // work(part) for part = 0 .. parts-1.  Thread i takes parts i, i + threads, …
  template <typename Work>
  void run(int64_t parts, const Work& work) {
    run_erased(parts, Task{&work, [](const void* context, int64_t part) {
                             (*static_cast<const Work*>(context))(part);
                           }});
  }

  // work(begin, end) over [0, count) in at most one range per thread; borders are multiples of
  // `grain`.
  template <typename Work>
  void split(int64_t count, int64_t grain, const Work& work) {
    const int64_t grains = (count + grain - 1) / grain;
    const int64_t parts = std::min(threads(), grains);
    run(parts, [&](int64_t part) {
      work(grains * part / parts * grain, std::min(count, grains * (part + 1) / parts * grain));
    });
  }

 private:
  struct Task {
    const void* context = nullptr;
    void (*call)(const void* context, int64_t part) = nullptr;
  };

  void run_erased(int64_t parts, Task task);
  void work_until_stopped(int64_t thread);
  uint64_t wait_for_round(uint64_t last_round);
  void wait_for_workers();

  std::vector<std::thread> workers_;
  std::mutex one_caller_;

  // Written by the caller before the round begins, read by workers after they saw it begin.
  Task task_;
  int64_t parts_ = 0;

  std::atomic<uint64_t> round_{0};
  std::atomic<int64_t> busy_{0};
  std::atomic<bool> stopping_{false};
  std::mutex sleep_;
  std::condition_variable round_began_;
  std::condition_variable workers_done_;
};

}  // namespace hadal
