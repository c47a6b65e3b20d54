// SPDX-License-Identifier: MIT
// Processors and memory nodes, of made-up machines.
#include "base/processors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace hadal {
namespace {

using Ints = std::vector<int>;
namespace fs = std::filesystem;

TEST(Processors, ListsAreReadAsTheKernelWritesThem) {
  EXPECT_EQ(processor_list("0-3,8,10-11\n"), (Ints{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(processor_list("5"), Ints{5});
  for (const char* broken : {"", "\n", "a", "1-", "-1", "3-1", "1,,2", "0-99999999", "1 2"})
    EXPECT_EQ(processor_list(broken), Ints{}) << broken;
}

TEST(Processors, AThreadCanBeKeptAndSeesIt) {
  std::thread([] {
    const Ints all = usable_processors();
    ASSERT_FALSE(all.empty());
    EXPECT_TRUE(keep_on(pthread_self(), {all.back()}));
    EXPECT_EQ(usable_processors(), Ints{all.back()});
    EXPECT_FALSE(keep_on(pthread_self(), {}));
  }).join();
}

class Nodes : public testing::Test {
 protected:
  Nodes() { fs::remove_all(folder_); }
  ~Nodes() override { fs::remove_all(folder_); }
  void node(const std::string& name, const std::string& processors) {
    fs::create_directories(folder_ / name);
    std::ofstream(folder_ / name / "cpulist") << processors;
  }
  std::vector<MemoryNode> read(const Ints& usable) const {
    return memory_nodes(folder_.string(), usable);
  }

  const fs::path folder_ = fs::path(testing::TempDir()) / "hadal_nodes";
};

TEST_F(Nodes, ThoseWithUsableProcessorsCount) {
  node("node0", "0-1,4-5\n");
  node("node1", "2-3,6-7\n");
  node("node2", "\n");  // memory alone
  node("node10", "8\n");
  node("power", "0-8\n");
  const std::vector<MemoryNode> nodes = read({1, 2, 3, 4});
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].id, 0);
  EXPECT_EQ(nodes[0].processors, (Ints{1, 4}));
  EXPECT_EQ(nodes[1].id, 1);
  EXPECT_EQ(nodes[1].processors, (Ints{2, 3}));
}

TEST_F(Nodes, AMachineThatTellsNothingIsOne) {
  const std::vector<MemoryNode> nodes = read({0, 1});
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].processors, (Ints{0, 1}));
}

TEST_F(Nodes, NeighbouringThreadsAreAtHomeOnOneNode) {
  node("node0", "0,2");
  node("node1", "1,3");
  const Ints usable{0, 1, 2, 3};
  using Homes = std::vector<Ints>;
  EXPECT_EQ(homes_of(4, usable, read(usable)), (Homes{{0}, {2}, {1}, {3}}));
  EXPECT_EQ(homes_of(3, usable, read(usable)), (Homes{{0, 2}, {0, 2}, {1, 3}}));
  EXPECT_EQ(homes_of(6, usable, read(usable)).back(), (Ints{1, 3}));
  const std::vector<MemoryNode> one = {{0, usable}};
  EXPECT_EQ(homes_of(4, usable, one), (Homes{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(homes_of(3, usable, one), Homes{});
  EXPECT_EQ(homes_of(5, usable, one), Homes{});
  EXPECT_EQ(homes_of(5, {0, 1, 2, 3, 4}, read(usable)), Homes{}) << "4 is on no known node";
}

}  // namespace
}  // namespace hadal
