// SPDX-License-Identifier: MIT
// JSON schemas: whatever a mask lets through is valid, and valid documents are let through.
#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "grammar/json_numbers.h"
#include "schema_checker.h"
#include "testing.h"

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

struct Case {
  const char* schema;
  std::vector<const char*> valid, invalid;
};

// Documents are JSON; each is written as several printers would.
const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},
          "required":["name","age"],"additionalProperties":false})",
       {R"({"name":"Ada","age":36})", R"({"name":"","age":-1})", R"({"name":"é\n\"😀","age":12})"},
       {R"({"name":"Ada"})", R"({"age":36,"name":"Ada"})", R"({"name":"Ada","age":3.5})",
        R"({"name":"Ada","age":"36"})", R"({"name":"Ada","age":36,"x":1})", "[]", "{}"}},
      {R"({"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"null"},
          "c":{"type":"number"},"d":{"type":"string"}},"required":["c"]})",
       {R"({"c":1})", R"({"a":true,"c":1.5e3})", R"({"b":null,"c":-1})",
        R"({"a":false,"b":null,"c":0,"d":""})", R"({"a":false,"c":0.25,"d":"x"})"},
       {R"({"a":true})", R"({"a":true,"b":null})", R"({"c":1,"a":true})", R"({"c":"1"})",
        R"({"c":1,"c":1})"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"ab":{"type":"integer"}},
          "additionalProperties":{"type":"string"}})",
       {"{}", R"({"a":1})", R"({"ab":1})", R"({"x":"y"})", R"({"a":1,"abc":"","b":"z"})",
        R"({"a":1,"ab":2,"":"empty"})"},
       {R"({"a":"x"})", R"({"ab":"x"})", R"({"x":1})", R"({"x":"y","a":1})",
        R"({"a":1,"\u0061":"x"})"}},
      {R"({"type":"array","items":{"type":"integer","minimum":-3,"maximum":12},"minItems":1,
          "maxItems":3})",
       {"[0]", "[-3,12,5]", "[10,11]"},
       {"[]", "[13]", "[-4]", "[1,2,3,4]", "[01]", "[1,]", "[1.0]"}},
      {R"({"type":"array","prefixItems":[{"type":"string"},{"type":"boolean"}],
          "items":{"type":"null"},"minItems":1,"maxItems":4})",
       {R"(["a"])", R"(["a",true])", R"(["a",false,null,null])"},
       {"[]", R"([1])", R"(["a",null])", R"(["a",true,true])", R"(["a",true,null,null,null])"}},
      {R"({"type":"string","minLength":2,"maxLength":4})",
       {R"("ab")", R"("é€😀x")", R"("\n\"\\/")"},
       {R"("a")", R"("abcde")", R"("")", "ab", R"("ab)", R"("a"b")"}},
      {R"({"type":"string","pattern":"^[A-Z][a-z]+\\d$"})",
       {R"("Ab1")", R"("Zebra9")"},
       {R"("ab1")", R"("A1")", R"("Ab1 ")", R"("Ab")"}},
      {R"({"type":"string","pattern":"\"\\\\"})", {R"("\"\\")", R"("x\"\\y")"}, {R"("x")"}},
      {R"({"enum":["red","green",3,null,{"a":[1,"x"]}]})",
       {R"("red")", R"("green")", "3", "null", R"({"a":[1,"x"]})"},
       {R"("re")", R"("reddish")", "4", "{}", R"({"a":[1]})"}},
      {R"({"const":"only"})", {R"("only")"}, {R"("on")", R"("only ")", "1"}},
      {R"({"type":["string","null"],"enum":["a",null,7]})", {R"("a")", "null"}, {"7"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1},{"type":"array",
          "items":{"type":"boolean"}}]})",
       {"1", R"("x")", "[]", "[true,false]"},
       {"1.5", R"("xy")", "[1]", "{}", "null"}},
      {R"({"oneOf":[{"type":"object","properties":{"kind":{"const":"cat"},"lives":{"type":
          "integer"}},"required":["kind","lives"]},{"type":"object","properties":{"kind":{"const":
          "dog"},"good":{"const":true}},"required":["kind"]}]})",
       {R"({"kind":"cat","lives":9})", R"({"kind":"dog"})", R"({"kind":"dog","good":true})"},
       {R"({"kind":"cat"})", R"({"kind":"cat","good":true})", R"({"kind":"cow"})"}},
      {R"({"allOf":[{"$ref":"#/$defs/named"},{"type":"object","properties":{"age":{"type":
          "integer","minimum":0}},"required":["age"]}],"$defs":{"named":{"type":"object",
          "properties":{"name":{"type":"string"}},"required":["name"]}}})",
       {R"({"name":"x","age":1})"},
       {R"({"name":"x"})", R"({"age":1})", R"({"name":"x","age":-1})"}},
      {R"({"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"value":{"type":
          "integer"},"children":{"type":"array","items":{"$ref":"#/$defs/tree"}}},
          "required":["value"],"additionalProperties":false}}})",
       {R"({"value":1})", R"({"value":1,"children":[]})",
        R"({"value":1,"children":[{"value":2},{"value":3,"children":[{"value":4}]}]})"},
       {R"({"value":1,"children":[1]})", R"({"children":[]})",
        R"({"value":1,"children":[{"value":2}})"}},
      {R"({"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},
          "required":["next"],"additionalProperties":false})",
       {R"({"next":null})", R"({"next":{"next":{"next":null}}})"},
       {"{}", R"({"next":{}})", R"({"next":1})"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"},"minProperties":1,
          "maxProperties":2})",
       {R"({"a":1})", R"({"a":1,"b":2})"},
       {"{}", R"({"a":1,"b":2,"c":3})", R"({"a":"1"})"}},
      {R"({"type":"number","minimum":0,"maximum":1})",
       {"0", "1", "0.5", "0.999", "1.0", "0.0"},
       {"-0.1", "1.01", "2", "1.5", "-1", "1e0", "00"}},
      {R"({"type":"number","exclusiveMinimum":-1.25,"maximum":12.5})",
       {"-1.249", "-1", "-0.3", "0", "7.75", "12", "12.5", "12.50", "12.49"},
       {"-1.25", "-1.250", "-1.3", "-2", "12.51", "13", "100"}},
      {R"({"type":"object"})", {"{}", R"({"a":{"b":[1,{"c":null}]},"d":"e"})"}, {"[]", "1"}},
      {R"({})", {"1", "[]", R"({"a":1})", "true", R"("x")"}, {"", "tru", "[1"}},
      {R"({"type":"string","format":"date"})",
       {R"("2026-11-22")"},
       {R"("2026-13-01")", R"("2026-02-30")", R"("26-1-1")"}},
      {R"({"type":"string","format":"uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567")"}},
      {R"({"type":"integer","nullable":true})", {"1", "null"}, {R"("1")"}},
  };
  return kCases;
}

