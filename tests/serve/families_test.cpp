// SPDX-License-Identifier: MIT
// Anthropic's messages, OpenAI's responses, and the small answers.
#include <gtest/gtest.h>

#include "api_fixture.h"
#include "serve/api_key.h"
#include "serve/base64.h"

namespace hadal {
namespace {

using nlohmann::json;

class Families : public ApiTest {
 protected:
  json anthropic_tools() const {
    return {{{"name", "weather"},
             {"description", "The weather"},
             {"input_schema", {{"type", "object"}}}}};
  }
  static std::vector<std::string> types(const std::vector<json>& events) {
    std::vector<std::string> types;
    for (const json& event : events)
      if (types.empty() || types.back() != event["type"]) types.push_back(event["type"]);
    return types;
  }
};

TEST_F(Families, MessagesWhole) {
  script("thought</think>Let me see." + kCall + kCallsEnd);
  worker_.hit = 2;
  const auto exchange =
      post("/v1/messages", {{"model", "claude-opus-4"},
                            {"max_tokens", 500},
                            {"system", "Be short."},
                            {"messages", kHello},
                            {"tools", anthropic_tools()},
                            {"thinking", {{"type", "enabled"}, {"budget_tokens", 2000}}}});
  const json body = exchange->json();
  ASSERT_EQ(exchange->answer.status, 200) << body;
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(body["type"], "message");
  EXPECT_EQ(body["role"], "assistant");
  EXPECT_EQ(body["model"], "nano");
  ASSERT_EQ(body["content"].size(), 3U);
  EXPECT_EQ(body["content"][0]["thinking"], "thought");
  EXPECT_EQ(body["content"][0]["signature"].get<std::string>().size(), 64U);
  EXPECT_EQ(body["content"][1], (json{{"type", "text"}, {"text", "Let me see."}}));
  EXPECT_EQ(body["content"][2]["type"], "tool_use");
  EXPECT_TRUE(body["content"][2]["id"].get<std::string>().starts_with("toolu_"));
  EXPECT_EQ(body["content"][2]["input"], (json{{"city", "Ulm"}, {"days", 2}}));
  EXPECT_EQ(body["stop_reason"], "tool_use");
  EXPECT_TRUE(body["stop_sequence"].is_null());
  EXPECT_EQ(body["usage"]["cache_read_input_tokens"], 2);
  EXPECT_EQ(body["usage"]["input_tokens"], worker_.last.prompt.size() - 2);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "thinking.budget_tokens");
}

TEST_F(Families, MessagesStream) {
  script("thought</think>Let me see." + kCall + kCallsEnd);
  const std::vector<json> events =
      post("/anthropic/v1/messages", {{"max_tokens", 500},
                                      {"messages", kHello},
                                      {"stream", true},
                                      {"tools", anthropic_tools()},
                                      {"thinking", {{"type", "adaptive"}}}})
          ->events();
  EXPECT_EQ(types(events), (std::vector<std::string>{
                               "message_start", "content_block_start", "content_block_delta",
                               "content_block_stop", "content_block_start", "content_block_delta",
                               "content_block_stop", "content_block_start", "content_block_delta",
                               "content_block_stop", "message_delta", "message_stop"}));
  std::string thinking, text, input, signature;
  int64_t index = -1;
  for (const json& event : events) {
    if (event["type"] == "content_block_start") {
      EXPECT_EQ(event["index"], ++index);
    }
    if (event["type"] != "content_block_delta") continue;
    EXPECT_EQ(event["index"], index);
    const json& delta = event["delta"];
    if (delta["type"] == "thinking_delta") thinking += delta["thinking"];
    if (delta["type"] == "signature_delta") signature = delta["signature"];
    if (delta["type"] == "text_delta") text += delta["text"];
    if (delta["type"] == "input_json_delta") input += delta["partial_json"];
  }
  EXPECT_EQ(thinking, "thought");
  EXPECT_EQ(signature.size(), 64U);
  EXPECT_EQ(text, "Let me see.");
  EXPECT_EQ(json::parse(input), (json{{"city", "Ulm"}, {"days", 2}}));
  EXPECT_EQ(events[events.size() - 2]["delta"]["stop_reason"], "tool_use");
}

TEST_F(Families, MessagesKnowTheirStopSequence) {
  script("one two three");
  const json body =
      post("/v1/messages",
           {{"max_tokens", 50}, {"messages", kHello}, {"stop_sequences", {"zzz", "two"}}})
          ->json();
  EXPECT_EQ(body["content"][0]["text"], "one ");
  EXPECT_EQ(body["stop_reason"], "stop_sequence");
  EXPECT_EQ(body["stop_sequence"], "two");
  EXPECT_EQ(post("/v1/messages", {{"max_tokens", 1}, {"messages", kHello}})->json()["stop_reason"],
            "max_tokens");
}

TEST_F(Families, ABillingLineDoesNotChangeThePrompt) {
  script("x");
  const auto prompt = [&](const json& system) {
    post("/v1/messages", {{"max_tokens", 5}, {"messages", kHello}, {"system", system}})->wait();
    return prompt_text();
  };
  const std::string plain = prompt("Be short.");
  EXPECT_NE(plain.find("Be short."), std::string::npos);
  const json billed = {
      {{"type", "text"}, {"text", "x-anthropic-billing-header: cc=1; v=77"}},
      {{"type", "text"}, {"text", "Be short."}, {"cache_control", {{"type", "ephemeral"}}}}};
  EXPECT_EQ(prompt(billed), plain);
}

TEST_F(Families, MessagesWithToolResultsReachThePrompt) {
  script("x");
  const json messages = {
      {{"role", "user"}, {"content", "Weather?"}},
      {{"role", "assistant"},
       {"content",
        {{{"type", "thinking"},
          {"thinking", "I must look"},
          {"signature", signature_of("I must look", accounts_->secret())}},
         {{"type", "text"}, {"text", "Looking."}},
         {{"type", "tool_use"},
          {"id", "toolu_1"},
          {"name", "weather"},
          {"input", {{"city", "Ulm"}}}}}}},
      {{"role", "user"},
       {"content",
        {{{"type", "tool_result"}, {"tool_use_id", "toolu_1"}, {"content", "Rain"}},
         {{"type", "text"}, {"text", "And now?"}}}}}};
  const auto exchange = post("/v1/messages", {{"max_tokens", 5},
                                              {"messages", messages},
                                              {"tools", anthropic_tools()},
                                              {"thinking", {{"type", "enabled"}}}});
  exchange->wait();
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  for (const char* part :
       {"I must look", "Looking.", "name=\"weather\"", "Ulm", "Rain", "And now?"})
    EXPECT_NE(prompt_text().find(part), std::string::npos) << part << "\n" << prompt_text();
}

TEST_F(Families, AnthropicErrorsHaveTheirShape) {
  const std::vector<std::pair<json, int>> cases = {
      {{{"messages", kHello}}, 400},  // no max_tokens
      {{{"max_tokens", 5}}, 400},
      {{{"max_tokens", 5}, {"messages", kHello}, {"model", "gpt-4"}}, 400},
      {{{"max_tokens", 5}, {"messages", kHello}, {"tool_choice", {{"type", "any"}}}}, 400},
      {{{"max_tokens", 5}, {"messages", {{{"role", "user"}, {"content", {{{"type", "image"}}}}}}}},
       400},
  };
  for (const auto& [body, status] : cases) {
    const auto exchange = post("/v1/messages", body);
    const json answer = exchange->json();
    EXPECT_EQ(exchange->answer.status, status) << body;
    EXPECT_EQ(answer["type"], "error");
    EXPECT_EQ(answer["error"]["type"], "invalid_request_error");
    EXPECT_TRUE(answer["request_id"].get<std::string>().starts_with("req_"));
  }
}

TEST_F(Families, ResponsesWhole) {
  script("thought</think>Good day." + kCall + kCallsEnd);
  const json body =
      post("/v1/responses",
           {{"input", "Hello"},
            {"instructions", "Be short."},
            {"reasoning", {{"effort", "high"}}},
            {"metadata", {{"a", "b"}}},
            {"tools",
             {{{"type", "function"}, {"name", "weather"}, {"parameters", {{"type", "object"}}}}}}})
          ->json();
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("resp_"));
  EXPECT_EQ(body["object"], "response");
  EXPECT_EQ(body["status"], "completed");
  EXPECT_EQ(body["metadata"]["a"], "b");
  ASSERT_EQ(body["output"].size(), 3U);
  EXPECT_EQ(body["output"][0]["content"][0]["text"], "thought");
  EXPECT_EQ(body["output"][1]["content"][0]["type"], "output_text");
  EXPECT_EQ(body["output"][1]["content"][0]["text"], "Good day.");
  EXPECT_EQ(body["output"][2]["type"], "function_call");
  EXPECT_EQ(body["output"][2]["name"], "weather");
  EXPECT_GT(body["usage"]["output_tokens_details"]["reasoning_tokens"], 0);
  EXPECT_NE(prompt_text().find("Be short."), std::string::npos);
}

