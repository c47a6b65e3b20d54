// SPDX-License-Identifier: MIT
// One round of the pool: the caller publishes a task and raises the round; every worker does its
// parts and lowers the count of the busy.  Both sides look for some microseconds before they
// sleep, because the next verb of a forward pass usually follows at once, and being woken costs
// more than the small steps between verbs that one thread does alone.
#include "base/thread_pool.h"

#include <chrono>

namespace hadal {
namespace {

// Longer than what happens between two verbs, and so short that a neighbour does not feel it: after
// the last verb of a pass a worker sleeps until the next pass.
constexpr std::chrono::microseconds kPatience(40);
constexpr int kLooks = 64;  // between two looks at the clock

thread_local bool inside_a_part = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Whether `seen` came true while looking for it was worth it.
template <typename Seen>
bool saw(const Seen& seen) {
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int look = 0; look < kLooks; ++look) {
      if (seen()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() - begin < kPatience);
  return false;
}

int64_t count_threads(int64_t asked) {
  if (asked > 0) return asked;
  return std::max<int64_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

ThreadPool::ThreadPool(int64_t threads) {
  const int64_t workers = count_threads(threads) - 1;
  workers_.reserve(static_cast<size_t>(workers));
  for (int64_t i = 0; i < workers; ++i)
    workers_.emplace_back([this, i] { work_until_stopped(i + 1); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(sleep_);
    stopping_.store(true);
    round_.fetch_add(1);
  }
  round_began_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(int64_t parts, Task task) {
  std::unique_lock alone(one_caller_, std::defer_lock);
  if (parts <= 1 || workers_.empty() || inside_a_part || !alone.try_lock()) {
    for (int64_t part = 0; part < parts; ++part) task.call(task.context, part);
    return;
  }
  task_ = task;
  parts_ = parts;
  {
    std::lock_guard lock(sleep_);
    busy_.store(threads() - 1);
    round_.fetch_add(1);
  }
  round_began_.notify_all();
  inside_a_part = true;
  for (int64_t part = 0; part < parts; part += threads()) task.call(task.context, part);
  inside_a_part = false;
  wait_for_workers();
}

void ThreadPool::wait_for_workers() {
  if (saw([this] { return busy_.load() == 0; })) return;
  std::unique_lock lock(sleep_);
  workers_done_.wait(lock, [this] { return busy_.load() == 0; });
}

uint64_t ThreadPool::wait_for_round(uint64_t last_round) {
  if (saw([&] { return round_.load() != last_round; })) return round_.load();
  std::unique_lock lock(sleep_);
  round_began_.wait(lock, [&] { return round_.load() != last_round; });
  return round_.load();
}

void ThreadPool::work_until_stopped(int64_t thread) {
  inside_a_part = true;
  for (uint64_t round = 0;;) {
    round = wait_for_round(round);
    if (stopping_.load()) return;
    for (int64_t part = thread; part < parts_; part += threads()) task_.call(task_.context, part);
    if (busy_.fetch_sub(1) == 1) {
      std::lock_guard lock(sleep_);
      workers_done_.notify_one();
    }
  }
}

}  // namespace hadal
