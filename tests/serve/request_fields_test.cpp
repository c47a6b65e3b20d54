// SPDX-License-Identifier: MIT
// Fields of requests: where else they may stand, how long they may be, and which are named.
#include <gtest/gtest.h>

#include <set>

#include "api_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

class RequestFields : public ApiTest {
 protected:
  std::shared_ptr<RecordedExchange> asked(const std::string& path, const json& body) {
    const auto exchange = post(path, body);
    exchange->wait();
    return exchange;
  }
  std::shared_ptr<RecordedExchange> chat(json fields) {
    if (!fields.contains("messages")) fields["messages"] = kHello;
    return asked("/v1/chat/completions", fields);
  }
  static std::string ignored(const std::shared_ptr<RecordedExchange>& exchange) {
    EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    return exchange->header("x-hadal-ignored-fields");
  }
};

TEST_F(RequestFields, ExtraHoldsWhatCouldStandAtTheTop) {
  script("x");
  const json extra = {
      {"top_k", 7}, {"min_p", 0.1}, {"cache_salt", "s"}, {"guided_regex", "x+"}, {"tone", "dry"}};
  EXPECT_EQ(ignored(chat({{"extra", extra}})), "extra.tone");
  EXPECT_EQ(worker_.last.sampler.top_k, 7);
  EXPECT_EQ(worker_.last.sampler.min_p, 0.1);
  EXPECT_TRUE(worker_.last.partition.ends_with("s"));
  EXPECT_TRUE(worker_.last.constraint);
  EXPECT_EQ(ignored(chat({{"extra", {{"top_k", 7}}}})), "");
  for (const auto& [fields, param] : std::vector<std::pair<json, std::string>>{
           {{{"extra", {{"top_k", 7}}}, {"top_k", 7}}, "extra.top_k"},
           {{{"extra", {{"mirostat", 2}}}}, "mirostat"},
           {{{"extra", 5}}, "extra"}})
    EXPECT_EQ(chat(fields)->json()["error"]["param"], param) << fields;
}

TEST_F(RequestFields, WhoSpeaksIsNotToldByName) {
  script("x");
  json messages = kHello;
  messages[0]["name"] = "ann";
  EXPECT_EQ(ignored(chat({{"messages", messages}})), "messages.name");
}

TEST_F(RequestFields, UsersAreNamedAlikeAndNeverCut) {
  script("x");
  const std::string longest(512, 'u'), longer(513, 'u');
  const json message = {{"max_tokens", 9}, {"messages", kHello}};
  const std::vector<std::pair<std::string, json>> paths = {
      {"/v1/chat/completions", {{"messages", kHello}}},
      {"/v1/completions", {{"prompt", "a"}}},
      {"/v1/responses", {{"input", "a"}}},
      {"/v1/embeddings", {{"input", "a"}}}};
  for (const auto& [path, body] : paths)
    for (const char* name : {"user", "user_id"}) {
      json named = body;
      named[name] = longest;
      EXPECT_EQ(ignored(asked(path, named)), "") << path << name;
      EXPECT_TRUE(worker_.last.partition.ends_with("/" + longest)) << path << name;
      named[name] = longer;
      EXPECT_EQ(asked(path, named)->json()["error"]["param"], name) << path;
    }
  json named = message;
  named["metadata"]["user_id"] = longest;
  EXPECT_EQ(asked("/v1/messages", named)->answer.status, 200);
  named["metadata"]["user_id"] = longer;
  const json error = asked("/v1/messages", named)->json()["error"];
  EXPECT_TRUE(error["message"].get<std::string>().starts_with("metadata.user_id: has 513 bytes"))
      << error;
}

TEST_F(RequestFields, StrangersAreNamedWhereNothingIsWritten) {
  const std::vector<std::pair<std::string, json>> paths = {
      {"/tokenize", {{"content", "a"}}},
      {"/detokenize", {{"tokens", {5}}}},
      {"/apply-template", {{"messages", kHello}}},
      {"/v1/messages/count_tokens", {{"messages", kHello}}},
      {"/v1/responses/input_tokens", {{"input", "a"}}}};
  for (const auto& [path, body] : paths) {
    EXPECT_EQ(ignored(asked(path, body)), "") << path;
    json more = body;
    more["stranger"] = 1;
    EXPECT_EQ(ignored(asked(path, more)), "stranger") << path;
  }
}

// What is shown is what the same request is answered from.
TEST_F(RequestFields, ATemplateIsAppliedAsInTheRequest) {
  script("x");
  const json schema = {{"type", "object"}, {"properties", {{"city", {{"type", "string"}}}}}};
  const json tool = {{"type", "function"}, {"function", {{"name", "weather"}}}};
  const std::vector<json> requests = {
      json::object(),
      {{"response_format", {{"type", "json_schema"}, {"json_schema", {{"schema", schema}}}}}},
      {{"model", "deepseek-reasoner"}},
      {{"model", "deepseek-chat"}},
      {{"reasoning_effort", "max"}},
      {{"tools", {tool}}, {"thinking", {{"type", "enabled"}}}},
      {{"extra", {{"chat_template_kwargs", {{"thinking", true}}}}}},
      {{"max_tokens", 5}, {"temperature", 1}, {"stream", false}}};
  std::set<std::string> prompts;
  for (json body : requests) {
    body["messages"] = kHello;
    const auto shown = asked("/apply-template", body);
    EXPECT_EQ(ignored(shown), "") << body;
    asked("/v1/chat/completions", body);
    EXPECT_EQ(shown->json()["prompt"], prompt_text()) << body;
    EXPECT_EQ(shown->json()["tokens"], json(worker_.last.prompt)) << body;
    prompts.insert(prompt_text());
  }
  EXPECT_EQ(prompts.size(), 5U);
  EXPECT_EQ(asked("/apply-template", {{"messages", kHello}, {"model", "gpt-4"}})->answer.status,
            404);
}

// The server has one limit for bodies; no smaller one hides behind it.
TEST_F(RequestFields, ABodyMayBeAsLongAsTheServerLetsItBe) {
  const std::string picture(33 << 20, 'A');
  const auto exchange = ask("POST", "/v1/chat/completions",
                            R"({"messages":[{"role":"user","content":[{"type":"image_url",)"
                            R"("image_url":{"url":"data:image/png;base64,)" +
                                picture + R"("}}]}],"padding":")" + picture + "\"}");
  EXPECT_EQ(exchange->json()["error"]["param"], "messages[0].content[0]") << "the model reads text";
}

}  // namespace
}  // namespace hadal