TEST_F(Families, ResponsesStreamIsNumberedAndComplete) {
  script("thought</think>Good day." + kCall + kCallsEnd);
  const std::vector<json> events =
      post("/v1/responses",
           {{"input", "Hello"}, {"stream", true}, {"reasoning", {{"effort", "low"}}}})
          ->events();
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["sequence_number"], i);
  EXPECT_EQ(
      types(events),
      (std::vector<std::string>{
          "response.created", "response.in_progress", "response.output_item.added",
          "response.reasoning_text.delta", "response.reasoning_text.done",
          "response.output_item.done", "response.output_item.added", "response.content_part.added",
          "response.output_text.delta", "response.output_text.done", "response.content_part.done",
          "response.output_item.done", "response.output_item.added",
          "response.function_call_arguments.delta", "response.function_call_arguments.done",
          "response.output_item.done", "response.completed"}));
  const json& output = events.back()["response"]["output"];
  ASSERT_EQ(output.size(), 3U);
  EXPECT_EQ(json::parse(output[2]["arguments"].get<std::string>()),
            (json{{"city", "Ulm"}, {"days", 2}}));
  for (const json& event : events)
    if (event.contains("item_id")) {
      EXPECT_EQ(event["item_id"], output[event["output_index"].get<size_t>()]["id"]);
    }
}

