// SPDX-License-Identifier: MIT
// Calls by construction: whatever a model prefers, calls are well formed and their arguments fit.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "../grammar/schema_checker.h"
#include "form_fixture.h"
#include "serve/chat_codec.h"
#include "serve/reply_reader.h"
#include "serve/token_choice.h"

namespace hadal {
namespace {

using nlohmann::json;

const json kAsk = {{{"role", "user"}, {"content", "Hello"}}};

const json kWeather = json::parse(R"({"type":"object","properties":{
    "city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":14},
    "unit":{"type":"string","enum":["C","F","｜"]},
    "at":{"anyOf":[{"type":"string","format":"date"},{"type":"null"}]},
    "places":{"type":"array","items":{"$ref":"#/$defs/place"},"maxItems":2}},
    "required":["city","days"],"additionalProperties":false,
    "$defs":{"place":{"type":"object","properties":{"name":{"type":"string"},
      "height":{"type":"number"}},"required":["name"],"additionalProperties":false}}})");
const json kCity = json::parse(R"({"type":"object","properties":{"city":{"type":"string"},
    "days":{"type":"integer"}},"required":["city","days"],"additionalProperties":false})");
const json kNothing = {{"type", "object"}, {"properties", json::object()}};

json chat_tool(const std::string& name, const json& schema, bool strict) {
  return {{"type", "function"},
          {"function", {{"name", name}, {"parameters", schema}, {"strict", strict}}}};
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

class ToolForms : public FormTest {
 protected:
  // An answer of a model that knows nothing but how to come to an end.
  WholeReply random_reply(const json& body, uint32_t seed, float wish_to_call = 0) {
    OrderedJson ordered = OrderedJson::parse(body.dump());
    auto call = read_chat_call(ordered, Sees::text);
    EXPECT_TRUE(call) << (call ? "" : call.error().message);
    call->seed = seed;
    auto plan = plan_chat(*model_, *call, {});
    EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
    const GenerationRequest generation = generation_of(*plan, 0);
    TokenChoice choice(generation);
    ReplyReader reader(*tokenizer_, plan->form, "call_");
    WholeReply whole;
    const auto tell = [&](const std::vector<ReplyEvent>& events) {
      for (const ReplyEvent& event : events) whole.add(event);
    };
    std::mt19937 random(seed);
    for (int64_t position = 0; position < 20000; ++position) {
      const GeneratedToken token = choice.pick(random_logits(random, wish_to_call), position);
      tell(reader.add(token));
      if (!token.ends && !reader.stopped()) continue;
      tell(reader.finish());
      EXPECT_FALSE(reader.malformed());
      return whole;
    }
    ADD_FAILURE() << "no end: " << whole.content.substr(0, 400);
    return whole;
  }

  std::vector<float> random_logits(std::mt19937& random, float wish_to_call) {
    std::vector<float> logits(static_cast<size_t>(worker_.vocab()));
    for (float& logit : logits) logit = static_cast<float>(random() % 1000) / 1000;
    for (const char* ending : {"</", "<", "｜DSML｜", "</think>", "\n\n", "<｜end▁of▁sentence｜>"})
      logits[static_cast<size_t>(tokenizer_->encode_with_control(ending).back())] += 8;
    for (const char* ending : {"\"", "}", "]", ">", "\n"})
      logits[static_cast<size_t>(tokenizer_->encode(ending).back())] += 7;
    for (const char* way : {"\n\n", "<", "｜DSML｜"})
      logits[static_cast<size_t>(tokenizer_->encode_with_control(way).back())] += wish_to_call;
    return logits;
  }

  static void expect_fits(const WholeReply& reply, const std::map<std::string, json>& tools) {
    for (const ReplyCall& call : reply.calls) {
      ASSERT_TRUE(tools.contains(call.name)) << call.name;
      const auto arguments = OrderedJson::parse(call.arguments, nullptr, false);
      ASSERT_TRUE(arguments.is_object()) << call.arguments;
      const OrderedJson schema = OrderedJson::parse(tools.at(call.name).dump());
      EXPECT_TRUE(SchemaChecker(schema).fits(arguments)) << call.arguments;
    }
  }
};

TEST_F(ToolForms, RequiredCallsFitWhateverIsDrawn) {
  const std::map<std::string, json> tools = {{"weather", kWeather}, {"stop-it", kNothing}};
  json body = {{"messages", kAsk}, {"tool_choice", "required"}};
  for (const auto& [name, schema] : tools) body["tools"].push_back(chat_tool(name, schema, true));
  size_t calls = 0;
  std::map<std::string, int> seen;
  for (const Dialect dialect : {Dialect::v41, Dialect::v4_0731}) {
    model_->dialect = dialect;
    for (uint32_t seed = 0; seed < 18; ++seed) {
      body["thinking"]["type"] = seed % 2 == 0 ? "enabled" : "disabled";
      body["parallel_tool_calls"] = seed % 3 != 0;
      const WholeReply reply = random_reply(body, seed);
      EXPECT_EQ(reply.content, "");
      EXPECT_GE(reply.calls.size(), 1U);
      if (seed % 3 == 0) {
        EXPECT_EQ(reply.calls.size(), 1U);
      }
      if (seed % 2 == 1) {
        EXPECT_EQ(reply.reasoning, "");
      }
      expect_fits(reply, tools);
      calls += reply.calls.size();
      for (const ReplyCall& call : reply.calls) ++seen[call.name];
    }
  }
  EXPECT_GT(calls, 36U);
  EXPECT_EQ(seen.size(), 2U);
}

// Free text, in which a call may begin; the strict tool's arguments fit, the other's are JSON.
TEST_F(ToolForms, FreeAnswersCallStrictToolsAsTheySay) {
  const json loose = {{"type", "object"}, {"properties", {{"a", {{"not", {{"type", "null"}}}}}}}};
  const json body = {{"messages", kAsk},
                     {"tools", {chat_tool("city", kCity, true), chat_tool("any", loose, false)}}};
  size_t calls = 0, texts = 0;
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const WholeReply reply = random_reply(body, seed, 2);
    expect_fits(reply, {{"city", kCity}, {"any", {{"type", "object"}}}});
    calls += reply.calls.size();
    texts += reply.calls.empty();
  }
  EXPECT_GT(calls, 2U);
  EXPECT_GT(texts, 2U);
}

