// SPDX-License-Identifier: MIT
// Pictures that a model puts into its answer of its own accord.  The model in the box was not
// taught to; here it is made to: the head's row of the token that opens a span becomes a little
// more than that of the full stop, so that every sentence ends in a picture.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "base/number_formats.h"
#include "base/safetensors.h"
#include "media/read.h"
#include "program.h"

namespace hadal {
namespace {

constexpr int64_t kStart = 4114;  // models/nano/config.json, start_id
const std::string kPrompt = "The sea is";

class AnswerPictures : public testing::Test {
 protected:
  AnswerPictures() {
    folder_ = testing::TempDir() + "hadal_answer_XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  ~AnswerPictures() override { std::filesystem::remove_all(folder_); }

  void SetUp() override {
    for (const char* name :
         {"config.json", "tokenizer.json", "visual_tokenizer.json", "visual_tokenizer.safetensors"})
      std::filesystem::copy(kNano + "/" + name, file(name));
    const int64_t stop = id_of_full_stop();
    ASSERT_GE(stop, 0);
    Result<Safetensors> weights = Safetensors::open(kNano + "/model.safetensors");
    ASSERT_TRUE(weights) << weights.error().message;
    std::vector<NamedTensor> all;
    for (const auto& [name, tensor] : weights->tensors()) all.push_back({name, tensor});
    const auto head = std::find_if(all.begin(), all.end(), [](const NamedTensor& tensor) {
      return tensor.name == "head.weight";
    });
    ASSERT_NE(head, all.end());
    const int64_t width = head->tensor.size(1);
    Tensor changed = Tensor::empty(DType::bf16, head->tensor.shape());
    std::copy_n(head->tensor.data<uint16_t>(), changed.count(), changed.data<uint16_t>());
    uint16_t* const rows = changed.data<uint16_t>();
    for (int64_t i = 0; i < width; ++i)
      rows[kStart * width + i] = float_to_bf16(1.02F * bf16_to_float(rows[stop * width + i]));
    head->tensor = changed;
    ASSERT_TRUE(write_safetensors(file("model.safetensors"), all, weights->metadata()));
  }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  // The likeliest words, so that both models say the same up to the first full stop.
  static Ran generate(const std::string& model, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"generate", "--model",      model, "--prompt",
                                          kPrompt,    "--seed",       "5",   "--temperature",
                                          "0",        "--max-tokens", "400"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }
  static int64_t id_of_full_stop() {
    const std::string events = generate(kNano, {"--json", "--quiet"}).out;
    const size_t text = events.find(R"("text":".)");
    if (text == std::string::npos) return -1;
    const size_t id = events.rfind(R"("id":)", text) + 5;
    int64_t found = -1;
    std::from_chars(events.data() + id, events.data() + text, found);
    return found;
  }
  static std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
    std::vector<std::string> found;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      if (line.find(part) != std::string::npos) found.push_back(line);
      at = end + 1;
    }
    return found;
  }

  std::string folder_;
};

TEST_F(AnswerPictures, StandWhereTheAnswerHasThem) {
  const std::string plain = generate(kNano, {"--quiet"}).out;
  const Ran ran = generate(folder_, {"--pictures", folder_});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::vector<std::string> paths = lines_with(ran.out, "hadal-");
  ASSERT_FALSE(paths.empty()) << ran.out;
  for (const std::string& path : paths) {
    EXPECT_TRUE(path.starts_with(file("hadal-"))) << path;
    const Result<Clip> clip = read_media(path);
    ASSERT_TRUE(clip) << clip.error().message;
    EXPECT_EQ(clip->width() % 8, 0);
  }
  // Words, the first picture, more of the answer.
  const size_t first = ran.out.find(paths[0]);
  EXPECT_EQ(ran.out.substr(0, first), plain.substr(0, plain.find('.')) + "\n");
  const Ran inspected = run_program({"inspect", paths[0]});
  EXPECT_NE(inspected.out.find("prompt = " + kPrompt), std::string::npos) << inspected.out;
  EXPECT_NE(inspected.out.find("seed = 5"), std::string::npos) << inspected.out;
  EXPECT_NE(inspected.out.find("engine = hadal "), std::string::npos) << inspected.out;
}

TEST_F(AnswerPictures, CanBeSwitchedOff) {
  const Ran ran = generate(folder_, {"--no-pictures", "--pictures", folder_, "--quiet"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, generate(kNano, {"--quiet"}).out);
  EXPECT_FALSE(std::filesystem::exists(file("hadal-1.png")));
  EXPECT_FALSE(std::filesystem::exists(file("hadal-1.mp4")));
}

TEST_F(AnswerPictures, AreEventsForPrograms) {
  const Ran ran = generate(folder_, {"--json", "--pictures", folder_, "--quiet"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::vector<std::string> events = lines_with(ran.out, R"({"type":"picture","path":")");
  ASSERT_FALSE(events.empty()) << ran.out;
  EXPECT_NE(events[0].find(file("hadal-1.")), std::string::npos) << events[0];
  EXPECT_LT(ran.out.find(R"("type":"token")"), ran.out.find(R"("type":"picture")"));
}

TEST_F(AnswerPictures, StayInTheConversation) {
  const std::vector<std::string> arguments = {
      "chat", "--model", folder_, "--seed", "5", "--temperature", "0", "--max-tokens", "120"};
  const auto chat = [&](const std::string& input) {
    return run_program(arguments, {.input = input, .folder = folder_});
  };
  const std::string talk = "Hello, who are you?\n", file = "talk.session";
  const Ran whole = chat(talk + "And what is a boat?\n");
  ASSERT_EQ(whole.code, 0) << whole.err;
  ASSERT_FALSE(lines_with(whole.out, "hadal-1.").empty()) << whole.out;
  // What was drawn was read once, like words.
  EXPECT_NE(whole.err.find("cached)"), std::string::npos) << whole.err;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    if (entry.path().filename().string().starts_with("hadal-"))
      std::filesystem::remove(entry.path());
  const Ran first = chat(talk + "/save " + file + "\n");
  const Ran second = chat("/load " + file + "\nAnd what is a boat?\n");
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(first.out + second.out, whole.out);
}

}  // namespace
}  // namespace hadal
