// SPDX-License-Identifier: MIT
// Constraints: gates, ends, control tokens; and every mask against the definition.
#include "grammar/token_constraint.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "grammar/ebnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "testing.h"

namespace hadal {
namespace {

// The slow twin: a token fits if its bytes can be read one by one.
bool fits_by_definition(Walker& walker, int32_t state, std::string_view token) {
  for (const char byte : token) {
    state = walker.step(state, static_cast<uint8_t>(byte));
    if (state == Walker::kDead) return false;
  }
  return !token.empty();
}

TEST(TokenConstraint, EveryMaskHoldsWhatFitsByDefinition) {
  const auto json = json_schema_grammar(nlohmann::ordered_json::parse(R"({"type":"object",
      "properties":{"name":{"type":"string","maxLength":70},"list":{"type":"array","items":
      {"type":"object"}}},"required":["name"],"additionalProperties":{"type":"number"}})"));
  const std::vector<std::shared_ptr<const TokenGrammar>> grammars = {
      compiled(json), compiled(json_object_grammar()), compiled(regex_grammar("(a{1,90}|[^b]*)z?")),
      compiled(
          ebnf_grammar("root ::= \"[\" (root (\", \" root)*)? \"]\" | [0-9]+ | \" \"* \"the\""))};
  for (const auto& grammar : grammars) {
    for (uint32_t seed = 0; seed < 4; ++seed) {
      std::mt19937 random(seed);
      const auto run = constraint(grammar);
      Walker walker(grammar->program());
      int32_t state = walker.start();
      std::string text;
      for (int count = 0; count < 40; ++count) {
        std::vector<int64_t> allowed;
        for (int64_t token = 0; token < grammar->vocabulary().size(); ++token) {
          if (token == kEnd) continue;
          const std::string_view bytes = grammar->vocabulary().bytes(token);
          const bool fits = fits_by_definition(walker, state, bytes);
          ASSERT_EQ(allows(*run, token), fits) << "token " << token << " behind " << text;
          if (fits) allowed.push_back(token);
        }
        if (allowed.empty()) break;
        const int64_t token = allowed[random() % allowed.size()];
        run->accept(token);
        for (const char byte : grammar->vocabulary().bytes(token))
          state = walker.step(state, static_cast<uint8_t>(byte));
        text += grammar->vocabulary().bytes(token);
      }
    }
  }
}

TEST(TokenConstraint, TheEndIsAllowedExactlyWhenTheTextMayEnd) {
  const auto grammar = compiled(regex_grammar("ab(c)?"));
  const auto run = constraint(grammar);
  EXPECT_FALSE(allows(*run, kEnd));
  run->accept('a');
  EXPECT_FALSE(allows(*run, kEnd));
  run->accept('b');
  EXPECT_TRUE(allows(*run, kEnd));
  EXPECT_TRUE(allows(*run, 'c'));
  run->accept('c');
  EXPECT_TRUE(allows(*run, kEnd));
  EXPECT_FALSE(allows(*run, 'c'));
  EXPECT_FALSE(run->finished());
  run->accept(kEnd);
  EXPECT_TRUE(run->finished());
}

TEST(TokenConstraint, ControlTokensOnlyWhereTheGrammarNamesThem) {
  Grammar rules;
  const RuleId root = rules.add_rule("root");
  rules.define(root, rules.sequence({rules.repeat(rules.characters(CharacterSet::all()), 0, 3),
                                     rules.control(kMarker), rules.literal("x")}));
  const auto grammar = compiled(rules);
  const auto run = constraint(grammar);
  EXPECT_FALSE(allows(*run, kOther));
  EXPECT_FALSE(allows(*run, 0xff));  // the bytes that spell control tokens are no way to one
  EXPECT_TRUE(allows(*run, kMarker));
  run->accept('y');
  EXPECT_TRUE(allows(*run, kMarker));
  run->accept(kMarker);
  EXPECT_FALSE(allows(*run, kMarker));
  EXPECT_FALSE(allows(*run, 'y'));
  EXPECT_TRUE(allows(*run, 'x'));
}

TEST(TokenConstraint, TheFormBeginsBehindItsGate) {
  const auto run =
      make_constraint(compiled(regex_grammar("yes|no")),
                      {.end_ids = {kEnd}, .gates = {{.token = kMarker, .after_text = ""}}});
  // Thinking: anything goes, but it may not be the end.
  for (const int64_t token : {int64_t{'a'}, kOther, kMarker}) EXPECT_TRUE(allows(*run, token));
  EXPECT_FALSE(allows(*run, kEnd));
  run->accept('a');
  run->accept(kOther);
  run->accept(kMarker);
  EXPECT_TRUE(allows(*run, 'y'));
  EXPECT_FALSE(allows(*run, 'a'));
}

TEST(TokenConstraint, AGateMayStandBehindAText) {
  const auto run = make_constraint(
      compiled(regex_grammar("call")),
      {.end_ids = {kEnd},
       .gates = {{.token = kOther, .after_text = ""}, {.token = kMarker, .after_text = "\n<"}}});
  run->accept('<');
  run->accept(kOther);
  // The text before the first gate does not count.
  EXPECT_FALSE(allows(*run, kMarker));
  EXPECT_TRUE(allows(*run, kEnd));
  for (const char byte : std::string("hello\n\n<")) {
    EXPECT_FALSE(allows(*run, kMarker));
    run->accept(byte);
  }
  EXPECT_TRUE(allows(*run, kMarker));
  EXPECT_TRUE(allows(*run, 'x'));
  run->accept(kMarker);
  EXPECT_FALSE(allows(*run, kEnd));
  EXPECT_TRUE(allows(*run, 'c'));
  EXPECT_FALSE(allows(*run, 'x'));
}

TEST(TokenConstraint, AnAnswerDoesNotDependOnWhatOthersFoundOut) {
  const auto rules = ebnf_grammar(R"(root ::= (a | b | c)* "."
a ::= [a-z] (a | b)? | "the quick brown fox jumps over"
b ::= [a-m] (b | c)? | "the lazy dog and the quick fox"
c ::= [h-z] (a | c)? | "and so they lived happily ever")");
  const auto shared = compiled(rules);
  for (uint32_t seed = 0; seed < 4; ++seed)
    EXPECT_EQ(random_answer(shared, seed), random_answer(compiled(rules), seed));
}

TEST(Walker, ForgettingKeepsThePlace) {
  const auto grammar = compiled(json_object_grammar());
  Walker walker(grammar->program());
  int32_t state = walker.start();
  const std::string text = R"({"a":[{"b":[[1,{"c":[)";
  for (const char byte : text) state = walker.step(state, static_cast<uint8_t>(byte));
  const int64_t before = walker.memory();
  state = walker.forget_all_but(state);
  EXPECT_LT(walker.memory(), before);
  for (const char byte : std::string("]}]]}]}")) {
    ASSERT_FALSE(walker.accepts(state));
    state = walker.step(state, static_cast<uint8_t>(byte));
    ASSERT_NE(state, Walker::kDead);
  }
  EXPECT_TRUE(walker.accepts(state));
}

TEST(Vocabulary, NeedsEveryByteThatTextHas) {
  std::vector<VocabularyToken> tokens;
  for (int byte = 0; byte < 255; ++byte)
    if (byte != 'q') tokens.push_back({{static_cast<char>(byte)}});
  const auto made = Vocabulary::make(tokens, 300);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("single byte 113"), std::string::npos);
  EXPECT_FALSE(Vocabulary::make(tokens, 100));
}

}  // namespace
}  // namespace hadal
