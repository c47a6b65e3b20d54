// SPDX-License-Identifier: MIT
// The pool: every part once, in a fixed place, whoever calls.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace hadal {
namespace {

TEST(ThreadPool, EveryPartRunsOnce) {
  for (int64_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t parts : {0, 1, 2, 7, 100}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(parts));
      pool.run(parts, [&](int64_t part) { ++runs[static_cast<size_t>(part)]; });
      for (const std::atomic<int>& count : runs) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, APartAlwaysRunsOnTheSameThread) {
  ThreadPool pool(3);
  std::vector<std::thread::id> first(9);
  pool.run(9, [&](int64_t part) { first[static_cast<size_t>(part)] = std::this_thread::get_id(); });
  for (int round = 0; round < 50; ++round)
    pool.run(9, [&](int64_t part) {
      EXPECT_EQ(first[static_cast<size_t>(part)], std::this_thread::get_id());
    });
}

TEST(ThreadPool, RangesCoverTheCountAndKeepTheGrain) {
  ThreadPool pool(3);
  for (int64_t count : {0, 1, 4, 5, 23, 24, 1000})
    for (int64_t grain : {1, 4, 32}) {
      std::vector<std::atomic<int>> covered(static_cast<size_t>(count));
      pool.split(count, grain, [&](int64_t begin, int64_t end) {
        EXPECT_EQ(begin % grain, 0);
        EXPECT_LT(begin, end);
        for (int64_t i = begin; i < end; ++i) ++covered[static_cast<size_t>(i)];
      });
      for (const std::atomic<int>& times : covered) EXPECT_EQ(times, 1);
    }
}

TEST(ThreadPool, NestedCallsRunOnTheCaller) {
  ThreadPool pool(4);
  std::atomic<int> inner{0};
  pool.run(4, [&](int64_t) {
    const std::thread::id caller = std::this_thread::get_id();
    pool.run(5, [&](int64_t) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      ++inner;
    });
  });
  EXPECT_EQ(inner, 20);
}

TEST(ThreadPool, SeveralCallersAreServed) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i)
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) pool.run(4, [&](int64_t part) { sum += part; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum, 3 * 500 * 6);
}

TEST(ThreadPool, SleepingWorkersWakeUp) {
  ThreadPool pool(2);
  std::atomic<int> runs{0};
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool.run(2, [&](int64_t) { ++runs; });
  }
  EXPECT_EQ(runs, 40);
}

}  // namespace
}  // namespace hadal