TEST_F(Families, ThinkingIsItsOwnSummaryWhereOneIsAskedFor) {
  script("thought</think>Good day.");
  json ask = {{"input", "Hello"}, {"reasoning", {{"effort", "low"}, {"summary", "auto"}}}};
  const json summary = {{{"type", "summary_text"}, {"text", "thought"}}};
  const json item = post("/v1/responses", ask)->json()["output"][0];
  EXPECT_EQ(item["summary"], summary);
  EXPECT_EQ(item["content"][0]["text"], "thought") << "what comes back with the next request";
  ask["stream"] = true;
  const std::vector<json> events = post("/v1/responses", ask)->events();
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["sequence_number"], i);
  const std::vector<std::string> names = types(events);
  const std::vector<std::string> expected = {"response.output_item.added",
                                             "response.reasoning_summary_part.added",
                                             "response.reasoning_summary_text.delta",
                                             "response.reasoning_summary_text.done",
                                             "response.reasoning_summary_part.done",
                                             "response.output_item.done"};
  ASSERT_GT(names.size(), 8U);
  EXPECT_EQ(std::vector<std::string>(names.begin() + 2, names.begin() + 8), expected);
  std::string told;
  for (const json& event : events) {
    const std::string type = event["type"];
    if (type == "response.reasoning_summary_text.delta") told += event["delta"];
    if (type == "response.reasoning_summary_text.done") {
      EXPECT_EQ(event["text"], "thought");
    }
    if (type == "response.reasoning_summary_part.done") {
      EXPECT_EQ(event["part"], summary[0]);
    }
    if (type.find("reasoning_summary") == std::string::npos) continue;
    EXPECT_EQ(event["summary_index"], 0);
    EXPECT_EQ(event["output_index"], 0);
    EXPECT_EQ(event["item_id"], events[2]["item"]["id"]);
    EXPECT_FALSE(event.contains("content_index"));
  }
  EXPECT_EQ(told, "thought");
  EXPECT_EQ(events.back()["response"]["output"][0]["summary"], summary);
  // Nobody makes it shorter.
  ask["stream"] = false;
  ask["reasoning"]["summary"] = "concise";
  const auto concise = post("/v1/responses", ask);
  concise->wait();
  EXPECT_EQ(concise->header("x-hadal-ignored-fields"), "reasoning.summary");
  EXPECT_EQ(concise->json()["output"][0]["summary"], summary);
  ask["reasoning"]["summary"] = "none";
  EXPECT_EQ(post("/v1/responses", ask)->json()["output"][0]["summary"], json::array());
  ask["reasoning"]["summary"] = "loud";
  EXPECT_EQ(post("/v1/responses", ask)->json()["error"]["param"], "reasoning.summary");
}

