// SPDX-License-Identifier: MIT
// One round of the pool: the caller deals the parts to seats and raises the round; every thread
// takes parts of its own seat, then of the others', and reports how many it did.
//
// Both sides look for some microseconds before they sleep, because the next verb of a forward pass
// usually follows at once, and being woken costs more than the small steps between verbs that one
// thread does alone.
//
// A worker that loses its processor to another process in the middle of a part would hold up the
// round for milliseconds while the caller's processor idles.  The caller sees that the worker's own
// clock stands still, moves the worker to where it is itself, and sleeps: so the machine's
// processors are used as far as others leave them.  After the round the worker goes home.
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>

namespace hadal {
namespace {

// Longer than what happens between two verbs, and so short that a neighbour does not feel it: after
// the last verb of a pass a worker sleeps until the next pass.
constexpr std::chrono::microseconds kPatience(40);
constexpr int kLooks = 16;  // between two looks at the clock
// Between two looks after workers while the caller sleeps; a turn of the system's scheduler is a
// few times as long.
constexpr std::chrono::microseconds kNap(500);

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
bool saw(const Seen& seen, std::chrono::nanoseconds patience) {
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int look = 0; look < kLooks; ++look) {
      if (seen()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() - begin < patience);
  return false;
}

int64_t nanoseconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * int64_t{1000000000} + time.tv_nsec;
}

}  // namespace

// A thread of the pool and its share of a round; on lines of its own, as all threads look at it.
struct alignas(64) ThreadPool::Seat {
  // Parts of the share that nobody took: it counts down, and below zero when many looked.
  std::atomic<int64_t> left{0};
  int64_t end = 0;  // the part after its share

  // Of a worker:
  alignas(64) std::atomic<bool> at_work{false};  // may hold parts that it has not reported
  std::atomic<bool> away{false};                 // was moved to the caller's processor
  std::mutex moving;
  std::vector<int> home;
  int64_t clock_seen = 0;  // by the caller
  std::thread thread;
};

ThreadPool::ThreadPool(const PoolOptions& options) {
  const std::vector<int> usable = usable_processors();
  const int64_t threads =
      options.threads > 0 ? options.threads : static_cast<int64_t>(usable.size());
  std::vector<std::vector<int>> homes;
  if (options.pinned) homes = homes_of(threads, usable, memory_nodes(kMemoryNodes, usable));
  for (int64_t i = 0; i < threads; ++i) {
    seats_.push_back(std::make_unique<Seat>());
    seats_.back()->home = homes.empty() ? usable : homes[static_cast<size_t>(i)];
  }
  for (size_t i = 1; i < seats_.size(); ++i)
    seats_[i]->thread = std::thread([this, i] { work_until_stopped(i); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(sleep_);
    stopping_.store(true);
    round_.fetch_add(1);
  }
  round_began_.notify_all();
  for (size_t i = 1; i < seats_.size(); ++i) seats_[i]->thread.join();
}

void ThreadPool::run_erased(int64_t parts, Task task) {
  std::unique_lock alone(one_caller_, std::defer_lock);
  if (parts <= 1 || seats_.size() == 1 || inside_a_part || !alone.try_lock()) {
    for (int64_t part = 0; part < parts; ++part) task.call(task.context, part);
    return;
  }
  begin_round(parts, task);
  inside_a_part = true;
  take_parts(0);
  inside_a_part = false;
  wait_for_parts();
}

void ThreadPool::begin_round(int64_t parts, Task task) {
  task_ = task;
  unfinished_.store(parts);
  // Parts can be taken from the moment that `left` is stored, so that comes last.
  for (int64_t i = 0; i < threads(); ++i)
    seats_[static_cast<size_t>(i)]->end = parts * (i + 1) / threads();
  for (int64_t i = 0; i < threads(); ++i)
    seats_[static_cast<size_t>(i)]->left.store(parts * (i + 1) / threads() - parts * i / threads());
  round_.fetch_add(1);
  if (sleepers_.load() == 0) return;
  { const std::lock_guard lock(sleep_); }  // who counted itself a sleeper sleeps, or has seen it
  round_began_.notify_all();
}

// A part that was taken keeps its round from ending, so what is read after taking it is its own.
void ThreadPool::take_parts(size_t own) {
  int64_t done = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    Seat& seat = *seats_[(own + i) % seats_.size()];
    while (seat.left.load(std::memory_order_relaxed) > 0) {
      const int64_t left = seat.left.fetch_sub(1);
      if (left <= 0) break;
      task_.call(task_.context, seat.end - left);
      ++done;
    }
  }
  if (done == 0 || unfinished_.fetch_sub(done) != done || !caller_sleeps_.load()) return;
  { const std::lock_guard lock(sleep_); }
  parts_done_.notify_one();
}

void ThreadPool::wait_for_parts() {
  const auto done = [this] { return unfinished_.load() == 0; };
  if (saw(done, kPatience / 2)) return;
  fetch_displaced();  // only sees their clocks: it cannot be told yet who stands still
  if (saw(done, kPatience / 2)) return;
  std::unique_lock lock(sleep_);
  caller_sleeps_.store(true);
  while (!done()) {
    fetch_displaced();
    parts_done_.wait_for(lock, kNap, done);
  }
  caller_sleeps_.store(false);
}

// Workers that hold parts and have not run since the last call come to this processor.  Those that
// may run here anyway are the system's to move.
void ThreadPool::fetch_displaced() {
  const int here = sched_getcpu();
  for (size_t i = 1; i < seats_.size() && here >= 0; ++i) {
    Seat& seat = *seats_[i];
    if (std::binary_search(seat.home.begin(), seat.home.end(), here)) continue;
    const pthread_t worker = seat.thread.native_handle();
    clockid_t clock{};
    if (pthread_getcpuclockid(worker, &clock) != 0) continue;
    const int64_t seen = nanoseconds_of(clock);
    const bool stands = seen == seat.clock_seen;
    seat.clock_seen = seen;
    if (!stands || !seat.at_work.load()) continue;
    const std::lock_guard lock(seat.moving);
    if (!seat.at_work.load()) continue;
    seat.away.store(true);
    keep_on(worker, {here});
  }
}

void ThreadPool::go_home(Seat& seat) {
  if (!seat.away.load()) return;
  const std::lock_guard lock(seat.moving);
  keep_on(pthread_self(), seat.home);
  seat.away.store(false);
}

uint64_t ThreadPool::wait_for_round(uint64_t last_round) {
  const auto began = [&] { return round_.load() != last_round; };
  if (saw(began, kPatience)) return round_.load();
  std::unique_lock lock(sleep_);
  sleepers_.fetch_add(1);
  round_began_.wait(lock, began);
  sleepers_.fetch_sub(1);
  return round_.load();
}

void ThreadPool::work_until_stopped(size_t own) {
  Seat& seat = *seats_[own];
  inside_a_part = true;
  keep_on(pthread_self(), seat.home);
  for (uint64_t round = 0;;) {
    go_home(seat);
    round = wait_for_round(round);
    if (stopping_.load()) return;
    seat.at_work.store(true);
    take_parts(own);
    seat.at_work.store(false);
  }
}

}  // namespace hadal
