// SPDX-License-Identifier: MIT
// `hadal eval drafts` with a head of random weights.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

class EvalDraftsTest : public ::testing::Test {
 protected:
  EvalDraftsTest() {
    const std::string documents = scratch_file(
        R"({"text":"oak (noun): a tree with acorns and lobed leaves. Synonym: oak tree."})"
        "\n"
        R"({"text":"ls is a command: list directory contents."})"
        "\n");
    const Ran ran = run_program({"data", "shards", "--tokenizer", model_ + "/tokenizer.json",
                                 "--input", documents, "--out", shard_});
    EXPECT_EQ(ran.code, 0) << ran.err;
    std::remove(documents.c_str());
  }
  ~EvalDraftsTest() override { std::remove(shard_.c_str()); }
  Ran evaluate(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"eval", "drafts",  "--model",  model_, "--data",
                                          shard_, "--quiet", "--tokens", "24"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }

  std::string model_ = golden("v41-tiny"), shard_ = scratch_file("");
};

// That the texts are the same is looked at by the command itself.
TEST_F(EvalDraftsTest, SaysHowOftenGuessesAreRight) {
  for (const char* temperature : {"0", "1"}) {
    const Ran ran = evaluate({"--draft", "2", "--temperature", temperature});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_NE(ran.out.find("2 documents"), std::string::npos) << ran.out;
    EXPECT_NE(ran.out.find("times as fast"), std::string::npos) << ran.out;
    EXPECT_NE(ran.out.find("right by place:"), std::string::npos) << ran.out;
  }
}

TEST_F(EvalDraftsTest, RefusesMoreGuessesThanTheHeadMakes) {
  expect_failure(evaluate({"--draft", "9"}), 2,
                 "--draft 9: " + model_ + " guesses at most 3 tokens");
}

}  // namespace
}  // namespace hadal
