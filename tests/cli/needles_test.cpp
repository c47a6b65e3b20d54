// SPDX-License-Identifier: MIT
// `hadal eval needles` and `hadal data needles`: long contexts, and what teaches them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

std::string needle_shard(const std::vector<std::string>& more) {
  const std::string path = scratch_file("");
  std::vector<std::string> arguments = {"data", "needles", "--documents", "20", "--out", path};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Ran ran = run_program(arguments);
  EXPECT_EQ(ran.code, 0) << ran.err;
  const std::string bytes = read_whole(path);
  std::filesystem::remove(path);
  return bytes;
}

TEST(Needles, AreMissedByAModelOfRandomWeights) {
  const std::string plot = scratch_file("");
  const Ran ran = run_program({"eval", "needles", "--model", golden("v41-tiny"), "--tokens", "400",
                               "--needles", "3", "--svg", plot});
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_NE(ran.out.find("sparse  found 0 of 3"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("missed the needle at "), std::string::npos) << ran.out;
  EXPECT_NE(read_whole(plot).find("0 of 3 needles found in 400 tokens"), std::string::npos);
  std::filesystem::remove(plot);
}

TEST(Needles, AreLookedForWithDenseAttentionToo) {
  const Ran ran = run_program({"eval", "needles", "--model", golden("v41-tiny"), "--tokens", "400",
                               "--needles", "3", "--dense"});
  EXPECT_NE(ran.out.find("dense   found 0 of 3"), std::string::npos) << ran.out << ran.err;
  EXPECT_NE(ran.out.find("same answers of both: "), std::string::npos) << ran.out;
}

// Many times as long as anything that it was trained with; far more entries than the indexer takes.
TEST(Needles, AreAllFoundByTheModelThatLearntIt) {
  const Ran ran =
      run_program({"eval", "needles", "--model", std::string(HADAL_TESTS_DIR) + "/../bench/needles",
                   "--tokens", "8192", "--dense"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("sparse  found 50 of 50"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("dense   found 50 of 50"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("same answers of both: 50 of 50"), std::string::npos) << ran.out;
}

TEST(Needles, DoNotFitIntoAShortHaystack) {
  expect_failure(run_program({"eval", "needles", "--model", golden("v41-tiny"), "--tokens", "256"}),
                 2, "50 needles do not fit into 253 tokens of a vocabulary of 384");
}

TEST(Needles, DocumentsDependOnTheOptionsAlone) {
  const std::string documents = needle_shard({"--seed", "3"});
  EXPECT_GT(documents.size(), 20U * 128 * 4);
  EXPECT_EQ(needle_shard({"--seed", "3"}), documents);
  EXPECT_NE(needle_shard({"--seed", "4"}), documents);
  EXPECT_NE(needle_shard({"--seed", "3", "--words", "100"}), documents);
  EXPECT_EQ(run_program({"data", "needles", "--shortest", "600", "--out", "/dev/null"}).code, 2);
}

}  // namespace
}  // namespace hadal
