// SPDX-License-Identifier: MIT
// `hadal chat` from a pipe: turns, the kept cache, /save and /load.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

// The tiny tokenizer has no control tokens of conversations: some of its placeholders become them.
class Chat : public testing::Test {
 protected:
  Chat() : folder_("v41-tiny") {
    const std::vector<std::string> names = {"<｜User｜>", "<｜Assistant｜>", "<｜System｜>",
                                            "<think>", "</think>"};
    for (size_t i = 0; i < names.size(); ++i)
      folder_.replace("tokenizer.json", "<｜place▁holder▁no▁" + std::to_string(350 + i) + "｜>",
                      names[i]);
  }
  Ran chat(const std::string& input, std::vector<std::string> more = {},
           const RunOptions& options = {}) {
    if (std::find(more.begin(), more.end(), "--max-tokens") == more.end())
      more.insert(more.end(), {"--max-tokens", "8"});
    std::vector<std::string> arguments = {"chat", "--model", folder_.path(), "--seed", "7"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    RunOptions with_input = options;
    with_input.input = input;
    return run_program(arguments, with_input);
  }

  ModelFolder folder_;
};

TEST_F(Chat, LaterTurnsReuseWhatWasRead) {
  const Ran ran = chat("the sea\nand the sky\n");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_FALSE(ran.out.empty());
  const size_t second = ran.err.find("prompt ", ran.err.find('\n'));
  ASSERT_NE(second, std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("cached)", second), std::string::npos) << ran.err;
}

TEST_F(Chat, ALoadedSessionAnswersAsTheSavedOneWould) {
  const std::string file = folder_.file("talk.session");
  const Ran whole = chat("the sea\nand the sky\nand me\n", {"--quiet"});
  const Ran first = chat("the sea\nand the sky\n/save " + file + "\n", {"--quiet"});
  const Ran second = chat("/load " + file + "\nand me\n", {"--quiet"});
  ASSERT_EQ(first.code, 0) << first.err;
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_NE(second.err.find("loaded 2 turns"), std::string::npos) << second.err;
  EXPECT_EQ(first.out + second.out, whole.out);
}

TEST_F(Chat, ADamagedSessionIsRefusedAndTheConversationGoesOn) {
  const std::string file = folder_.file("talk.session");
  ASSERT_EQ(chat("the sea\n/save " + file + "\n").code, 0);
  std::string bytes = read_whole(file);
  bytes[bytes.size() - 9] ^= 4;
  std::ofstream(file, std::ios::binary) << bytes;
  const Ran ran = chat("/load " + file + "\nthe sea\n", {"--quiet"});
  EXPECT_EQ(ran.code, 2) << ran.err;
  EXPECT_NE(ran.err.find("hadal: " + file + ": xxh3:"), std::string::npos) << ran.err;
  EXPECT_FALSE(ran.out.empty());
}

TEST_F(Chat, ThinkingIsShownApart) {
  const Ran ran = chat("the sea\nthe sky\n", {"--think", "--effort", "low"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("answer 8 tokens"), std::string::npos) << ran.err;
}

TEST_F(Chat, CommandsSayWhatIsWrong) {
  const Ran ran = chat("/sav x\n/load\n/quit\nnever read\n");
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("hadal: \"/sav\" is no command; /help lists them\n"), std::string::npos);
  EXPECT_NE(ran.err.find("hadal: /load: no file is named\n"), std::string::npos);
}

TEST_F(Chat, CtrlCStopsTheAnswerNotTheProgram) {
  RunOptions options;
  options.interrupt_when = [](const std::string& out) { return out.size() > 4; };
  const Ran ran = chat("the sea\n/stats\n", {"--max-tokens", "20000"}, options);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("cancelled"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("tokens are in the cache, 1 turns"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hadal
