// SPDX-License-Identifier: MIT
// `hadal eval tokenizer` on the tokenizer in the box and on scenes that it was not trained on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

class EvalTokenizerTest : public ::testing::Test {
 protected:
  EvalTokenizerTest() {
    const Ran ran = run_program(
        {"data", "motion", "--out", gallery_, "--count", "6", "--seed", "77", "--split", "unseen"});
    EXPECT_EQ(ran.code, 0) << ran.err;
  }
  ~EvalTokenizerTest() override { std::filesystem::remove(gallery_); }
  Ran evaluate(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"eval", "tokenizer", "--gallery", gallery_, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }
  static double psnr_in(const std::string& out) {
    const size_t at = out.find("PSNR ");
    return at == std::string::npos ? 0 : std::strtod(out.c_str() + at + 5, nullptr);
  }

  std::string gallery_ = scratch_file("");
};

TEST_F(EvalTokenizerTest, ClipsComeBackAndFewerGroupsCostQuality) {
  const Ran all = evaluate({"--model", kNano});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_NE(all.out.find("motion: 6 items, 54 frames"), std::string::npos) << all.out;
  EXPECT_NE(all.out.find("36 bits a cell, 6912 an item"), std::string::npos) << all.out;
  EXPECT_GT(psnr_in(all.out), 26) << all.out;
  EXPECT_NE(all.out.find("read back: ground"), std::string::npos) << all.out;
  const Ran one = evaluate({"--model", kNano, "--groups", "1"});
  EXPECT_NE(one.out.find("9 bits a cell"), std::string::npos) << one.out;
  EXPECT_LT(psnr_in(one.out), psnr_in(all.out));
  EXPECT_GT(psnr_in(one.out), 18) << one.out;
}

TEST_F(EvalTokenizerTest, WritesWhatCameBack) {
  const std::string restored = scratch_file("");
  EXPECT_EQ(evaluate({"--model", kNano, "--limit", "2", "--restored", restored}).code, 0);
  const Ran again = run_program({"eval", "tokenizer", "--model", kNano, "--gallery", restored});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find("motion: 2 items, 18 frames"), std::string::npos) << again.out;
  std::filesystem::remove(restored);
}

TEST_F(EvalTokenizerTest, SaysWhatIsWrong) {
  const Ran absent = evaluate({"--model", "nowhere"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_NE(absent.err.find("nowhere/visual_tokenizer.json"), std::string::npos) << absent.err;
  const Ran many = evaluate({"--model", kNano, "--groups", "9"});
  EXPECT_EQ(many.code, 2);
  EXPECT_NE(many.err.find("9 groups of codes are asked for, it has 4"), std::string::npos)
      << many.err;
}

}  // namespace
}  // namespace hadal
