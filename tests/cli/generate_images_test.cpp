// SPDX-License-Identifier: MIT
// `hadal generate --image` and `--video`: a model that sees, and one that does not.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string bytes_of(const std::string& digits) {
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return bytes;
}

// A PNG of 8 × 6 pixels, red rising to the right and green downwards.
std::string picture_file() {
  return scratch_file(bytes_of(
      "89504e470d0a1a0a0000000d4948445200000008000000060802000000716748ac000000184944415478da63"
      "646068906360c0442c0c1a0c58013d2400f9f20230ffd468300000000049454e44ae426082"));
}

// A GIF of 16 × 16 pixels: black for one second, then with a white square.
std::string clip_file() {
  return scratch_file(bytes_of(
      "4749463839611000100081000000000000000000000000000021f90400640000002c000000001000100000081d00"
      "01081c48b0a0c18308132a5cc8b0a1c38710234a9c48b1a2c58101010021f90400640000002c0000000008000800"
      "81000000ffffff000000000000080f0003081c48b0a0c18308132a4c1810003b"));
}

// The golden checkpoint, with a tokenizer that has the tokens of a conversation.
class SeeingModel : public testing::Test {
 protected:
  SeeingModel() {
    folder_ = testing::TempDir() + "hadal_seeing_model";
    fs::create_directories(folder_);
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(golden("v41-vision-tiny") + "/" + name, folder_ + "/" + name,
                    fs::copy_options::overwrite_existing);
    std::string tokenizer = read_whole(golden("v41-vision-tiny") + "/tokenizer.json");
    rename(tokenizer, "<｜place▁holder▁no▁345｜>", "<｜User｜>");
    rename(tokenizer, "<｜place▁holder▁no▁346｜>", "<｜Assistant｜>");
    rename(tokenizer, "<｜place▁holder▁no▁347｜>", "</think>");
    std::ofstream(folder_ + "/tokenizer.json", std::ios::binary) << tokenizer;
  }

  static void rename(std::string& text, const std::string& from, const std::string& to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from))
      text.replace(at, from.size(), to);
  }

  Ran ask(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"generate", "--model", folder_, "--chat", "--seed", "1",
                                         "--max-tokens", "8", "--prompt", "what"});
    return run_program(arguments);
  }

  static int64_t prompt_tokens(const Ran& ran) {
    std::istringstream lines(ran.out);
    std::string line, last;
    while (std::getline(lines, line)) last = line;
    const json done = json::parse(last, nullptr, false);
    EXPECT_TRUE(done.is_object()) << ran.out << ran.err;
    return done.is_object() ? done["usage"]["prompt_tokens"].get<int64_t>() : 0;
  }

  std::string folder_;
};

// Pictures stay with a conversation: the second turn finds all of the first one in the cache.
TEST_F(SeeingModel, ChatLooksAndRemembers) {
  const std::string file = picture_file();
  RunOptions options;
  options.input = "/look " + file + "\nwhat\nand why\n/save x\n/reset\nwhat\n";
  const Ran ran =
      run_program({"chat", "--model", folder_, "--seed", "1", "--max-tokens", "8"}, options);
  EXPECT_NE(ran.err.find("1 pictures go with what you say next"), std::string::npos) << ran.err;
  std::vector<int> prompts, cached;  // by turn
  std::istringstream lines(ran.err);
  for (std::string line; std::getline(lines, line);) {
    int prompt = 0, held = 0;
    if (std::sscanf(line.c_str(), "prompt %d tokens (%d cached)", &prompt, &held) < 1) continue;
    prompts.push_back(prompt);
    cached.push_back(held);
  }
  ASSERT_EQ(prompts.size(), 3U) << ran.err;
  EXPECT_GE(cached[1], prompts[0]) << ran.err;  // the picture, the question and the answer
  EXPECT_LT(prompts[2], prompts[0]) << "the picture was not forgotten: " << ran.err;
  EXPECT_NE(ran.err.find("a conversation with pictures is not stored"), std::string::npos);
  fs::remove(file);
}

TEST_F(SeeingModel, APictureTakesTheRoomOfItsSpan) {
  const Ran blind = ask({"--json"}), seeing = ask({"--json", "--image", picture_file()});
  ASSERT_EQ(blind.code, 0) << blind.err;
  ASSERT_EQ(seeing.code, 0) << seeing.err;
  // 8 × 6 pixels are raised to 1600 and fill 8 × 6 patches, 3 × 2 cells: 2 · (3 + 1) + 2
  // positions.  A picture and a text have an empty line between them.
  const int64_t more = prompt_tokens(seeing) - prompt_tokens(blind);
  EXPECT_GT(more, 10);
  EXPECT_LE(more, 12);
  EXPECT_EQ(prompt_tokens(ask({"--json", "--image", picture_file(), "--image", picture_file()})),
            prompt_tokens(seeing) + more);
}

TEST_F(SeeingModel, WhatItAnswersDependsOnThePicture) {
  const Ran one = ask({"--image", picture_file()}), again = ask({"--image", picture_file()});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out, again.out);
  EXPECT_NE(one.out, ask({"--image", clip_file()}).out);
}

TEST_F(SeeingModel, AVideoIsItsNewFrames) {
  const Ran still = ask({"--json", "--video", picture_file()});
  const Ran clip = ask({"--json", "--video", clip_file()});
  ASSERT_EQ(still.code, 0) << still.err;
  ASSERT_EQ(clip.code, 0) << clip.err;
  const int64_t text = prompt_tokens(ask({"--json"}));
  const int64_t one = prompt_tokens(still) - text, two = prompt_tokens(clip) - text;
  EXPECT_GT(two, one + 10);
  EXPECT_LT(two, 4 * one);  // not a frame for each half second
}

TEST_F(SeeingModel, RefusesWhatIsNoPicture) {
  const Ran ran = ask({"--image", scratch_file("no picture at all")});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("not a picture"), std::string::npos) << ran.err;
}

TEST(Images, AModelThatDoesNotSeeSaysSoBeforeItIsRead) {
  const Ran ran = run_program({"generate", "--model", golden("v41-tiny"), "--chat", "--prompt",
                               "what", "--image", picture_file()});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("does not see"), std::string::npos) << ran.err;
}

TEST(Images, NeedAConversation) {
  const Ran ran = run_program({"generate", "--model", golden("v41-vision-tiny"), "--prompt", "what",
                               "--image", picture_file()});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("--image and --video need --chat"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hadal