std::shared_ptr<const TokenGrammar> schema_grammar(const char* schema) {
  return compiled(json_schema_grammar(Json::parse(schema)));
}

TEST(JsonSchema, ValidDocumentsAreAcceptedInAnyTokens) {
  for (const Case& each : cases()) {
    const auto grammar = schema_grammar(each.schema);
    const Json schema = Json::parse(each.schema);
    for (const char* text : each.valid) {
      const Json document = Json::parse(text);
      EXPECT_TRUE(SchemaChecker(schema).fits(document)) << "the checker on " << text;
      EXPECT_TRUE(accepts_all_ways(grammar, text)) << each.schema << "\n" << text;
      if (!document.is_structured()) continue;
      EXPECT_TRUE(accepts_all_ways(grammar, document.dump(2))) << document.dump(2);
    }
  }
}

TEST(JsonSchema, InvalidDocumentsAreNot) {
  for (const Case& each : cases()) {
    const auto grammar = schema_grammar(each.schema);
    for (const char* text : each.invalid)
      for (uint32_t seed = 0; seed < 3; ++seed)
        EXPECT_FALSE(accepts(grammar, text, seed)) << each.schema << "\n" << text;
  }
}

TEST(JsonSchema, RandomAnswersAreValid) {
  for (const Case& each : cases()) {
    const auto grammar = schema_grammar(each.schema);
    const Json schema = Json::parse(each.schema);
    for (uint32_t seed = 0; seed < 12; ++seed) {
      const std::string answer = random_answer(grammar, seed);
      const Json value = Json::parse(answer, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << answer;
      EXPECT_TRUE(SchemaChecker(schema).fits(value)) << each.schema << "\n" << answer;
    }
  }
}

TEST(JsonSchema, IntegerBoundsAreExact) {
  const std::vector<std::pair<int64_t, int64_t>> bounds = {
      {0, 0}, {-1, 1}, {7, 123}, {-120, -8}, {-15, 230}, {99, 101}, {5, 4}, {-1000, -1000}};
  for (const auto& [least, most] : bounds) {
    Grammar grammar;
    const RuleId root = grammar.add_rule("root");
    // An empty range alone matches nothing, which no program is made of.
    grammar.define(
        root, grammar.choice({integer_between(grammar, least, most), grammar.literal("none")}));
    const auto range = compiled(grammar);
    for (int64_t number = -1100; number <= 1100; ++number)
      ASSERT_EQ(accepts(range, std::to_string(number)), number >= least && number <= most)
          << number << " in " << least << " to " << most;
    EXPECT_FALSE(accepts(range, "-0"));
    EXPECT_FALSE(accepts(range, "007"));
  }
}

TEST(JsonSchema, NumberBoundsAreExact) {
  const std::vector<NumberBounds> bounds = {{"0", "1"},
                                            {"-1.5", "2.25"},
                                            {"0.1", "0.3", true, true},
                                            {"1.05", "1.5", true},
                                            {"-0.5", "-0.25", false, true},
                                            {"9.9", "10.1"},
                                            {{}, "3.5", false, true},
                                            {"-2", {}, true},
                                            {"0.25", "0.25"},
                                            {"0", "0.5", true},
                                            {"1", "2", true, true},
                                            {"0.009", "0.01"}};
  for (const NumberBounds& bound : bounds) {
    Grammar grammar;
    const RuleId root = grammar.add_rule("root");
    grammar.define(root, number_between(grammar, bound));
    const auto range = compiled(grammar);
    for (int64_t thousandths = -3000; thousandths <= 11000;
         thousandths += thousandths >= 0 && thousandths < 20 ? 1 : 20) {
      const double value = static_cast<double>(thousandths) / 1000;
      std::string text = Json(value).dump();
      for (int zeros = 0; zeros < 2; ++zeros, text += "0") {
        const double least = bound.least ? std::stod(*bound.least) : -1e9;
        const double most = bound.most ? std::stod(*bound.most) : 1e9;
        const bool fits = (bound.above_least ? value > least : value >= least) &&
                          (bound.below_most ? value < most : value <= most);
        if (text.front() == '-' && value == 0) continue;
        ASSERT_EQ(accepts(range, text), fits) << text << " between " << bound.least.value_or("-inf")
                                              << " and " << bound.most.value_or("inf");
      }
    }
  }
}

TEST(JsonSchema, RefusesByNameAndPath) {
  const std::vector<std::pair<const char*, std::vector<const char*>>> bad = {
      {R"({"type":"object","properties":{"a":{"not":{}}}})", {"properties/a", "\"not\""}},
      {R"({"type":"array","uniqueItems":true})", {"uniqueItems"}},
      {R"({"if":{},"then":{}})", {"\"if\""}},
      {R"({"type":"object","patternProperties":{"a":{}}})", {"patternProperties"}},
      {R"({"type":"integer","multipleOf":3})", {"multipleOf"}},
      {R"({"type":"string","format":"color"})", {"format \"color\"", "date-time"}},
      {R"({"type":"string","pattern":"(?=a)b"})", {"pattern", "look-ahead"}},
      {R"({"type":"string","pattern":"a","maxLength":3})", {"only one of"}},
      {R"({"oneOf":[{"type":"number"},{"type":"integer"}]})", {"oneOf", "0 and 1"}},
      {R"({"oneOf":[{"type":"object","properties":{"a":{"const":1}}},
          {"type":"object","properties":{"a":{"const":2}}}]})",
       {"oneOf"}},
      {R"({"$ref":"http://example.com/x"})", {"$ref", "within the document"}},
      {R"({"$ref":"#/nowhere"})", {"leads nowhere"}},
      {R"({"type":"object","required":["a"]})", {"requires \"a\""}},
      {R"({"type":"strin"})", {"type is"}},
      {R"({"minLength":-1})", {"minLength"}},
      {R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", {"pattern"}},
      {R"({"type":"object","additionalProperties":true,"minProperties":2})", {"minProperties"}},
      {R"([1])", {"expected a schema"}},
  };
  for (const auto& [schema, words] : bad) {
    const auto grammar = json_schema_grammar(Json::parse(schema));
    ASSERT_FALSE(grammar) << schema;
    for (const char* word : words)
      EXPECT_NE(grammar.error().message.find(word), std::string::npos) << grammar.error().message;
  }
  // What can be read, but admits nothing.
  for (const char* schema : {R"({"$ref":"#"})", R"({"enum":["a"],"type":"integer"})", "false"}) {
    const auto grammar = json_schema_grammar(Json::parse(schema));
    EXPECT_FALSE(grammar && Program::compile(*grammar)) << schema;
  }
}

TEST(JsonSchema, HostileSchemasEndSoon) {
  // Alternatives of alternatives with neighbours, each twice as many as the ones before.
  Json doubling = {{"$ref", "#/$defs/0"}};
  for (int i = 0; i < 60; ++i) {
    const Json next = {{"$ref", "#/$defs/" + std::to_string(i + 1)}};
    doubling["$defs"][std::to_string(i)] = {{"minLength", i}, {"anyOf", Json::array({next, next})}};
  }
  doubling["$defs"]["60"] = {{"type", "string"}};
  EXPECT_FALSE(json_schema_grammar(doubling));
  // References in a ring, each adding something.
  Json ring = {{"$ref", "#/$defs/a"},
               {"$defs",
                {{"a", {{"allOf", {{{"$ref", "#/$defs/b"}}, {{"minLength", 1}}}}}},
                 {"b", {{"allOf", {{{"$ref", "#/$defs/a"}}, {{"maxLength", 9}}}}}}}}};
  EXPECT_FALSE(json_schema_grammar(ring));
  // Counts within counts.
  Json counts = {{"type", "string"}, {"maxLength", 3000}};
  for (int i = 0; i < 3; ++i) counts = {{"type", "array"}, {"items", counts}, {"maxItems", 50000}};
  const auto grammar = json_schema_grammar(counts);
  if (grammar) {
    EXPECT_FALSE(Program::compile(*grammar));
  }
}

TEST(JsonSchema, MembersComeAsTextAndAsJson) {
  Grammar grammar;
  const Json schema = Json::parse(R"({"type":"object","properties":{
      "city":{"type":"string","enum":["Rome","São Paulo"]},"days":{"type":"integer"},
      "note":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["city"]})");
  const auto members = add_json_members(grammar, schema, {});
  ASSERT_TRUE(members) << members.error().message;
  ASSERT_EQ(members->size(), 3U);
  EXPECT_TRUE((*members)[0].required && (*members)[0].text && !(*members)[0].json);
  EXPECT_TRUE(!(*members)[1].required && !(*members)[1].text && (*members)[1].json);
  EXPECT_TRUE((*members)[2].text && (*members)[2].json);
  const RuleId root = grammar.add_rule("root");
  grammar.set_root(root);
  grammar.define(root, grammar.sequence({*(*members)[0].text, *(*members)[2].json}));
  const auto both = compiled(grammar);
  EXPECT_TRUE(accepts_all_ways(both, "São Paulonull"));
  EXPECT_FALSE(accepts(both, "\"Rome\"null"));
  EXPECT_FALSE(accepts(both, "Romenul"));
}

}  // namespace
}  // namespace hadal
