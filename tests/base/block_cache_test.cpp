// SPDX-License-Identifier: MIT
// Blocks that come back, and those that must not stay.
#include "base/block_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/tensor.h"

namespace hadal {
namespace {

constexpr int64_t kMegabyte = int64_t{1} << 20;

TEST(BlockCache, WhatWasGivenIsTakenAgain) {
  BlockCache cache;
  void* first = cache.take(kMegabyte);
  EXPECT_EQ(cache.idle_bytes(), 0);
  cache.give(first, kMegabyte);
  EXPECT_EQ(cache.idle_bytes(), kMegabyte);
  void* other = cache.take(4 * kMegabyte);
  EXPECT_NE(other, first);
  void* again = cache.take(kMegabyte - 100);  // of the same step
  EXPECT_EQ(again, first);
  EXPECT_EQ(cache.idle_bytes(), 0);
  cache.give(other, 4 * kMegabyte);
  cache.give(again, kMegabyte - 100);
}

TEST(BlockCache, EveryByteOfABlockCanBeWritten) {
  BlockCache cache;
  for (int round = 0; round < 2; ++round)
    for (int64_t bytes : {int64_t{1}, int64_t{4096}, int64_t{70000}, int64_t{163841},
                          5 * kMegabyte + 3, 9 * kMegabyte}) {
      void* block = cache.take(bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0u);
      std::memset(block, 1, static_cast<size_t>(bytes));
      cache.give(block, bytes);
    }
}

TEST(BlockCache, NoMoreIsKeptThanIsAllowed) {
  BlockCache cache({.most_idle_bytes = 3 * kMegabyte});
  std::vector<void*> blocks;
  for (int i = 0; i < 5; ++i) blocks.push_back(cache.take(kMegabyte));
  for (void* block : blocks) cache.give(block, kMegabyte);
  EXPECT_EQ(cache.idle_bytes(), 3 * kMegabyte);
  // The longest unused ones went.
  EXPECT_EQ(cache.take(kMegabyte), blocks[4]);
  EXPECT_EQ(cache.take(kMegabyte), blocks[3]);
  EXPECT_EQ(cache.take(kMegabyte), blocks[2]);
  for (int i = 2; i < 5; ++i) cache.give(blocks[static_cast<size_t>(i)], kMegabyte);
  void* large = cache.take(4 * kMegabyte);
  cache.give(large, 4 * kMegabyte);
  EXPECT_EQ(cache.idle_bytes(), 0) << "one that is larger than all that may be kept";
}

TEST(BlockCache, WhatNobodyAsksForGoesBack) {
  BlockCache cache({.kept_for = std::chrono::milliseconds(20)});
  cache.give(cache.take(kMegabyte), kMegabyte);
  EXPECT_EQ(cache.idle_bytes(), kMegabyte);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  cache.give(cache.take(70000), 70000);  // other sizes are used meanwhile
  EXPECT_LT(cache.idle_bytes(), kMegabyte);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  cache.drop_unused();
  EXPECT_EQ(cache.idle_bytes(), 0);
}

TEST(BlockCache, ThreadsShareOneWithoutSharingBlocks) {
  BlockCache cache({.most_idle_bytes = kMegabyte, .kept_for = std::chrono::microseconds(50)});
  std::atomic<int> mistakes{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (int round = 0; round < 500; ++round) {
        const int64_t bytes = 4096 * (1 + round % 7);
        auto* block = static_cast<volatile uint8_t*>(cache.take(bytes));
        block[0] = static_cast<uint8_t>(thread);
        block[bytes - 1] = static_cast<uint8_t>(thread);
        std::this_thread::yield();
        if (block[0] != thread || block[bytes - 1] != thread) ++mistakes;
        cache.give(const_cast<uint8_t*>(block), bytes);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(mistakes, 0);
  EXPECT_LE(cache.idle_bytes(), kMegabyte);
}

TEST(BlockCache, LargeTensorsUseThatOfTensors) {
  const void* first = nullptr;
  {
    const Tensor tensor = Tensor::empty(DType::f32, {1 << 20});
    first = tensor.raw();
  }
  EXPECT_GE(tensor_blocks().idle_bytes(), int64_t{4} << 20);
  const Tensor tensor = Tensor::empty(DType::f32, {1 << 20});
  EXPECT_EQ(tensor.raw(), first);
}

}  // namespace
}  // namespace hadal
