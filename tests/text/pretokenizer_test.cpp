// SPDX-License-Identifier: MIT
// Where text is cut, and that merging by scan and by heap agree.
#include "text/pretokenizer.h"

#include "testing.h"
#include "text/bpe.h"

namespace hadal {
namespace {

std::vector<std::string> pieces(std::string_view text) {
  static Pretokenizer cutter = Pretokenizer::create(deepseek_split_patterns()).take();
  std::vector<std::string> out;
  cutter.split(text, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

using Pieces = std::vector<std::string>;

TEST(Pretokenizer, PatternsAreThoseOfThePublishedFile) {
  auto file = nlohmann::json::parse(testing::read_golden("engram-hash/tokenizer.json"));
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(file["pre_tokenizer"]["pretokenizers"][i]["pattern"]["Regex"],
              deepseek_split_patterns()[i]);
}

TEST(Pretokenizer, CutsDigitsInThrees) {
  EXPECT_EQ(pieces("1234567"), (Pieces{"123", "456", "7"}));
  EXPECT_EQ(pieces("a12"), (Pieces{"a", "12"}));
  EXPECT_EQ(pieces("x  7"), (Pieces{"x", "  ", "7"}));  // look-ahead ends with the piece
  EXPECT_EQ(pieces("٣٤½"), (Pieces{"٣٤½"}));
}

TEST(Pretokenizer, KeepsHanAndKanaApart) {
  EXPECT_EQ(pieces("你好abc"), (Pieces{"你好", "abc"}));
  EXPECT_EQ(pieces("カタかな漢字。"), (Pieces{"カタかな漢字", "。"}));
  EXPECT_EQ(pieces(" 中"), (Pieces{" ", "中"}));
  EXPECT_EQ(pieces("한국어 中文"), (Pieces{"한국어", " ", "中文"}));
}

TEST(Pretokenizer, TakesTheSpaceBeforeAWord) {
  EXPECT_EQ(pieces("Hello world"), (Pieces{"Hello", " world"}));
  EXPECT_EQ(pieces("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pieces("a  "), (Pieces{"a", "  "}));
  EXPECT_EQ(pieces("\tx"), (Pieces{"\tx"}));
}

TEST(Pretokenizer, TakesThePunctuationBeforeLetters) {
  EXPECT_EQ(pieces("don't"), (Pieces{"don", "'t"}));
  EXPECT_EQ(pieces("x.size()"), (Pieces{"x", ".size", "()"}));
  EXPECT_EQ(pieces("_a ->b"), (Pieces{"_a", " ->", "b"}));
  EXPECT_EQ(pieces("!ü"), (Pieces{"!", "ü"}));  // only ASCII letters follow punctuation
}

TEST(Pretokenizer, PunctuationKeepsItsNewlines) {
  EXPECT_EQ(pieces("};\n\nx"), (Pieces{"};\n\n", "x"}));
  EXPECT_EQ(pieces("a \n \nb"), (Pieces{"a", " \n \n", "b"}));
  EXPECT_EQ(pieces("a\n  b"), (Pieces{"a", "\n", " ", " b"}));
}

TEST(Pretokenizer, KeepsWhatNoPatternMatches) {
  EXPECT_EQ(pieces("a\u200Bb"), (Pieces{"a", "\u200Bb"}));
  EXPECT_EQ(pieces("\u0001\u0002"), (Pieces{"\u0001\u0002"}));
  // U+180E is a format character, not white space as PCRE2's own \s has it.
  EXPECT_EQ(pieces("\u180E\n"), (Pieces{"\u180E", "\n"}));
  EXPECT_EQ(pieces("\u0085\n"), (Pieces{"\u0085\n"}));
}

TEST(Pretokenizer, PutsBrokenBytesApart) {
  EXPECT_EQ(pieces("ab\xFF\xFEword"), (Pieces{"ab", "\xFF\xFE", "word"}));
  EXPECT_EQ(pieces("\xE4\xB8"), (Pieces{"\xE4\xB8"}));
  EXPECT_EQ(pieces(""), Pieces{});
}

TEST(Pretokenizer, RefusesBadPatterns) {
  for (const char* pattern : {"(", "[a", "\\C", "a{9999999}"}) {
    std::vector<std::string> patterns = {pattern};
    EXPECT_FALSE(Pretokenizer::create(patterns)) << pattern;
  }
  EXPECT_FALSE(Pretokenizer::create(std::vector<std::string>(9, "a")));
  EXPECT_FALSE(Pretokenizer::create(std::vector<std::string>{std::string(5000, 'a')}));
}

TEST(Pretokenizer, RunawayPatternsStopAndKeepTheText) {
  std::vector<std::string> patterns = {"(a+a+)+b", "\\s*", "(?<=a)c"};
  auto cutter = Pretokenizer::create(patterns);
  ASSERT_TRUE(cutter);
  std::string text = std::string(40, 'a') + " ac";
  std::string joined;
  cutter->split(text, [&](std::string_view piece) { joined += piece; });
  EXPECT_EQ(joined, text);
}

TEST(Bpe, ScanAndHeapAgree) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    MergeTable table;
    int32_t next = 4;
    for (int32_t rank = 0; rank < 40; ++rank) {
      auto left = static_cast<int32_t>(random() % static_cast<uint64_t>(next));
      auto right = static_cast<int32_t>(random() % static_cast<uint64_t>(next));
      if (table.add(left, right, {rank, next})) ++next;
    }
    std::vector<int32_t> symbols;
    for (uint64_t i = random() % 120; i > 0; --i)
      symbols.push_back(static_cast<int32_t>(random() % 4));
    std::vector<int32_t> scanned = symbols;
    std::vector<int32_t> heaped = symbols;
    merge_piece_by_scan(table, scanned);
    merge_piece_by_heap(table, heaped);
    EXPECT_EQ(scanned, heaped);
  }
}

}  // namespace
}  // namespace hadal
