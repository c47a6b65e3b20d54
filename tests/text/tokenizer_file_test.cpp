// SPDX-License-Identifier: MIT
// Tokenizer files that lie: each is one clear error, and the forms that are allowed are read.
#include <functional>

#include "testing.h"
#include "text/tokenizer.h"

namespace hadal {
namespace {

using nlohmann::json;

struct Lie {
  const char* names;  // must appear in the message
  std::function<void(json&)> tell;
};

json good_file() {
  return json::parse(testing::read_golden("engram-hash/tokenizer.json"));
}

TEST(TokenizerFile, EveryLieIsOneLineThatNamesThePlace) {
  auto vocab = [](json& file) -> json& { return file["model"]["vocab"]; };
  auto merges = [](json& file) -> json& { return file["model"]["merges"]; };
  auto added = [](json& file) -> json& { return file["added_tokens"]; };
  auto steps = [](json& file) -> json& { return file["pre_tokenizer"]["pretokenizers"]; };
  const Lie lies[] = {
      {"model.type", [](json& file) { file.erase("model"); }},
      {"model.type", [](json& file) { file["model"]["type"] = "Unigram"; }},
      {"model.dropout", [](json& file) { file["model"]["dropout"] = 0.1; }},
      {"model.byte_fallback", [](json& file) { file["model"]["byte_fallback"] = true; }},
      {"model.ignore_merges", [](json& file) { file["model"]["ignore_merges"] = true; }},
      {"model.vocab", [&](json& file) { vocab(file) = json::array(); }},
      {"no token for byte 33",
       [&](json& file) {
         vocab(file)["!!"] = vocab(file)["!"];
         vocab(file).erase("!");
       }},
      {"model.vocab[\"!\"]", [&](json& file) { vocab(file)["!"] = "3"; }},
      {"model.vocab[\"!\"]", [&](json& file) { vocab(file)["!"] = -3; }},
      {"model.vocab[\"!\"]", [&](json& file) { vocab(file)["!"] = 3.5; }},
      {"model.vocab[\"!\"]", [&](json& file) { vocab(file)["!"] = 1 << 24; }},
      {"model.vocab[\"!\"]", [&](json& file) { vocab(file)["!"] = uint64_t{1} << 63; }},
      {"id 4 is given to", [&](json& file) { vocab(file)["!"] = 4; }},
      {"model.vocab[\"中\"]", [&](json& file) { vocab(file)["中"] = 352; }},
      {"a token of 0 bytes", [&](json& file) { vocab(file)[""] = 352; }},
      {"no token has id 352", [&](json& file) { vocab(file)["ab"] = 353; }},
      {"has id 3, but elsewhere", [&](json& file) { added(file)[5]["id"] = 3; }},
      {"is listed twice", [&](json& file) { added(file).push_back(added(file)[5]); }},
      {"added_tokens[5].id", [&](json& file) { added(file)[5]["id"] = nullptr; }},
      {"added_tokens[5].content", [&](json& file) { added(file)[5]["content"] = 7; }},
      {"added_tokens[5].content", [&](json& file) { added(file)[5]["content"] = ""; }},
      {"added_tokens[5].lstrip", [&](json& file) { added(file)[5]["lstrip"] = true; }},
      {"added_tokens[5]", [&](json& file) { added(file)[5] = 1; }},
      {"added_tokens: found", [&](json& file) { added(file) = 1; }},
      {"model.merges: found", [&](json& file) { merges(file) = 1; }},
      {"model.merges[0]", [&](json& file) { merges(file)[0] = 1; }},
      {"model.merges[0]", [&](json& file) { merges(file)[0] = "ab"; }},
      {"model.merges[0]", [&](json& file) { merges(file)[0] = "a b c"; }},
      {"model.merges[0]",
       [&](json& file) {
         merges(file)[0] = {"a", "b", "c"};
       }},
      {"\"zzz\" is not in model.vocab", [&](json& file) { merges(file)[0] = "zzz a"; }},
      {"\"zq\" is not in model.vocab", [&](json& file) { merges(file)[0] = "z q"; }},
      {"stands earlier too", [&](json& file) { merges(file)[1] = merges(file)[0]; }},
      {"normalizer",
       [](json& file) {
         file["normalizer"] = {{"type", "NFC"}};
       }},
      {"pre_tokenizer", [](json& file) { file["pre_tokenizer"] = nullptr; }},
      {"pretokenizers[0]", [&](json& file) { steps(file)[0]["behavior"] = "Removed"; }},
      {"pretokenizers[0]", [&](json& file) { steps(file)[0]["invert"] = true; }},
      {"pretokenizers[0]",
       [&](json& file) {
         steps(file)[0]["pattern"] = {{"String", "a"}};
       }},
      {"pretokenizers[3]", [&](json& file) { steps(file)[3]["use_regex"] = true; }},
      {"does not compile", [&](json& file) { steps(file)[0]["pattern"]["Regex"] = "(("; }},
  };
  for (const Lie& lie : lies) {
    json file = good_file();
    lie.tell(file);
    auto tokenizer = Tokenizer::parse(file.dump(), "lie.json");
    ASSERT_FALSE(tokenizer) << lie.names;
    const std::string& message = tokenizer.error().message;
    EXPECT_TRUE(message.starts_with("lie.json: ")) << message;
    EXPECT_NE(message.find(lie.names), std::string::npos) << message << " lacks " << lie.names;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(TokenizerFile, AMergeCannotMakeAControlToken) {
  json file = good_file();
  file["added_tokens"].push_back({{"id", file["model"]["vocab"]["the"]}, {"content", "the"}});
  auto tokenizer = Tokenizer::parse(file.dump(), "f");
  ASSERT_FALSE(tokenizer);
  EXPECT_NE(tokenizer.error().message.find("is an added token"), std::string::npos);
}

TEST(TokenizerFile, MergesAsPairsAreTheSame) {
  json file = good_file();
  for (json& merge : file["model"]["merges"]) {
    std::string both = merge;
    size_t space = both.find(' ');
    merge = {both.substr(0, space), both.substr(space + 1)};
  }
  auto pairs = Tokenizer::parse(file.dump(), "f");
  ASSERT_TRUE(pairs) << pairs.error().message;
  std::string text = "The thing, in the éé ﬁ 한국 THE end...";
  EXPECT_EQ(pairs->encode(text), testing::golden_tokenizer().encode(text));
}

TEST(TokenizerFile, FlagsAreKeptAndEscapesAreRead) {
  std::string text = testing::read_golden("engram-hash/tokenizer.json");
  json file = json::parse(text);
  file["added_tokens"].push_back(
      {{"id", 352}, {"content", "<｜System｜>"}, {"special", false}, {"normalized", true}});
  auto tokenizer = Tokenizer::parse(file.dump(-1, ' ', true), "ASCII only");  // \uff5c escapes
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->id_of("<｜System｜>"), 352);
  EXPECT_FALSE(tokenizer->is_special(352));
  EXPECT_TRUE(tokenizer->is_added(352));
  EXPECT_TRUE(tokenizer->is_special(0));
  EXPECT_EQ(tokenizer->encode_with_control("a<｜System｜>b")[1], 352);
}

TEST(TokenizerFile, EveryTruncationIsAnError) {
  std::string text = testing::read_golden("engram-hash/tokenizer.json");
  for (size_t size = 0; size < text.size() - 1; size += 97)
    EXPECT_FALSE(Tokenizer::parse(text.substr(0, size), "cut"));
  EXPECT_FALSE(Tokenizer::parse(std::string(1000000, '['), "deep"));
  EXPECT_FALSE(Tokenizer::parse("[" + std::string((64u << 20) + 1, ' '), "giant"));
  EXPECT_FALSE(Tokenizer::open("/nonexistent/tokenizer.json"));
}

}  // namespace
}  // namespace hadal