TEST_F(ToolForms, AFreeAnswerIsHeldOnlyWithinItsCalls) {
  const std::string path = "/v1/chat/completions";
  const json body = {{"messages", kAsk}, {"tools", {chat_tool("weather", kCity, true)}}};
  const std::string call = kCall + kCallsEnd;
  EXPECT_TRUE(answer_may_be(path, body, "Good day."));
  EXPECT_TRUE(answer_may_be(path, body, "I look." + call));
  EXPECT_TRUE(answer_may_be(path, body, call));
  EXPECT_FALSE(answer_may_be(path, body, replaced(call, ">2<", ">two<")));
  EXPECT_FALSE(answer_may_be(path, body, replaced(call, "\"city\"", "\"town\"")));
  EXPECT_FALSE(answer_may_be(path, body, replaced(call, "\"weather\"", "\"storm\"")));
  EXPECT_FALSE(answer_may_be(path, body, replaced(call, "\n\n<", "<")));
  EXPECT_FALSE(answer_may_be(path, body, call + "And more."));
  // Without a strict tool nothing is held.
  const json free = {{"messages", kAsk}, {"tools", {chat_tool("weather", kCity, false)}}};
  EXPECT_FALSE(answer_may_be(path, free, "Good day."));
  EXPECT_FALSE(worker_.last.constraint);
}

TEST_F(ToolForms, EveryApiCanDemandACall) {
  const std::string weather = kCall + kCallsEnd, other = replaced(weather, "weather", "other");
  const auto tools = [](const std::string& under) {
    json list;
    for (const char* name : {"weather", "other"})
      list.push_back({{"type", under == "input_schema" ? "custom" : "function"},
                      {"name", name},
                      {under, kCity}});
    return list;
  };
  const json chat = {
      {"messages", kAsk},
      {"tools", {chat_tool("weather", kCity, false), chat_tool("other", kCity, false)}}};
  const json messages = {{"messages", kAsk}, {"max_tokens", 9}, {"tools", tools("input_schema")}};
  const json responses = {{"input", "Hello"}, {"tools", tools("parameters")}};
  struct Case {
    std::string path;
    json body, choice;
    bool both;
  };
  const json function = {{"type", "function"}, {"name", "weather"}};
  const json wrapped = {{"type", "function"}, {"function", {{"name", "weather"}}}};
  const std::vector<Case> cases = {
      {"/v1/chat/completions", chat, "required", true},
      {"/v1/chat/completions", chat, wrapped, false},
      {"/v1/chat/completions",
       chat,
       {{"type", "allowed_tools"}, {"allowed_tools", {{"mode", "required"}, {"tools", {wrapped}}}}},
       false},
      {"/v1/messages", messages, {{"type", "any"}}, true},
      {"/v1/messages", messages, {{"type", "tool"}, {"name", "weather"}}, false},
      {"/v1/responses", responses, "required", true},
      {"/v1/responses", responses, function, false},
      {"/v1/responses",
       responses,
       {{"type", "allowed_tools"}, {"mode", "required"}, {"tools", {function}}},
       false}};
  for (Case it : cases) {
    it.body["tool_choice"] = it.choice;
    EXPECT_TRUE(answer_may_be(it.path, it.body, weather)) << it.path << it.choice;
    EXPECT_EQ(answer_may_be(it.path, it.body, other), it.both) << it.path << it.choice;
    EXPECT_FALSE(answer_may_be(it.path, it.body, "Hello")) << it.path << it.choice;
  }
}