TEST_F(Families, ResponsesRememberNothingAndPairCalls) {
  script("x");
  for (const json& field :
       {json{{"previous_response_id", "resp_1"}}, json{{"store", true}}, json{{"background", true}},
        json{{"conversation", "c"}}, json{{"text", {{"format", {{"type", "poem"}}}}}}}) {
    json body = {{"input", "Hello"}};
    body.update(field);
    const auto exchange = post("/v1/responses", body);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 400) << field;
  }
  const json items = {
      {{"role", "user"}, {"content", {{{"type", "input_text"}, {"text", "Weather?"}}}}},
      {{"type", "reasoning"},
       {"summary", json::array()},
       {"content", {{{"type", "reasoning_text"}, {"text", "I must look"}}}}},
      {{"type", "function_call"}, {"call_id", "c1"}, {"name", "weather"}, {"arguments", "{}"}},
      {{"type", "function_call_output"}, {"call_id", "c1"}, {"output", "Rain"}}};
  const auto paired =
      post("/v1/responses", {{"input", items}, {"text", {{"format", {{"type", "text"}}}}}});
  paired->wait();
  EXPECT_EQ(paired->answer.status, 200) << paired->answer.body;
  EXPECT_NE(prompt_text().find("Rain"), std::string::npos);
  json wrong = items;
  wrong[3]["call_id"] = "c2";
  const json answer = post("/v1/responses", {{"input", wrong}})->json();
  EXPECT_EQ(answer["error"]["param"], "input[3].call_id");
  EXPECT_NE(answer["error"]["message"].get<std::string>().find("c2"), std::string::npos);
}

TEST_F(Families, TokensAreCountedTheSameEverywhere) {
  script("x");
  const json body = {{"max_tokens", 5}, {"messages", kHello}};
  const json count = post("/v1/messages/count_tokens", {{"messages", kHello}})->json();
  post("/v1/messages", body)->wait();
  EXPECT_EQ(count["input_tokens"], worker_.last.prompt.size());
  const json shown = post("/apply-template", {{"messages", kHello}})->json();
  EXPECT_EQ(shown["prompt"], prompt_text());
  EXPECT_EQ(shown["tokens"], json(worker_.last.prompt));
  EXPECT_EQ(post("/v1/responses/input_tokens", {{"input", "Hello"}})->json()["input_tokens"],
            worker_.last.prompt.size());
}

