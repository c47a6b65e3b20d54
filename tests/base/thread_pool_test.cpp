// SPDX-License-Identifier: MIT
// The pool: every part once, whoever calls and whoever is held up.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
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

// Waits until `count` threads have come here.
class Meeting {
 public:
  explicit Meeting(int count) : missing_(count) {}
  void come() {
    --missing_;
    while (missing_ > 0) std::this_thread::yield();
  }

 private:
  std::atomic<int> missing_;
};

TEST(ThreadPool, ThreadsBeginWithTheirOwnShare) {
  ThreadPool pool(3);
  std::vector<std::thread::id> first(3);
  for (int round = 0; round < 50; ++round) {
    Meeting all(3);  // nobody is free to take what belongs to another
    pool.run(3, [&](int64_t part) {
      all.come();
      std::thread::id& id = first[static_cast<size_t>(part)];
      if (round == 0) id = std::this_thread::get_id();
      EXPECT_EQ(id, std::this_thread::get_id());
    });
  }
}

TEST(ThreadPool, WhoIsFreeTakesWhatIsLeft) {
  ThreadPool pool(2);
  for (int64_t held_up : {0, 50, 99}) {
    std::atomic<int> done{0};
    pool.run(100, [&](int64_t part) {
      if (part == held_up)
        while (done < 99) std::this_thread::yield();
      ++done;
    });
    EXPECT_EQ(done, 100);
  }
}

// A worker that is not there at all: its processor belongs to somebody else for a while.
TEST(ThreadPool, RoundsFollowEachOtherWithoutWaitingForSleepers) {
  ThreadPool pool(4);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 20000; ++round) pool.run(3, [&](int64_t part) { sum += part + 1; });
  EXPECT_EQ(sum, 20000 * 6);
}

std::vector<std::vector<int>> masks_of_threads(const PoolOptions& options) {
  ThreadPool pool(options);
  std::vector<std::vector<int>> masks(static_cast<size_t>(pool.threads()));
  Meeting all(static_cast<int>(pool.threads()));
  pool.run(pool.threads(), [&](int64_t part) {
    all.come();
    masks[static_cast<size_t>(part)] = usable_processors();
  });
  return masks;
}

TEST(ThreadPool, WorkersOfAFullMachineStayOnProcessorsOfTheirOwn) {
  const std::vector<int> usable = usable_processors();
  std::set<std::vector<int>> different;
  // On a busy machine a worker may be with the caller for a round.
  for (int tries = 0; tries < 100 && different.size() + 1 != usable.size(); ++tries) {
    const std::vector<std::vector<int>> masks = masks_of_threads({});
    ASSERT_EQ(masks.size(), usable.size());
    EXPECT_EQ(masks[0], usable) << "the caller keeps the mask that it came with";
    different = {masks.begin() + 1, masks.end()};
  }
  EXPECT_EQ(different.size() + 1, usable.size());
  for (const std::vector<int>& mask : different) EXPECT_EQ(mask.size(), 1u);
}

TEST(ThreadPool, WorkersGoWhereTheyWantIfNotPinned) {
  const std::vector<int> usable = usable_processors();
  for (const std::vector<int>& mask : masks_of_threads({.pinned = false})) EXPECT_EQ(mask, usable);
  // With more threads than processors nobody has one to itself.
  for (const std::vector<int>& mask :
       masks_of_threads({.threads = static_cast<int64_t>(usable.size()) + 1}))
    EXPECT_EQ(mask, usable);
}

TEST(ThreadPool, AnAffinityMaskCountsLikeASmallerMachine) {
  std::thread([] {
    const int one = usable_processors().back();
    ASSERT_TRUE(keep_on(pthread_self(), {one}));
    EXPECT_EQ(ThreadPool(0).threads(), 1);
    for (const std::vector<int>& mask : masks_of_threads({.threads = 2}))
      EXPECT_EQ(mask, std::vector<int>{one});
  }).join();
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
