// SPDX-License-Identifier: MIT
// Pages on the nodes of made-up machines, and what the real one says to it.
#include "base/memory_placement.h"

#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr int64_t kPage = 4096;
using Piece = MemoryPlacement::Piece;

TEST(MemoryPlacement, RowsLieWhereTheirThreadsAre) {
  const MemoryPlacement two({{0, {0, 1}}, {3, {2, 3}}});
  EXPECT_EQ(two.pieces(10 * kPage, 8, kPage),
            (std::vector<Piece>{{0, 10 * kPage, 14 * kPage}, {3, 14 * kPage, 18 * kPage}}));
  const MemoryPlacement uneven({{0, {0}}, {1, {1, 2, 3}}});
  EXPECT_EQ(uneven.pieces(0, 8, kPage),
            (std::vector<Piece>{{0, 0, 2 * kPage}, {1, 2 * kPage, 8 * kPage}}));
}

TEST(MemoryPlacement, OnlyWholePagesAreMoved) {
  const MemoryPlacement two({{0, {0}}, {1, {1}}});
  // 3.5 pages from the middle of one: its rows end in the middle of the next.
  EXPECT_EQ(two.pieces(kPage / 2, 7, kPage / 2),
            (std::vector<Piece>{{0, kPage, 2 * kPage}, {1, 2 * kPage, 4 * kPage}}));
  EXPECT_TRUE(two.pieces(100, 1, 50).empty());
  EXPECT_TRUE(two.pieces(100, 0, 50).empty());
}

int policy_at(void* address) {
  int policy = -1;
  const long failed = syscall(SYS_get_mempolicy, &policy, nullptr, 0, address, MPOL_F_ADDR);
  return failed == 0 ? policy : -1;
}

TEST(MemoryPlacement, TheSystemIsToldOnceThereAreSeveralNodes) {
  void* memory =
      mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  if (policy_at(memory) != MPOL_DEFAULT) GTEST_SKIP() << "the system keeps no memory policies";
  const std::vector<MemoryNode> real = memory_nodes(kMemoryNodes, usable_processors());
  if (real.size() == 1) {
    EXPECT_TRUE(MemoryPlacement(real).spread(memory, 16 * kPage));
    EXPECT_TRUE(MemoryPlacement(real).share_out(memory, 16, kPage));
    EXPECT_EQ(policy_at(memory), MPOL_DEFAULT) << "one node: nothing is asked of the system";
  }
  // The same node named twice stands for two.
  const MemoryNode& node = real.front();
  const MemoryPlacement twice({node, node});
  EXPECT_TRUE(twice.share_out(memory, 8, kPage));
  EXPECT_EQ(policy_at(memory), MPOL_PREFERRED);
  EXPECT_TRUE(twice.spread(static_cast<char*>(memory) + 8 * kPage, 8 * kPage));
  EXPECT_EQ(policy_at(static_cast<char*>(memory) + 9 * kPage), MPOL_INTERLEAVE);
  // A node that does not exist is refused, and nobody minds.
  EXPECT_FALSE(MemoryPlacement({node, {1000, {1}}}).share_out(memory, 8, kPage));
  munmap(memory, 16 * kPage);
}

}  // namespace
}  // namespace hadal
