// SPDX-License-Identifier: MIT
// Kinds of text, what states admit of them, and masks that are filled by kinds.
#include "grammar/text_reach.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "grammar/ebnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "testing.h"

namespace hadal {
namespace {

TEST(TextKind, WordsSignsAndTheRest) {
  for (const char* text : {"a", " the", "Zebra 9", "é", "水の", "\xf0\x9f\x98\x80", "\xed\x9f\xbf",
                           "\u2027", "\u202a", "\u2128", "\u20a8"})
    EXPECT_EQ(text_kind_of(text), TextKind::words) << text;
  for (const char* text : {".", "don't", "x = [1]", "{}", "<水>", "\x7f"})
    EXPECT_EQ(text_kind_of(text), TextKind::signs) << text;
  for (const char* text :
       {"\"", "a\\b", "a\n", "\t", "\xe2\x82", "\x82\xac", "a\xc3", "\xc0\x80", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xe0\x80\x80", "\xf8", "\u2028", "a\u2029"})
    EXPECT_EQ(text_kind_of(text), TextKind::other) << text;
}

// How many bytes of a kind the beginning of a form admits.
int32_t admitted(const Result<Grammar>& rules, TextKind kind, std::string_view behind = "") {
  const auto grammar = compiled(rules);
  Walker walker(grammar->program());
  TextReach reach(walker, grammar->text_bytes());
  int32_t state = walker.start();
  for (const char byte : behind) state = walker.step(state, static_cast<uint8_t>(byte));
  int32_t most = 0;
  while (most < 300 && reach.admits(state, kind, most + 1)) ++most;
  return most;
}

TEST(TextReach, SaysHowMuchTextMayFollow) {
  EXPECT_EQ(admitted(regex_grammar("[^\"]*"), TextKind::words), 300);
  EXPECT_EQ(admitted(regex_grammar("[^\"]*"), TextKind::signs), 300);
  EXPECT_EQ(admitted(regex_grammar("[^.]*"), TextKind::words), 300);
  EXPECT_EQ(admitted(regex_grammar("[^.]*"), TextKind::signs), 0);
  EXPECT_EQ(admitted(regex_grammar(".{0,10}"), TextKind::signs), 10);
  EXPECT_EQ(admitted(regex_grammar("(.{0,10}|[^x]{20})"), TextKind::words), 10);
  EXPECT_EQ(admitted(regex_grammar(".{5,270}"), TextKind::words), 270);
  EXPECT_EQ(admitted(regex_grammar("[a-z ]*"), TextKind::words), 0);
  // Characters beyond ASCII are words, too.
  EXPECT_EQ(admitted(regex_grammar("[ -~]*"), TextKind::words), 0);
  EXPECT_EQ(admitted(json_object_grammar(), TextKind::words), 0);
  EXPECT_EQ(admitted(json_object_grammar(), TextKind::signs, "{\"a"), 300);
  EXPECT_EQ(admitted(json_object_grammar(), TextKind::other, "{\"a"), 0);
}

// What was seen on the way is as true as what is looked for.
TEST(TextReach, KnowsLaterStatesFromEarlierSearches) {
  const auto grammar = compiled(regex_grammar(".{0,200}"));
  Walker walker(grammar->program());
  TextReach reach(walker, grammar->text_bytes());
  int32_t state = walker.start();
  for (int32_t left = 200; left > 0; --left) {
    ASSERT_TRUE(reach.admits(state, TextKind::words, std::min(left, 30))) << left;
    ASSERT_FALSE(reach.admits(state, TextKind::words, left + 1)) << left;
    state = walker.step(state, 'a');
  }
}

// Random pieces of text of all kinds, some longer than the horizon, many that begin alike.
std::shared_ptr<const Vocabulary> large_vocabulary() {
  const std::vector<std::string> pieces = {"a",
                                           "b",
                                           "the",
                                           " ",
                                           "é",
                                           "水",
                                           "\xf0\x9f\x98\x80",
                                           ".",
                                           "-",
                                           "}",
                                           "]",
                                           ",",
                                           ":",
                                           "\"",
                                           "\\",
                                           "\n",
                                           "n",
                                           "u",
                                           "0",
                                           "\xe6",
                                           "\xb0",
                                           std::string(20, 'a')};
  std::vector<VocabularyToken> tokens;
  std::set<std::string> known;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({{static_cast<char>(byte)}, false});
  tokens.push_back({"<end>", true});
  std::mt19937 random(5);
  while (tokens.size() < 2500) {
    std::string text;
    const size_t common = random() % 4 == 0 ? pieces.size() : 9;  // mostly words
    for (size_t i = 1 + random() % 5; i > 0; --i) text += pieces[random() % common];
    if (text.size() > 1 && known.insert(text).second) tokens.push_back({text, false});
  }
  auto made = Vocabulary::make(std::move(tokens), 2500);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return std::make_shared<const Vocabulary>(made.take());
}

TEST(TextReach, MasksHoldWhatFitsByDefinition) {
  const auto vocabulary = large_vocabulary();
  const auto schema = json_schema_grammar(nlohmann::ordered_json::parse(
      R"({"type":"object","properties":{"a":{"type":"string","maxLength":60},"b":{"type":"array",
          "items":{"type":"string"}}},"required":["a","b"],"additionalProperties":false})"));
  for (const auto& rules :
       {schema, json_object_grammar(), regex_grammar("[^\"]{0,45}(\"x)?"), regex_grammar(".*"),
        ebnf_grammar("root ::= \"[\" [^\\]]* \"]\" root?")}) {
    ASSERT_TRUE(rules) << rules.error().message;
    const auto made = TokenGrammar::make(*rules, vocabulary);
    ASSERT_TRUE(made) << made.error().message;
    for (uint32_t seed = 0; seed < 3; ++seed) {
      std::mt19937 random(seed);
      const auto run = constraint(*made);
      Walker walker((*made)->program());
      int32_t state = walker.start();
      for (int count = 0; count < 20; ++count) {
        std::vector<int64_t> allowed;
        for (int64_t token = 0; token < vocabulary->size(); ++token) {
          if (token == kEnd) continue;
          int32_t there = state;
          for (const char byte : vocabulary->bytes(token))
            if (there != Walker::kDead) there = walker.step(there, static_cast<uint8_t>(byte));
          const bool fits = there != Walker::kDead && !vocabulary->bytes(token).empty();
          ASSERT_EQ(allows(*run, token), fits) << vocabulary->bytes(token);
          if (fits) allowed.push_back(token);
        }
        if (allowed.empty()) break;
        const int64_t token = allowed[random() % allowed.size()];
        run->accept(token);
        for (const char byte : vocabulary->bytes(token))
          state = walker.step(state, static_cast<uint8_t>(byte));
      }
    }
  }
}

}  // namespace
}  // namespace hadal