TEST_F(Families, TextToTokensAndBack) {
  const std::string text = "Größe <｜User｜>";
  const json tokens = post("/tokenize", {{"content", text}})->json()["tokens"];
  EXPECT_EQ(post("/detokenize", {{"tokens", tokens}})->json()["content"], text);
  EXPECT_EQ(post("/tokenize", {{"content", ""}, {"add_special", true}})->json()["tokens"].size(),
            1U);
  EXPECT_EQ(post("/tokenize", {{"content", "ab"}, {"with_pieces", true}})
                ->json()["tokens"][0]["piece"]
                .get<std::string>()[0],
            'a');
  EXPECT_EQ(post("/detokenize", {{"tokens", {99'999}}})->json()["error"]["param"], "tokens[0]");
}

TEST_F(Families, ModelsAreListed) {
  const json list = ask("GET", "/v1/models", "")->json();
  EXPECT_EQ(list["data"].size(), 1U);
  EXPECT_EQ(list["data"][0]["id"], "nano");
  const json card = list["data"][0];
  EXPECT_EQ(card["context_length"], 2048);
  EXPECT_EQ(card["max_output_tokens"], 2047);
  EXPECT_EQ(card["modalities"], (json{"text"}));
  EXPECT_EQ(card["state"], "loaded");
  EXPECT_EQ(card["quantization"], "bf16");
  EXPECT_EQ(card["pricing"], json::array());
  const std::vector<std::string> able = card["capabilities"];
  for (const char* what : {"chat", "tools", "thinking", "fill_in_middle", "structured_output"})
    EXPECT_TRUE(std::count(able.begin(), able.end(), what)) << what << card;
  EXPECT_FALSE(std::count(able.begin(), able.end(), "vision"));
  EXPECT_EQ(ask("GET", "/models/nano", "")->json()["id"], "nano");
  const auto unknown = ask("GET", "/v1/models/gpt-9", "");
  unknown->wait();
  EXPECT_EQ(unknown->answer.status, 404);
  const auto asked = post("/v1/chat/completions", {{"model", "gpt-9"}, {"messages", kHello}});
  EXPECT_EQ(asked->json()["error"]["code"], "model_not_found");
  EXPECT_EQ(asked->answer.status, 404);
}

TEST_F(Families, ModelsSayWhatTheyCost) {
  const auto set = [&](PriceClass what, Money amount, const std::string& currency, int64_t from,
                       std::optional<int64_t> until) {
    ASSERT_TRUE(accounts_->set_price({what, currency, amount, from, until}));
  };
  set(PriceClass::hit, kMoneyUnit / 2, "USD", 0, {});
  set(PriceClass::output, 9 * kMoneyUnit, "USD", 0, {});
  set(PriceClass::output, 3 * kMoneyUnit, "USD", 0, {});
  set(PriceClass::output, 5 * kMoneyUnit, "USD", 0, 1000);
  set(PriceClass::output, 7 * kMoneyUnit, "USD", int64_t{1} << 40, {});
  set(PriceClass::video_second, kMoneyUnit, "CNY", 0, {});
  EXPECT_EQ(ask("GET", "/v1/models/nano", "")->json()["pricing"],
            (json{{{"currency", "USD"}, {"tokens", 1'000'000}, {"hit", "0.50"}, {"output", "3.00"}},
                  {{"currency", "CNY"}, {"tokens", 1'000'000}, {"video_second", "1.00"}}}));
}

TEST_F(Families, EveryTextHasItsEmbedding) {
  const json one = post("/v1/embeddings", {{"input", {5, 6, 7}}})->json();
  EXPECT_EQ(
      one["data"],
      json::array({{{"object", "embedding"}, {"index", 0}, {"embedding", {0.5, 3.0, -1.0}}}}));
  EXPECT_EQ(one["usage"], (json{{"prompt_tokens", 3}, {"total_tokens", 3}}));
  EXPECT_EQ(one["model"], "nano");
  EXPECT_TRUE(worker_.last.embeds);

  const json two =
      post("/v1/embeddings", {{"input", {{1, 2}, {3}}}, {"encoding_format", "base64"}})->json();
  ASSERT_EQ(two["data"].size(), 2U);
  const std::string bytes =
      from_base64(two["data"][1]["embedding"].get<std::string>()).value_or("");
  ASSERT_EQ(bytes.size(), 12U);
  EXPECT_EQ(bytes.substr(4), std::string("\0\0\x80\x3f\0\0\x80\xbf", 8));
  EXPECT_EQ(two["usage"]["total_tokens"], 3);

  const json texts = post("/v1/embeddings", {{"input", {"a", "b"}}, {"dimensions", 3}})->json();
  EXPECT_EQ(texts["data"].size(), 2U);
  const auto blamed = [&](const json& body) {
    return post("/v1/embeddings", body)->json()["error"]["param"];
  };
  EXPECT_EQ(blamed(json::object()), "input");
  EXPECT_EQ(blamed({{"input", ""}}), "input");
  EXPECT_EQ(blamed({{"input", {"a", 5}}}), "input[1]");
  EXPECT_EQ(blamed({{"input", {{1}, {6208}}}}), "input[1]");
  EXPECT_EQ(blamed({{"input", "a"}, {"dimensions", 2}}), "dimensions");
  EXPECT_EQ(blamed({{"input", "a"}, {"encoding_format", "hex"}}), "encoding_format");
  EXPECT_EQ(blamed({{"input", std::vector<int>(2048, 1)}}), "input");
  worker_.refusal = Submitted::full;
  EXPECT_EQ(post("/v1/embeddings", {{"input", "a"}})->json()["error"]["type"], "server_error");
}

}  // namespace
}  // namespace hadal
