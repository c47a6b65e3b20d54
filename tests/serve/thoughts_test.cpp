// SPDX-License-Identifier: MIT
// Thoughts that come back: signed, sealed, or another's.
#include <gtest/gtest.h>

#include "api_fixture.h"
#include "serve/api_key.h"
#include "serve/base64.h"
#include "serve/sealed_text.h"

namespace hadal {
namespace {

using nlohmann::json;

const std::string kThought = "I must look at the sky";

class Thoughts : public ApiTest {
 protected:
  static bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
  std::shared_ptr<RecordedExchange> message(const json& thinking, const json& result) {
    const json called = {
        {"type", "tool_use"}, {"id", "t"}, {"name", "sky"}, {"input", json::object()}};
    json given = {{"type", "tool_result"}, {"tool_use_id", "t"}};
    given.update(result);
    const json messages = {{{"role", "user"}, {"content", "Weather?"}},
                           {{"role", "assistant"}, {"content", {thinking, called}}},
                           {{"role", "user"}, {"content", json::array({given})}}};
    const json tools = {{{"name", "sky"}, {"input_schema", {{"type", "object"}}}}};
    const auto exchange = post("/v1/messages", {{"max_tokens", 50},
                                                {"messages", messages},
                                                {"tools", tools},
                                                {"thinking", {{"type", "enabled"}}}});
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    return exchange;
  }
  // A response to a call whose reasoning came back in this way.
  std::shared_ptr<RecordedExchange> response(const json& reasoning) {
    json thought = {{"type", "reasoning"}, {"summary", json::array()}};
    thought.update(reasoning);
    const json items = {
        {{"role", "user"}, {"content", "Weather?"}},
        thought,
        {{"type", "function_call"}, {"call_id", "c"}, {"name", "sky"}, {"arguments", "{}"}},
        {{"type", "function_call_output"}, {"call_id", "c"}, {"output", "Rain"}}};
    const auto exchange =
        post("/v1/responses", {{"input", items},
                               {"tools", {{{"type", "function"}, {"name", "sky"}}}},
                               {"reasoning", {{"effort", "low"}}}});
    exchange->wait();
    return exchange;
  }
  json sealed_ask() const {
    return {{"input", "Hello"},
            {"reasoning", {{"effort", "low"}}},
            {"include", {"reasoning.encrypted_content"}}};
  }
};

// What another server's model thought is left out: it is not what this one thought.
TEST_F(Thoughts, CountIfTheirSignatureIsThisServers) {
  script(kThought + "</think>Good day.");
  const json made =
      post("/v1/messages",
           {{"max_tokens", 50}, {"messages", kHello}, {"thinking", {{"type", "enabled"}}}})
          ->json()["content"][0];
  EXPECT_EQ(message(made, {{"content", "Rain"}})->header("x-hadal-ignored-fields"), "");
  EXPECT_TRUE(holds(prompt_text(), kThought)) << prompt_text();
  json changed = made, unsigned_one = made, foreign = made;
  changed["thinking"] = kThought + ", no";
  unsigned_one.erase("signature");
  foreign["signature"] = "EqQBCgIYAhIM";
  for (const json& other : {changed, unsigned_one, foreign}) {
    EXPECT_EQ(message(other, {{"content", "Rain"}})->header("x-hadal-ignored-fields"),
              "messages[1].content[0].thinking");
    EXPECT_FALSE(holds(prompt_text(), kThought)) << other;
    EXPECT_TRUE(holds(prompt_text(), "Rain"));
  }
}

TEST_F(Thoughts, AResultThatIsAnErrorSaysSo) {
  script("x");
  const json thinking = {{"type", "redacted_thinking"}, {"data", "x"}};
  const auto result = [&](const json& content, bool failed) {
    message(thinking, {{"content", content}, {"is_error", failed}});
    const std::string text = prompt_text();
    const size_t begin = text.find("<tool_result>") + 13;
    return text.substr(begin, text.find("</tool_result>") - begin);
  };
  EXPECT_EQ(result("No such city", true), "Error: No such city");
  EXPECT_EQ(result("Error: none", true), "Error: none");
  EXPECT_EQ(result("error 404", true), "error 404");
  EXPECT_EQ(result(json::array({{{"type", "text"}, {"text", "none"}}}), true), "Error: none");
  EXPECT_EQ(result(nullptr, true), "Error");
  EXPECT_EQ(result("No such city", false), "No such city");
}

TEST_F(Thoughts, AnErrorWithinAStreamNamesItsRequest) {
  worker_.script.clear();
  worker_.finish = GenerationFinish::deadline;
  const auto exchange =
      post("/v1/messages", {{"max_tokens", 50}, {"messages", kHello}, {"stream", true}});
  const json last = exchange->events().back();
  EXPECT_EQ(last["type"], "error");
  EXPECT_EQ(last["request_id"], exchange->request().id);
}

TEST_F(Thoughts, ComeBackSealed) {
  script(kThought + "</think>Good day.");
  const json item = post("/v1/responses", sealed_ask())->json()["output"][0];
  const std::string sealed = item["encrypted_content"];
  EXPECT_FALSE(holds(*from_base64(sealed), kThought));
  EXPECT_EQ(item["content"][0]["text"], kThought);
  json ask = sealed_ask();
  ask["stream"] = true;
  const std::vector<json> events = post("/v1/responses", ask)->events();
  std::string told;
  for (const json& event : events)
    if (event["type"] == "response.output_item.done" && event["item"]["type"] == "reasoning")
      told = event["item"]["encrypted_content"];
  EXPECT_EQ(open_sealed_text(told, accounts_->secret()), kThought);
  EXPECT_EQ(events.back()["response"]["output"][0]["encrypted_content"], told);
  script("x</think>y");
  for (const json& content : {json(), json::array()}) {
    const auto exchange = response({{"encrypted_content", sealed}, {"content", content}});
    ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    EXPECT_TRUE(holds(prompt_text(), kThought)) << prompt_text();
  }
  EXPECT_EQ(response({{"encrypted_content", nullptr}})->answer.status, 200);
  EXPECT_FALSE(holds(prompt_text(), kThought));
  for (const std::string& bad :
       {sealed + "AAAA", std::string("gAAAAABo"), std::string("no base64")})
    EXPECT_EQ(response({{"encrypted_content", bad}})->json()["error"]["param"],
              "input[1].encrypted_content");
}

TEST_F(Thoughts, AreSealedForWhoAsksForIt) {
  script(kThought + "</think>Good day.");
  json ask = sealed_ask();
  ask["include"] = {"message.output_text.logprobs"};
  const auto exchange = post("/v1/responses", ask);
  EXPECT_FALSE(exchange->json()["output"][0].contains("encrypted_content"));
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "include[0]");
  ask["include"] = {5};
  EXPECT_EQ(post("/v1/responses", ask)->json()["error"]["param"], "include[0]");
}

TEST(SealedText, OpensUnchangedAndUnderItsSecretAlone) {
  for (const std::string& text :
       {std::string(), std::string("a\0\xff", 3), std::string(9000, 'x')}) {
    const std::string sealed = seal_text(text, "secret");
    EXPECT_EQ(open_sealed_text(sealed, "secret"), text);
    EXPECT_NE(seal_text(text, "secret"), sealed) << "no two are alike";
    EXPECT_FALSE(open_sealed_text(sealed, "other"));
  }
  const std::string bytes = *from_base64(seal_text("thought", "secret"));
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] ^= 1;
    EXPECT_FALSE(open_sealed_text(to_base64(changed), "secret")) << i;
    EXPECT_FALSE(open_sealed_text(to_base64(bytes.substr(0, i)), "secret")) << i;
  }
}

}  // namespace
}  // namespace hadal
