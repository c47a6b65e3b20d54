// SPDX-License-Identifier: MIT
// The tokenizer: round trips, control tokens, streaming.
#include "text/tokenizer.h"


#include "testing.h"
#include "text/stream_decoder.h"
#include "text/utf8.h"

namespace hadal {
namespace {

using testing::golden_tokenizer;
using testing::random_bytes;
using testing::tokenizer_with;

const std::vector<std::string> kControls = {"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>",
                                            "｜DSML｜"};

TEST(Tokenizer, MergesAsTheGoldenVocabularySays) {
  Tokenizer tokenizer = golden_tokenizer();
  EXPECT_EQ(tokenizer.vocab_size(), 352);
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 1);
  EXPECT_EQ(tokenizer.pad(), 2);
  std::vector<int32_t> ids = tokenizer.encode(" the");
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(tokenizer.token_text(ids[0]), "Ġthe");
  EXPECT_EQ(tokenizer.token_bytes(ids[0]), " the");
  EXPECT_EQ(tokenizer.token_bytes(-1), "");
  EXPECT_EQ(tokenizer.token_bytes(352), "");
}

TEST(Tokenizer, RoundTripsAnyBytes) {
  Tokenizer tokenizer = tokenizer_with(kControls);
  std::mt19937_64 random(1);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = random_bytes(random, random() % 200);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(bytes)), bytes);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control(bytes)), bytes);
  }
  const std::string parts[] = {
      "the ", "\xFF",     "é",     "中文",   "\xE4\xB8", "<think>", "｜DSML｜",
      "<",    "\xED\xA0", " \n\n", "123456", "👍🏽", "ก",       std::string(1, '\0')};
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (uint64_t i = random() % 20; i > 0; --i) text += parts[random() % std::size(parts)];
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control(text)), text);
  }
}

TEST(Tokenizer, TextCannotForgeControlTokens) {
  Tokenizer tokenizer = tokenizer_with(kControls);
  std::string all;
  for (const AddedToken& token : tokenizer.added_tokens()) all += token.content;
  for (int32_t id : tokenizer.encode(all)) EXPECT_FALSE(tokenizer.is_added(id)) << id;
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(all)), all);
  std::vector<int32_t> controls = tokenizer.encode_with_control(all);
  EXPECT_EQ(controls.size(), tokenizer.added_tokens().size());
  for (int32_t id : controls) EXPECT_TRUE(tokenizer.is_special(id)) << id;
}

TEST(Tokenizer, TakesTheLeftmostThenLongestControlToken) {
  Tokenizer tokenizer = tokenizer_with({"kw", "kwx", "wxy", "wx"});
  EXPECT_EQ(tokenizer.encode_with_control("kwxy").front(), tokenizer.id_of("kwx"));
  EXPECT_EQ(tokenizer.encode_with_control("kwkw").size(), 2u);
  EXPECT_EQ(tokenizer.encode_with_control("wxy").front(), tokenizer.id_of("wxy"));
  EXPECT_EQ(tokenizer.encode_with_control("zwx")[1], tokenizer.id_of("wx"));
  EXPECT_FALSE(tokenizer.id_of("k"));
  EXPECT_FALSE(tokenizer.id_of("the"));
}

// A quadratic way would take hours and meet ctest's time limit.
TEST(Tokenizer, AMillionEqualLettersComeBack) {
  Tokenizer tokenizer = golden_tokenizer();
  for (char letter : {'l', ' ', '\n', '.', '\xFF', '<'}) {
    std::string run(1 << 20, letter);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(run)), run);
    EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control(run)), run);
  }
}

TEST(StreamDecoder, NeverCutsACharacterAndLosesNothing) {
  Tokenizer tokenizer = golden_tokenizer();
  std::mt19937_64 random(2);
  std::vector<std::string> texts = {"né 中文 👍🏽 ok", "\xF0\x9F", "a\xE4\xB8",
                                    "\xF0\x9F\x41"};
  for (int round = 0; round < 200; ++round) texts.push_back(random_bytes(random, random() % 60));
  for (const std::string& text : texts) {
    StreamDecoder shown(tokenizer);
    StreamDecoder raw(tokenizer);
    std::string all_shown;
    std::string all_raw;
    for (int32_t id : tokenizer.encode(text)) {
      std::string part = shown.add(id);
      EXPECT_TRUE(is_utf8(part));
      all_shown += part;
      all_raw += raw.add_bytes(id);
    }
    EXPECT_EQ(all_shown + shown.flush(), utf8_for_display(text));
    EXPECT_EQ(all_raw + raw.flush_bytes(), text);
  }
}

TEST(StreamDecoder, GivesCharactersAsSoonAsTheyAreWhole) {
  Tokenizer tokenizer = golden_tokenizer();
  StreamDecoder decoder(tokenizer);
  std::vector<int32_t> ids = tokenizer.encode("龍");  // three bytes, no merge
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(decoder.add(ids[0]), "");
  EXPECT_EQ(decoder.add(ids[1]), "");
  EXPECT_EQ(decoder.add(ids[2]), "龍");
  EXPECT_EQ(decoder.add(ids[0]), "");
  EXPECT_EQ(decoder.add(tokenizer.encode("x")[0]), "\uFFFDx");
  EXPECT_EQ(decoder.flush(), "");
}

}  // namespace
}  // namespace hadal
