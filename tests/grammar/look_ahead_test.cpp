// SPDX-License-Identifier: MIT
// What was looked ahead at is what answers ask for, bounded, and changes nothing that they may say.
#include "grammar/look_ahead.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "grammar/ebnf.h"
#include "grammar/json_schema.h"
#include "testing.h"

namespace hadal {
namespace {

Result<Grammar> person() {
  return json_schema_grammar(nlohmann::ordered_json::parse(R"({"type":"object","properties":{
      "name":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
      "age":{"type":"integer"}},"required":["name"],"additionalProperties":false})"));
}

bool is_missing(const TokenGrammar& grammar, const StackTops& known,
                const std::vector<Address>& top) {
  return costs_a_walk(grammar.program(), top) && !known.contains(top);
}

// How many masks an answer of this text would have to find for itself.
int missing(const TokenGrammar& grammar, const StackTops& known, const std::string& text) {
  Walker walker(grammar.program());
  int32_t state = walker.start();
  int missing = 0;
  for (size_t at = 0;; ++at) {
    std::map<int32_t, std::set<Address>> tops;
    for (const Walker::Place& place : walker.places(state))
      tops[place.stack].insert(grammar.program().twin(place.address));
    for (const auto& [stack, top] : tops)
      missing += is_missing(grammar, known, {top.begin(), top.end()});
    if (at == text.size()) return missing;
    state = walker.step(state, static_cast<uint8_t>(text[at]));
    if (state == Walker::kDead) {
      ADD_FAILURE() << "the text does not fit behind " << text.substr(0, at);
      return missing;
    }
  }
}

TEST(LookAhead, FindsWhatAnswersAskFor) {
  const auto schema = compiled(person());
  const StackTops tops = look_ahead(*schema);
  EXPECT_EQ(missing(*schema, tops, R"({"name":"Zoë \"z\" \u00e9", "tags": ["a","b"], "age": -40})"),
            0);
  const auto any = compiled(json_object_grammar());
  EXPECT_EQ(
      missing(*any, look_ahead(*any), R"({"a":[1,{"b":"c"},true],"d":{"e":-1.5e3,"f":null}})"), 0);
}

TEST(LookAhead, EndsWhereGrammarsDoNot) {
  const auto nested = compiled(ebnf_grammar("root ::= \"[\" root* \"]\" | \"{\" root* \"}\""));
  const StackTops tops = look_ahead(*nested);
  EXPECT_LE(tops.size(), 512u);
  const auto schema = compiled(person());
  EXPECT_LT(look_ahead(*schema, 50).size(), look_ahead(*schema).size());
}

TEST(LookAhead, ChangesNothingThatAnswersMaySay) {
  const auto ahead = compiled(person()), fresh = compiled(person());
  look_ahead(*ahead);
  const auto one = constraint(ahead), other = constraint(fresh);
  for (const char byte : std::string(R"({"name":"x","tags":["y"],"age":7})")) {
    const std::span<const uint64_t> a = one->allowed(), b = other->allowed();
    ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << byte;
    one->accept(static_cast<uint8_t>(byte));
    other->accept(static_cast<uint8_t>(byte));
  }
}

}  // namespace
}  // namespace hadal
