// SPDX-License-Identifier: MIT
// `hadal eval visual --set pages` and the judge of its answers, on recordings made here.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "program.h"

namespace hadal {
namespace {

const std::string kPage =
    "<body style=\"background:pink\"><h1 style=\"color:green\">star</h1><p>ship sun</p></body>";

class EvalPages : public testing::Test {
 protected:
  EvalPages() {
    folder_ = testing::TempDir() + "hadal_pages_XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directory(folder_ + "/asked");
    record("asked", kPage);
  }
  ~EvalPages() override { std::filesystem::remove_all(folder_); }

  // A page whose browser showed nine frames of one colour.
  void record(const std::string& where, const std::string& html) const {
    const std::string name = folder_ + "/" + where + "/00000";
    std::ofstream(name + ".html") << html;
    std::ofstream(name + ".states") << "[" << quoted(html) << "]";
    std::ofstream frames(name + ".ppm", std::ios::binary);
    for (int frame = 0; frame < 9; ++frame)
      frames << "P6 128 128 255\n" << std::string(3 * 128 * 128, static_cast<char>(200));
  }
  static std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (char c : text) out += c == '"' ? std::string("\\\"") : std::string(1, c);
    return out + "\"";
  }

  std::string folder_;
};

TEST_F(EvalPages, WritesAnAnswerForTheBrowserAndCountsWhatIsRight) {
  const Ran ran = run_program({"eval", "visual", "--model", kNano, "--set", "pages", "--pages",
                               folder_ + "/asked", "--answers", folder_ + "/given", "--json",
                               folder_ + "/score.json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/given/00000.html"));
  EXPECT_NE(ran.out.find("the same text"), std::string::npos) << ran.out;
  EXPECT_NE(read_whole(folder_ + "/score.json").find("\"heading\""), std::string::npos);

  // Its browser never saw the answer: wrong.  The same page, seen: right.
  const std::vector<std::string> judge = {
      "data", "pages", "--collect", folder_ + "/asked", "--answers", folder_ + "/given"};
  EXPECT_NE(run_program(judge).out.find("0 of 1 pages right"), std::string::npos);
  record("given", kPage);
  EXPECT_NE(run_program(judge).out.find("1 of 1 pages right"), std::string::npos);
}

TEST_F(EvalPages, RefusesAFolderWithoutPages) {
  expect_failure(run_program({"eval", "visual", "--model", kNano, "--set", "pages"}), 2,
                 "the set pages needs --pages FOLDER (recorded) and --answers FOLDER (to "
                 "fill)");
  std::filesystem::create_directory(folder_ + "/empty");
  expect_failure(run_program({"eval", "visual", "--model", kNano, "--set", "pages", "--pages",
                              folder_ + "/empty", "--answers", folder_ + "/given"}),
                 2, folder_ + "/empty: no pages in it");
}

}  // namespace
}  // namespace hadal