TEST_F(ToolForms, ANamedToolIsCalledOnceAndOthersAsOftenAsWanted) {
  const std::string path = "/v1/chat/completions";
  json body = {{"messages", kAsk}, {"tools", {chat_tool("weather", kCity, true)}}};
  const size_t from = kCall.find("<｜DSML｜ invoke");
  const std::string twice = kCall + kCall.substr(from) + kCallsEnd;
  body["tool_choice"] = "required";
  EXPECT_TRUE(answer_may_be(path, body, twice));
  body["parallel_tool_calls"] = false;
  EXPECT_FALSE(answer_may_be(path, body, twice));
  body["parallel_tool_calls"] = true;
  body["tool_choice"] = {{"type", "function"}, {"function", {{"name", "weather"}}}};
  EXPECT_FALSE(answer_may_be(path, body, twice));
  EXPECT_TRUE(answer_may_be(path, body, kCall + kCallsEnd));
}

TEST_F(ToolForms, AFormAndToolsStandSideBySide) {
  const std::string path = "/v1/chat/completions";
  const json body = {{"messages", kAsk},
                     {"tools", {chat_tool("weather", kCity, true)}},
                     {"response_format", {{"type", "json_object"}}}};
  EXPECT_TRUE(answer_may_be(path, body, R"({"a":1})"));
  EXPECT_TRUE(answer_may_be(path, body, kCall + kCallsEnd));
  EXPECT_FALSE(answer_may_be(path, body, "Hello"));
  EXPECT_FALSE(answer_may_be(path, body, R"({"a":1})" + kCall + kCallsEnd));
}

TEST_F(ToolForms, WhatCannotBeHeldIsRefusedByName) {
  const json odd = {{"type", "object"}, {"properties", {{"a", {{"not", json::object()}}}}}};
  const json good = chat_tool("f", kCity, true);
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"tools", {chat_tool("f", odd, true)}}}, "tools[0].function.parameters"},
      {{{"tools", {good, chat_tool("g", {{"type", "string"}}, true)}}},
       "tools[1].function.parameters"},
      {{{"tools", {chat_tool("a\"b", kCity, true)}}}, "tools[0].function.parameters"},
      {{{"tools", {good}}, {"tool_choice", {{"type", "function"}, {"function", {{"name", "g"}}}}}},
       "tool_choice"},
      {{{"tools", {good}}, {"tool_choice", "sometimes"}}, "tool_choice"},
      {{{"tools", {good}}, {"tool_choice", {{"type", "web_search"}}}}, "tool_choice.type"},
      {{{"tools", {good}}, {"guided_grammar", "root ::= \"a\""}}, "guided_grammar"},
      {{{"tools", {good}},
        {"messages", {kAsk[0], {{"role", "assistant"}, {"content", "It"}, {"prefix", true}}}}},
       "tools"},
  };
  for (const auto& [field, param] : cases) {
    json body = {{"messages", kAsk}};
    body.update(field);
    const auto exchange = post("/v1/chat/completions", body);
    const json answer = exchange->json();
    EXPECT_EQ(exchange->answer.status, 400) << body;
    EXPECT_EQ(answer["error"]["param"], param) << answer;
  }
}

// Ordinary tokens that spell a control token are text: no call, no end of thinking, no end.
TEST_F(ToolForms, SpelledMarkersAreText) {
  const std::string spelled = "</think>\n\n<｜DSML｜ calls><｜end▁of▁sentence｜> yes";
  worker_.script.clear();
  for (const int32_t id : tokenizer_->encode(spelled)) worker_.script.push_back(id);
  worker_.script.push_back(*tokenizer_->eos());
  const json plain = post("/v1/chat/completions", {{"messages", kAsk}})->json();
  EXPECT_EQ(plain["choices"][0]["message"]["content"], spelled);
  const json thinking =
      post("/v1/chat/completions", {{"messages", kAsk}, {"thinking", {{"type", "enabled"}}}})
          ->json();
  EXPECT_EQ(thinking["choices"][0]["message"]["reasoning_content"], spelled);
}

}  // namespace
}  // namespace hadal
