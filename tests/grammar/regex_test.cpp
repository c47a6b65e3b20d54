// SPDX-License-Identifier: MIT
// Regular expressions: the language is the one that std::regex knows, and foreign features are
// refused by name.
#include "grammar/regex.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "testing.h"

namespace hadal {
namespace {

// All words of up to `length` letters.
std::vector<std::string> all_words(const std::string& letters, size_t length) {
  std::vector<std::string> words = {""};
  for (size_t begin = 0, size = 1; size <= length; ++size) {
    const size_t end = words.size();
    for (size_t i = begin; i < end; ++i)
      for (const char letter : letters) words.push_back(words[i] + letter);
    begin = end;
  }
  return words;
}

TEST(Regex, AgreesWithTheStandardLibraryOnAllShortWords) {
  const std::vector<std::string> patterns = {
      "",         "a",        "ab|b",     "a*",    "(ab)+",         "a{2}",
      "a{1,3}b?", "(a|b)*ab", "[ab]{2,}", "[^a]+", "(?:a|ba){0,2}", "a(b(a)?)*",
      "(a*)*b",   ".b.",      "a|",       "(|a)b", "a+?b*?",        "\\w[\\d-]",
      "(a?){3}",  "[a-]b",    "^ab$",     "^a|b$", "[\\s\\S]a"};
  const std::vector<std::string> words = all_words("ab-1", 4);
  for (const std::string& pattern : patterns) {
    const auto grammar = compiled(regex_grammar(pattern));
    const std::regex judge(pattern);
    for (const std::string& word : words)
      ASSERT_EQ(accepts(grammar, word), std::regex_match(word, judge))
          << pattern << " on \"" << word << "\"";
  }
}

TEST(Regex, SearchesWhereNoAnchorHolds) {
  for (const std::string pattern : {"ab", "^ab", "ab$", "^ab$", "^a|b$", "b|^a"}) {
    Grammar grammar;
    const RuleId root = grammar.add_rule("root");
    const auto body = add_regex(grammar, pattern, {.match = RegexMatch::search});
    ASSERT_TRUE(body) << body.error().message;
    grammar.define(root, *body);
    const auto searching = compiled(grammar);
    for (const std::string& word : all_words("ab", 4))
      ASSERT_EQ(accepts(searching, word), std::regex_search(word, std::regex(pattern)))
          << pattern << " on " << word;
  }
}

TEST(Regex, ClassesHoldCharactersNotBytes) {
  const auto grammar = compiled(regex_grammar("[à-ü€]{2}[^é]\\u{1F600}\\uD83D\\uDE01"));
  EXPECT_TRUE(accepts_all_ways(grammar, "é€x😀😁"));
  EXPECT_TRUE(accepts_all_ways(grammar, "üà€😀😁"));
  EXPECT_FALSE(accepts(grammar, "é€é😀😁"));
  EXPECT_FALSE(accepts(grammar, "e€x😀😁"));
  // Half a character is a beginning, but no end.
  EXPECT_FALSE(accepts(compiled(regex_grammar("é")), "\xc3"));
  EXPECT_FALSE(accepts(compiled(regex_grammar(".")), "\xff"));
  EXPECT_FALSE(accepts(compiled(regex_grammar(".")), "\xed\xa0\x80"));  // a surrogate
  EXPECT_FALSE(accepts(compiled(regex_grammar(".")), "\xc0\x80"));      // overlong
}

TEST(Regex, EveryCharacterOfARangeAndNoOther) {
  const auto grammar = compiled(regex_grammar("[\\x7e-\\u0801\\ud7fe-\\ue001\\uffff-\\u{10001}]"));
  const auto fits = [](char32_t point) {
    return (point >= 0x7e && point <= 0x801) || point == 0xd7fe || point == 0xd7ff ||
           point == 0xe000 || point == 0xe001 || (point >= 0xffff && point <= 0x10001);
  };
  for (char32_t point = 0; point<0x11000; point += point> 0x900 && point < 0xd700 ? 97 : 1) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    ASSERT_EQ(accepts(grammar, utf8_of(point)), fits(point)) << std::hex << uint32_t{point};
  }
}

TEST(Regex, LongCountsAreExact) {
  const auto grammar = compiled(regex_grammar("a{40,80}"));
  for (const size_t count : {39, 40, 41, 79, 80, 81})
    for (uint32_t seed = 0; seed < 4; ++seed)
      EXPECT_EQ(accepts(grammar, std::string(count, 'a'), seed), count >= 40 && count <= 80)
          << count;
}

TEST(Regex, RandomAnswersMatch) {
  for (const std::string pattern :
       {"(the|he)+ [a-c]{0,50}", "[0-9]{4}-[0-9]{2}(Z|:30)", "(a|ab)(c|bcd)?(d*)", "\\w{3,9}"}) {
    const auto grammar = compiled(regex_grammar(pattern));
    const std::regex judge(pattern);
    for (uint32_t seed = 0; seed < 40; ++seed) {
      const std::string answer = random_answer(grammar, seed);
      EXPECT_TRUE(std::regex_match(answer, judge)) << pattern << ": " << answer;
    }
  }
}

TEST(Regex, RefusesByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"(?=a)b", "look-ahead"}, {"(?<!a)b", "look-ahead"},   {"(a)\\1", "back-reference"},
      {"\\bword", "boundary"},  {"\\p{L}", "property"},      {"(?i)a", "flags"},
      {"a**", "count behind"},  {"*a", "nothing to repeat"}, {"(a", "expected \")\""},
      {"a)", "closes nothing"}, {"[a", "expected \"]\""},    {"[b-a]", "not a range"},
      {"a{3,2}", "smaller"},    {"a{9999999}", "number"},    {"a(^b)", "two ends"},
      {"a$b", "in the middle"}, {"\\ud800", "no character"}, {"a\\", "at the end"},
      {"\xff", "not UTF-8"},    {"a++", "possessive"}};
  for (const auto& [pattern, words] : cases) {
    const auto grammar = regex_grammar(pattern);
    ASSERT_FALSE(grammar) << pattern;
    EXPECT_NE(grammar.error().message.find(words), std::string::npos) << grammar.error().message;
  }
  const auto deep = regex_grammar(std::string(5000, '(') + "a" + std::string(5000, ')'));
  EXPECT_FALSE(deep);
  const auto huge = regex_grammar("((a{1000}){1000}){1000}");
  ASSERT_TRUE(huge);
  const auto program = Program::compile(*huge);
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find("larger than"), std::string::npos);
}

}  // namespace
}  // namespace hadal
