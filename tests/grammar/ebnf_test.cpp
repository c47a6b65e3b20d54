// SPDX-License-Identifier: MIT
// EBNF: rules, recursion, counts; and what is refused.
#include "grammar/ebnf.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "testing.h"

namespace hadal {
namespace {

constexpr const char* kArithmetic = R"ebnf(
# Sums of products, with brackets.
root   ::= sum
sum    ::= product (("+" | "-") product)*
product ::= factor
          | factor "*" product
factor ::= [0-9]+ | "(" sum ")" | 'x' [^0-9()*+-]?
)ebnf";

TEST(Ebnf, RecursiveRulesMatchWhatTheySay) {
  const auto grammar = compiled(ebnf_grammar(kArithmetic));
  for (const char* text : {"1", "12+3", "(1)", "((12*3)-xa)*123", "x+x*x", "xé*(1-1)"})
    EXPECT_TRUE(accepts_all_ways(grammar, text)) << text;
  for (const char* text : {"", "+", "1+", "(1", "1)", "()", "1**2", "xab", "y"})
    EXPECT_FALSE(accepts(grammar, text)) << text;
  const std::string deep = std::string(300, '(') + "1" + std::string(300, ')');
  EXPECT_TRUE(accepts_all_ways(grammar, deep));
  EXPECT_FALSE(accepts(grammar, deep + ")"));
}

TEST(Ebnf, RandomAnswersBalanceTheirBrackets) {
  const auto grammar = compiled(ebnf_grammar(R"(root ::= "[" (root ("," root)*)? "]" | word
word ::= [a-z]{1,3})"));
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const std::string answer = random_answer(grammar, seed);
    int depth = 0;
    for (const char c : answer) {
      depth += c == '[' ? 1 : c == ']' ? -1 : 0;
      ASSERT_GE(depth, 0) << answer;
    }
    EXPECT_EQ(depth, 0) << answer;
    EXPECT_TRUE(accepts_all_ways(grammar, answer)) << answer;
  }
}

TEST(Ebnf, ARightRecursiveListNeedsNoStack) {
  const auto grammar =
      compiled(ebnf_grammar(R"(root ::= [a-c] [a-z0-9 .,:;!?'()+*=<>-] root | "end")"));
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "a1";
  EXPECT_TRUE(accepts(grammar, text + "end"));
}

TEST(Ebnf, EscapesAndCounts) {
  const auto grammar = compiled(ebnf_grammar(
      "root ::= \"\\x41\\u00e9\\U0001F600\\\"\\n\" [\\x30-\\x32\\]]{2} ('b'? \"c\"+){1,2} .{0,1}"));
  EXPECT_TRUE(accepts_all_ways(grammar, "Aé😀\"\n02bccc"));
  EXPECT_TRUE(accepts_all_ways(grammar, "Aé😀\"\n]1ccbcé"));
  EXPECT_FALSE(accepts(grammar, "Aé😀\"\n03bc"));
  EXPECT_FALSE(accepts(grammar, "Aé😀\"\n02"));
}

TEST(Ebnf, AmbiguityCostsNoAnswer) {
  // Both ways of reading go on together, with stacks that grow differently.
  const auto grammar = compiled(ebnf_grammar(R"(
root ::= left | right | middle
left ::= "a" left "b" | "ab" | "the quick brown fox jumps"
right ::= "a" right "c" | "ac" | "the quick brown fox jumps"
middle ::= "a"* ("b" | "d")*)"));
  EXPECT_TRUE(accepts_all_ways(grammar, "aaaaabbbbb"));
  EXPECT_TRUE(accepts_all_ways(grammar, "aaaaaccccc"));
  EXPECT_TRUE(accepts_all_ways(grammar, "aaaaabbd"));
  EXPECT_FALSE(accepts(grammar, "aaaaacccc"));
  EXPECT_FALSE(accepts(grammar, "aaaaacccccc"));
}

TEST(Ebnf, RefusesByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "no rule is called root"},
      {"start ::= \"a\"", "no rule is called root"},
      {"root ::= other", "rule other is used and never defined"},
      {"root ::= \"a\"\nroot ::= \"b\"", "defined twice"},
      {"root ::= root \"a\" | \"some text that is long enough to be called\"",
       "comes back to itself"},
      {"root ::= a\na ::= b? a \"x\" | \"y\"\nb ::= \"b\"", "comes back to itself"},
      {"root ::= \"a", "no end"},
      {"root ::= [a", "expected \"]\""},
      {"root ::= (\"a\"", "expected \")\""},
      {"root ::= \"a\")", "closes nothing"},
      {"root ::= \"a\"{2,1}", "smaller"},
      {"root ::= \"a\" root", "matches no text"},
      {"root = \"a\"", "expected name ::="},
      {"root ::= \"\\q\"", "means nothing"},
      {"\xff", "not UTF-8"}};
  for (const auto& [text, words] : cases) {
    std::string found;
    const auto grammar = ebnf_grammar(text);
    if (grammar) {
      const auto program = Program::compile(*grammar);
      ASSERT_FALSE(program) << text;
      found = program.error().message;
    } else {
      found = grammar.error().message;
    }
    EXPECT_NE(found.find(words), std::string::npos) << text << ": " << found;
  }
}

}  // namespace
}  // namespace hadal
