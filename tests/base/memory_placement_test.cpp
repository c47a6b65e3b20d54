// SPDX-License-Identifier: MIT
// What the system makes of it.
#include "base/memory_placement.h"

#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr int64_t kPage = 4096;

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
    EXPECT_EQ(policy_at(memory), MPOL_DEFAULT) << "one node: nothing is asked of the system";
  }
  // The same node named twice stands for two.
  const MemoryNode& node = real.front();
  const MemoryPlacement twice({node, node});
  EXPECT_TRUE(twice.spread(static_cast<char*>(memory) + 8 * kPage, 8 * kPage));
  EXPECT_EQ(policy_at(memory), MPOL_DEFAULT);
  EXPECT_EQ(policy_at(static_cast<char*>(memory) + 9 * kPage), MPOL_INTERLEAVE);
  munmap(memory, 16 * kPage);
}

}  // namespace
}  // namespace hadal
