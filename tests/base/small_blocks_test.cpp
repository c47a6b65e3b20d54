// SPDX-License-Identifier: MIT
// Small blocks: what was given back is found again, on the thread that gave it.
#include "base/small_blocks.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "base/tensor.h"

namespace hadal {
namespace {

TEST(SmallBlocks, BeginAtALineAndHoldTheirBytes) {
  for (const int64_t bytes : {0, 1, 63, 64, 65, 1000, 4096, 65535, 65536}) {
    void* block = take_small_block(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % 64, 0U) << bytes;
    std::memset(block, 1, static_cast<size_t>(bytes));
    give_small_block(block, bytes);
  }
}

TEST(SmallBlocks, AreFoundAgainByTheirSize) {
  void* block = take_small_block(700);
  give_small_block(block, 700);
  void* smaller = take_small_block(500);
  EXPECT_NE(smaller, block);
  EXPECT_EQ(take_small_block(1000), block);
  give_small_block(block, 1000);
  give_small_block(smaller, 500);
}

TEST(SmallBlocks, StayWithTheThreadThatGaveThem) {
  void* block = take_small_block(3000);
  std::thread([&] {
    give_small_block(block, 3000);
    EXPECT_EQ(take_small_block(3000), block);
    give_small_block(block, 3000);  // freed with the thread
  }).join();
}

TEST(SmallBlocks, AreKeptUpToABound) {
  constexpr int64_t kBytes = 1 << 16, kKept = kIdleBytes / kBytes;
  std::thread([] {
    std::vector<void*> blocks;
    for (int64_t i = 0; i < 2 * kKept; ++i) blocks.push_back(take_small_block(kBytes));
    for (void* block : blocks) give_small_block(block, kBytes);
    // The first ones given were kept, and the last of them is found first.
    for (int64_t i = 0; i < kKept; ++i) {
      void* block = take_small_block(kBytes);
      EXPECT_EQ(block, blocks[static_cast<size_t>(kKept - 1 - i)]);
      blocks.push_back(block);
    }
    for (int64_t i = 0; i < kKept; ++i)
      give_small_block(blocks[static_cast<size_t>(2 * kKept + i)], kBytes);
  }).join();
}

TEST(SmallBlocks, TensorsMayOutliveTheirThread) {
  Tensor tensor;
  std::thread([&] { tensor = Tensor::of_floats({2}, {3, 4}); }).join();
  EXPECT_EQ(tensor.data<float>()[1], 4);
  tensor = Tensor();
}

}  // namespace
}  // namespace hadal
