// SPDX-License-Identifier: MIT
// ThreadPool: persistent workers that share one loop at a time.
//
//   ThreadPool pool({.threads = 0});                      // 0: one for each usable processor
//   pool.run(parts, [&](int64_t part) { ... });           // returns when every part is done
//   pool.split(count, grain, [&](int64_t begin, int64_t end) { ... });
//
// The calling thread works too.  Each thread has a share of the parts, always the same one, so
// that what it read the last time lies in its caches and on its memory node; who is done with its
// own share takes what is left of the others'.  A loop is over when its parts are done, not when
// all workers have looked: a worker whose processor is busy with something else holds up nobody.
//
// A call from inside a part, or while another thread is using the pool, runs all its parts on the
// caller.  Any thread may call; a part must not throw.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/processors.h"

namespace hadal {

struct PoolOptions {
  int64_t threads = 0;  // 0: one for each processor that this process may use
  // Workers stay on their processors.  Only if there is a thread for every usable processor (or,
  // with several memory nodes, they stay on their node): otherwise which processors are free is
  // known to the system alone.
  bool pinned = true;
};

class ThreadPool {
 public:
  explicit ThreadPool(const PoolOptions& options);
  explicit ThreadPool(int64_t threads) : ThreadPool(PoolOptions{.threads = threads}) {}
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int64_t threads() const { return static_cast<int64_t>(seats_.size()); }

  // work(part) for part = 0 .. parts-1.
  template <typename Work>
  void run(int64_t parts, const Work& work) {
    run_erased(parts, Task{&work, [](const void* context, int64_t part) {
                             (*static_cast<const Work*>(context))(part);
                           }});
  }

  // Parts that a loop is best cut into.  Several a thread: the end of a loop, where some threads
  // have nothing left to do, is then at most a part long.
  int64_t parts_wanted() const { return threads() == 1 ? 1 : threads() * kPartsAThread; }

  // work(begin, end) over [0, count); borders are multiples of `grain`.
  template <typename Work>
  void split(int64_t count, int64_t grain, const Work& work) {
    const int64_t grains = (count + grain - 1) / grain;
    const int64_t parts = std::min(parts_wanted(), grains);
    run(parts, [&](int64_t part) {
      work(grains * part / parts * grain, std::min(count, grains * (part + 1) / parts * grain));
    });
  }

 private:
  static constexpr int64_t kPartsAThread = 4;  // what was measured: bench/README.md, On Zen 5

  struct Task {
    const void* context = nullptr;
    void (*call)(const void* context, int64_t part) = nullptr;
  };
  struct Seat;

  void run_erased(int64_t parts, Task task);
  void begin_round(int64_t parts, Task task);
  void take_parts(size_t own);
  void wait_for_parts();
  void fetch_displaced();
  static void go_home(Seat& seat);
  void work_until_stopped(size_t own);
  uint64_t wait_for_round(uint64_t last_round);

  std::vector<std::unique_ptr<Seat>> seats_;  // the first is the caller's
  std::mutex one_caller_;

  // Written before the parts of a round can be taken, read by who took one.
  Task task_;

  std::atomic<uint64_t> round_{0};
  std::atomic<int64_t> unfinished_{0};  // parts
  std::atomic<int64_t> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stopping_{false};
  std::mutex sleep_;
  std::condition_variable round_began_;
  std::condition_variable parts_done_;
};

}  // namespace hadal
