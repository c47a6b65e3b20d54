// SPDX-License-Identifier: MIT
// Chat completions and completions, field by field.
#include <gtest/gtest.h>

#include "api_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

class ChatApi : public ApiTest {
 protected:
  json tools() const {
    return {{{"type", "function"},
             {"function",
              {{"name", "weather"},
               {"description", "The weather"},
               {"parameters", {{"type", "object"}, {"properties", json::object()}}}}}}};
  }
};

TEST_F(ChatApi, WholeAnswer) {
  script("Good day.");
  worker_.hit = 3;
  const auto exchange = post("/v1/chat/completions", {{"model", "nano"}, {"messages", kHello}});
  const json body = exchange->json();
  EXPECT_EQ(exchange->answer.status, 200);
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_GT(body["created"], 1'700'000'000);
  EXPECT_EQ(body["model"], "nano");
  EXPECT_EQ(body["system_fingerprint"], "fp_test");
  ASSERT_EQ(body["choices"].size(), 1U);
  const json& choice = body["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["message"], (json{{"role", "assistant"}, {"content", "Good day."}}));
  EXPECT_TRUE(choice["logprobs"].is_null());
  EXPECT_EQ(choice["finish_reason"], "stop");
  const json& usage = body["usage"];
  const int64_t prompt = static_cast<int64_t>(worker_.last.prompt.size());
  EXPECT_EQ(usage["prompt_tokens"], prompt);
  EXPECT_EQ(usage["prompt_cache_hit_tokens"], 3);
  EXPECT_EQ(usage["prompt_cache_miss_tokens"], prompt - 3);
  EXPECT_EQ(usage["completion_tokens"], worker_.script.size());
  EXPECT_EQ(usage["total_tokens"], prompt + static_cast<int64_t>(worker_.script.size()));
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 3);
  EXPECT_EQ(usage["completion_tokens_details"]["reasoning_tokens"], 0);
  EXPECT_FALSE(usage.contains("cost"));
  EXPECT_EQ(body["timings"]["cache_n"], 3);
  EXPECT_EQ(prompt_text(), "<｜begin▁of▁sentence｜><｜User｜>Hello<｜Assistant｜></think>");
}

TEST_F(ChatApi, Stream) {
  script("Good day, ümläut.");
  const auto exchange =
      post("/chat/completions",
           {{"messages", kHello}, {"stream", true}, {"stream_options", {{"include_usage", true}}}});
  const std::vector<json> events = exchange->events();
  ASSERT_GE(events.size(), 5U);
  EXPECT_EQ(events.back(), "[DONE]");
  std::string content;
  for (size_t i = 0; i + 2 < events.size(); ++i) {
    EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
    EXPECT_EQ(events[i]["id"], events[0]["id"]);
    EXPECT_TRUE(events[i]["usage"].is_null());
    const json& choice = events[i]["choices"][0];
    if (i == 0) {
      EXPECT_EQ(choice["delta"], (json{{"role", "assistant"}, {"content", ""}}));
    }
    if (i > 0 && i + 3 < events.size()) content += choice["delta"]["content"];
    const bool last = i + 3 == events.size();
    EXPECT_EQ(choice["finish_reason"], last ? json("stop") : json());
    if (last) {
      EXPECT_EQ(choice["delta"], json::object());
    }
  }
  EXPECT_EQ(content, "Good day, ümläut.");
  const json& usage = events[events.size() - 2];
  EXPECT_EQ(usage["choices"], json::array());
  EXPECT_EQ(usage["usage"]["completion_tokens"], worker_.script.size());

  const auto plain = post("/v1/chat/completions", {{"messages", kHello}, {"stream", true}});
  for (const json& event : plain->events())
    if (event.is_object()) {
      EXPECT_FALSE(event.contains("usage"));
    }
}

TEST_F(ChatApi, ThinkingIsToldApart) {
  script("two and two</think>Four.");
  const json ask = {{"messages", kHello}, {"thinking", {{"type", "enabled"}}}, {"temperature", 0}};
  const auto whole = post("/v1/chat/completions", ask);
  const json body = whole->json();
  EXPECT_EQ(body["choices"][0]["message"]["reasoning_content"], "two and two");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "Four.");
  EXPECT_GT(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
  EXPECT_LT(body["usage"]["completion_tokens_details"]["reasoning_tokens"],
            body["usage"]["completion_tokens"]);
  EXPECT_EQ(whole->header("x-hadal-ignored-fields"), "temperature");
  EXPECT_EQ(worker_.last.sampler.temperature, 1);
  EXPECT_TRUE(prompt_text().ends_with("<think>"));
  EXPECT_NE(prompt_text().find("Reasoning Effort: 75"), std::string::npos);

  json stream = ask;
  stream["stream"] = true;
  stream["reasoning_effort"] = "minimal";
  std::string reasoning, content;
  bool first = true;
  for (const json& event : post("/v1/chat/completions", stream)->events()) {
    if (!event.is_object()) continue;
    const json& delta = event["choices"][0]["delta"];
    if (std::exchange(first, false)) {
      EXPECT_EQ(delta, (json{{"role", "assistant"}, {"content", ""}, {"reasoning_content", ""}}));
    }
    if (delta.contains("reasoning_content")) {
      EXPECT_EQ(content, "") << "reasoning after content";
      reasoning += delta["reasoning_content"];
    } else if (delta.contains("content")) {
      content += delta["content"];
    }
  }
  EXPECT_EQ(reasoning, "two and two");
  EXPECT_EQ(content, "Four.");
  EXPECT_NE(prompt_text().find("Reasoning Effort: 50"), std::string::npos);
}

TEST_F(ChatApi, WhoSwitchesThinking) {
  script("x");
  const auto thinks = [&](const json& fields) {
    json body = {{"messages", kHello}};
    body.update(fields);
    const auto exchange = post("/v1/chat/completions", body);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    return prompt_text().ends_with("<think>");
  };
  EXPECT_FALSE(thinks(json::object())) << "as the model is used";
  EXPECT_TRUE(thinks({{"reasoning_effort", "high"}}));
  EXPECT_TRUE(thinks({{"reasoning_effort", 33}}));
  EXPECT_NE(prompt_text().find("Reasoning Effort: 33"), std::string::npos);
  EXPECT_FALSE(thinks({{"reasoning_effort", "none"}}));
  EXPECT_FALSE(thinks({{"thinking", {{"type", "disabled"}}}, {"reasoning_effort", "high"}}));
  EXPECT_TRUE(thinks({{"model", "deepseek-reasoner"}}));
  EXPECT_FALSE(thinks({{"model", "deepseek-chat"}}));
  EXPECT_TRUE(thinks({{"chat_template_kwargs", {{"thinking", true}}}}));
}

TEST_F(ChatApi, ToolCallsWholeAndStreamed) {
  script("Let me see." + kCall + kCallsEnd);
  json ask = {{"messages", kHello}, {"tools", tools()}};
  const json body = post("/v1/chat/completions", ask)->json();
  const json& message = body["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Let me see.");
  ASSERT_EQ(message["tool_calls"].size(), 1U);
  EXPECT_TRUE(message["tool_calls"][0]["id"].get<std::string>().starts_with("call_"));
  EXPECT_EQ(message["tool_calls"][0]["type"], "function");
  EXPECT_EQ(message["tool_calls"][0]["function"]["name"], "weather");
  EXPECT_EQ(json::parse(message["tool_calls"][0]["function"]["arguments"].get<std::string>()),
            (json{{"city", "Ulm"}, {"days", 2}}));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_NE(prompt_text().find("\"name\": \"weather\""), std::string::npos);

  ask["stream"] = true;
  std::string arguments, id;
  int parts = 0;
  json finish;
  for (const json& event : post("/v1/chat/completions", ask)->events()) {
    if (!event.is_object()) continue;
    const json& delta = event["choices"][0]["delta"];
    finish = event["choices"][0]["finish_reason"];
    if (!delta.contains("tool_calls")) continue;
    const json& call = delta["tool_calls"][0];
    EXPECT_EQ(call["index"], 0);
    if (++parts == 1) {
      id = call["id"];
      EXPECT_EQ(call["function"], (json{{"name", "weather"}, {"arguments", ""}}));
    } else {
      EXPECT_FALSE(call.contains("id"));
      arguments += call["function"]["arguments"];
    }
  }
  EXPECT_GT(parts, 3);
  EXPECT_TRUE(id.starts_with("call_"));
  EXPECT_EQ(json::parse(arguments), (json{{"city", "Ulm"}, {"days", 2}}));
  EXPECT_EQ(finish, "tool_calls");
}

TEST_F(ChatApi, OneCallEndsTheAnswerIfNoMoreAreWanted) {
  script(kCall + kCall.substr(kCall.find("<｜DSML｜ invoke")) + kCallsEnd);
  json ask = {{"messages", kHello}, {"tools", tools()}};
  EXPECT_EQ(post("/v1/chat/completions", ask)->json()["choices"][0]["message"]["tool_calls"].size(),
            2U);
  ask["parallel_tool_calls"] = false;
  const json body = post("/v1/chat/completions", ask)->json();
  EXPECT_EQ(body["choices"][0]["message"]["tool_calls"].size(), 1U);
  EXPECT_TRUE(body["choices"][0]["message"]["content"].is_null());
  EXPECT_EQ(body["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(ChatApi, AMalformedCallIsText) {
  script("Well." + kCall.substr(0, kCall.size() - 12) + "and so on");
  const json body =
      post("/v1/chat/completions", {{"messages", kHello}, {"tools", tools()}})->json();
  EXPECT_FALSE(body["choices"][0]["message"].contains("tool_calls"));
  EXPECT_NE(body["choices"][0]["message"]["content"].get<std::string>().find("weather"),
            std::string::npos);
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
}

TEST_F(ChatApi, StopStringsEndTheAnswerUnseen) {
  script("one two three");
  const json body =
      post("/v1/chat/completions", {{"messages", kHello}, {"stop", {"thr", "zzz"}}})->json();
  EXPECT_EQ(body["choices"][0]["message"]["content"], "one two ");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
}

TEST_F(ChatApi, MaxTokensEndsTheAnswerAndIsHeldToTheContext) {
  script("one two three four");
  const json body =
      post("/v1/chat/completions", {{"messages", kHello}, {"max_completion_tokens", 2}})->json();
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["completion_tokens"], 2);
  post("/v1/chat/completions", {{"messages", kHello}, {"max_tokens", 100'000}})->wait();
  EXPECT_EQ(worker_.last.max_tokens, 2048 - static_cast<int64_t>(worker_.last.prompt.size()));
}

TEST_F(ChatApi, Logprobs) {
  script("Good day.");
  const json ask = {{"messages", kHello}, {"logprobs", true}, {"top_logprobs", 2}};
  const json body = post("/v1/chat/completions", ask)->json();
  const json& content = body["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), worker_.script.size() - 1);
  std::string text;
  for (const json& token : content) {
    text += token["token"];
    EXPECT_EQ(token["logprob"], -0.5);
    EXPECT_EQ(token["bytes"].size(), token["token"].get<std::string>().size());
    EXPECT_EQ(token["top_logprobs"].size(), 2U);
  }
  EXPECT_EQ(text, "Good day.");
  json stream = ask;
  stream["stream"] = true;
  size_t tokens = 0;
  for (const json& event : post("/v1/chat/completions", stream)->events())
    if (event.is_object() && event["choices"][0]["logprobs"].is_object())
      tokens += event["choices"][0]["logprobs"]["content"].size();
  EXPECT_EQ(tokens, worker_.script.size() - 1);
}

TEST_F(ChatApi, ABeginningIsContinued) {
  script(" is here.");
  json messages = kHello;
  messages.push_back({{"role", "assistant"}, {"content", "The sea"}, {"prefix", true}});
  const json body = post("/beta/chat/completions", {{"messages", messages}})->json();
  EXPECT_EQ(body["choices"][0]["message"]["content"], " is here.");
  EXPECT_TRUE(prompt_text().ends_with("</think>The sea"));
}

TEST_F(ChatApi, SamplingFieldsReachTheSampler) {
  script("x");
  post("/v1/chat/completions", {{"messages", kHello},
                                {"temperature", 0.25},
                                {"top_p", 0.5},
                                {"top_k", 7},
                                {"min_p", 0.1},
                                {"seed", 11},
                                {"presence_penalty", 0.5},
                                {"frequency_penalty", -1}})
      ->wait();
  const GenerationRequest& got = worker_.last;
  EXPECT_EQ(got.sampler.temperature, 0.25);
  EXPECT_EQ(got.sampler.top_p, 0.5);
  EXPECT_EQ(got.sampler.top_k, 7);
  EXPECT_EQ(got.sampler.min_p, 0.1);
  EXPECT_EQ(got.sampler.seed, 11U);
  EXPECT_EQ(got.penalties.presence, 0.5);
  EXPECT_EQ(got.penalties.frequency, -1);
}

TEST_F(ChatApi, WhatCannotBeDoneIsRefusedByName) {
  script("x");
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"messages", json::array()}}, "messages"},
      {{{"messages", "Hello"}}, "messages"},
      {{{"n", 9}}, "n"},
      {{{"n", 0}}, "n"},
      {{{"n", 2}, {"best_of", 3}}, "best_of"},
      {{{"temperature", 2.5}}, "temperature"},
      {{{"temperature", "hot"}}, "temperature"},
      {{{"top_p", 0}}, "top_p"},
      {{{"max_tokens", 0}}, "max_tokens"},
      {{{"max_tokens", 1e30}}, "max_tokens"},
      {{{"stream", "yes"}}, "stream"},
      {{{"stop", json::array({1})}}, "stop[0]"},
      {{{"stop", std::vector<std::string>(17, "a")}}, "stop"},
      {{{"logit_bias", {{"5", 10}}}}, "logit_bias"},
      {{{"top_logprobs", 3}}, "top_logprobs"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, "top_logprobs"},
      {{{"response_format", {{"type", "json_schema"}}}}, "response_format.json_schema.schema"},
      {{{"response_format", {{"type", "json_schema"}, {"schema", {{"not", json::object()}}}}}},
       "response_format"},
      {{{"response_format", {{"type", "json_object"}}}, {"guided_regex", "a"}}, "response_format"},
      {{{"guided_choice", {"yes", 1}}}, "guided_choice"},
      {{{"guided_regex", "(?=a)"}}, "guided_regex"},
      {{{"structured_outputs", {{"structural_tag", {{"a", 1}}}}}},
       "structured_outputs.structural_tag"},
      {{{"thinking", {{"type", 5}}}}, "thinking.type"},
      {{{"stream_options", {{"include_usage", "yes"}}}}, "stream_options.include_usage"},
      {{{"stream_options", true}}, "stream_options"},
      {{{"response_format",
         {{"type", "json_schema"}, {"json_schema", {{"name", 5}, {"schema", json::object()}}}}}},
       "response_format.json_schema.name"},
      {{{"chat_template_kwargs", {{"thinking", "yes"}}}}, "chat_template_kwargs.thinking"},
      {{{"response_format", {{"type", "poem"}}}}, "response_format.type"},
      {{{"tool_choice", "required"}}, "tool_choice"},
      {{{"tools", {{{"type", "web"}}}}}, "tools[0]"},
      {{{"tools", {{{"function", {{"strict", "yes"}, {"name", "f"}}}}}}},
       "tools[0].function.strict"},
      {{{"modalities", {"text", "audio"}}}, "modalities[1]"},
      {{{"reasoning_effort", "gigantic"}}, "reasoning_effort"},
      {{{"reasoning_effort", 101}}, "reasoning_effort"},
      {{{"repetition_penalty", 1.2}}, "repetition_penalty"},
      {{{"grammar", "root ::= x"}}, "grammar"},
      {{{"user_id", std::string(513, 'u')}}, "user_id"},
      {{{"messages", {{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}}}},
       "messages[0].content[0]"},
      {{{"messages", {{{"role", "assistant"}, {"content", "a"}}}}}, "messages"},
  };
  for (const auto& [fields, param] : cases) {
    json body = {{"messages", kHello}};
    body.update(fields);
    const auto exchange = post("/v1/chat/completions", body);
    const json answer = exchange->json();
    EXPECT_EQ(exchange->answer.status, 400) << body;
    EXPECT_EQ(answer["error"]["param"], param) << body << answer;
    EXPECT_EQ(answer["error"]["type"], "invalid_request_error");
  }
  const auto neutral = post("/v1/chat/completions", {{"messages", kHello},
                                                     {"n", 1},
                                                     {"logit_bias", json::object()},
                                                     {"repetition_penalty", 1.0},
                                                     {"response_format", {{"type", "text"}}},
                                                     {"modalities", {"text"}},
                                                     {"tool_choice", "auto"}});
  neutral->wait();
  EXPECT_EQ(neutral->answer.status, 200) << neutral->answer.body;
}

TEST_F(ChatApi, UnknownFieldsAreLetThroughAndNamed) {
  script("x");
  const auto exchange =
      post("/v1/chat/completions", {{"messages", kHello}, {"num_ctx", 4096}, {"b\nad", 1}});
  exchange->wait();
  EXPECT_EQ(exchange->answer.status, 200);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "b?ad, num_ctx");
}

// The rule of the top holds within.
TEST_F(ChatApi, UnknownFieldsWithinAreLetThroughAndNamed) {
  script("{}");
  const auto ignored = [&](const std::string& path, json body, const json& fields) {
    body.update(fields);
    const auto exchange = post(path, body);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 200) << fields << exchange->answer.body;
    return exchange->header("x-hadal-ignored-fields");
  };
  const json chat = {{"messages", kHello}};
  const auto in_chat = [&](const json& fields) {
    return ignored("/v1/chat/completions", chat, fields);
  };
  EXPECT_EQ(in_chat({{"thinking", {{"type", "disabled"}, {"budget_tokens", 9}}}}),
            "thinking.budget_tokens");
  EXPECT_EQ(in_chat({{"stream_options", {{"include_obfuscation", true}}}}),
            "stream_options.include_obfuscation");
  EXPECT_EQ(in_chat({{"response_format", {{"type", "text"}, {"a", 1}}}}), "response_format.a");
  const json schema = {{"name", "n"}, {"strict", true}, {"schema", {{"type", "object"}}}, {"b", 1}};
  EXPECT_EQ(in_chat({{"response_format", {{"type", "json_schema"}, {"json_schema", schema}}}}),
            "response_format.json_schema.b");
  EXPECT_EQ(in_chat({{"chat_template_kwargs", {{"date", "today"}}}}), "chat_template_kwargs.date");
  EXPECT_EQ(in_chat({{"structured_outputs", {{"json_object", true}, {"tag", 1}}}}),
            "structured_outputs.tag");
  EXPECT_EQ(in_chat({{"tool_choice",
                      {{"type", "function"}, {"function", {{"name", "weather"}, {"c", 1}}}}},
                     {"tools", tools()}}),
            "");
  EXPECT_EQ(
      ignored("/v1/responses", {{"input", "Hello"}},
              {{"reasoning", {{"effort", "none"}, {"summary", "auto"}}}, {"text", {{"d", 1}}}}),
      "text.d");
  EXPECT_EQ(ignored("/v1/messages", {{"max_tokens", 9}, {"messages", kHello}},
                    {{"output_config", {{"e", 1}}}}),
            "output_config.e");
}

TEST_F(ChatApi, StrictlyWhatWasThoughtBeforeACallComesBack) {
  const auto asked = [&](const json& thought, json fields) {
    json turn = {{"role", "assistant"},
                 {"content", nullptr},
                 {"tool_calls",
                  {{{"id", "c1"},
                    {"type", "function"},
                    {"function", {{"name", "weather"}, {"arguments", "{}"}}}}}}};
    turn.update(thought);
    fields["messages"] = {{{"role", "user"}, {"content", "Weather?"}},
                          turn,
                          {{"role", "tool"}, {"tool_call_id", "c1"}, {"content", "Rain"}}};
    const auto exchange = post("/v1/chat/completions", fields);
    exchange->wait();
    return exchange;
  };
  const json thinking = {{"thinking", {{"type", "enabled"}}}};
  script("x</think>y");
  EXPECT_EQ(asked(json::object(), thinking)->answer.status, 200) << "lenient unless told";
  ApiOptions options;
  options.strict_reasoning = true;
  api_ = std::make_unique<Api>(*model_, *accounts_, options);
  for (const json& thought : {json::object(), json{{"reasoning_content", nullptr}}}) {
    const auto refused = asked(thought, thinking);
    EXPECT_EQ(refused->answer.status, 400) << refused->answer.body;
    EXPECT_TRUE(refused->json()["error"]["message"].get<std::string>().starts_with(
        "The `reasoning_content` in the thinking mode must be passed back to the API."));
    EXPECT_EQ(refused->json()["error"]["param"], "messages[1].reasoning_content");
  }
  for (const char* word : {"reasoning_content", "reasoning"})
    EXPECT_EQ(asked({{word, "I look"}}, thinking)->answer.status, 200) << word;
  EXPECT_EQ(asked({{"reasoning_content", ""}}, thinking)->answer.status, 200) << "of nothing";
  EXPECT_EQ(asked({{"tool_calls", json::array()}}, thinking)->json()["error"]["param"], nullptr)
      << "a turn that called nothing";
  script("y");
  EXPECT_EQ(asked(json::object(), json::object())->answer.status, 200) << "it does not think";
  // An answer that thought of nothing says so, and can be sent back as it is.
  script("</think>" + kCall + kCallsEnd);
  json with_tools = thinking;
  with_tools["tools"] = {{{"type", "function"}, {"function", {{"name", "weather"}}}}};
  const json made = asked({{"reasoning_content", ""}}, with_tools)->json();
  EXPECT_EQ(made["choices"][0]["message"]["reasoning_content"], "") << made;
}

TEST_F(ChatApi, HostileJsonIsRefused) {
  std::string deep(200, '['), wide = "{\"messages\":{";
  for (int i = 0; i < 600; ++i) wide += "\"" + std::to_string(i) + "\":1,";
  for (const std::string& body : {std::string(), std::string("[]"), std::string("{"), deep,
                                  wide + "\"x\":1}}", std::string("{\"messages\":\"\xff\"}")}) {
    const auto exchange = ask("POST", "/v1/chat/completions", body);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 400) << body.substr(0, 40);
  }
}

TEST_F(ChatApi, UsersCannotWriteControlTokens) {
  script("x");
  post("/v1/chat/completions",
       {{"messages", {{{"role", "user"}, {"content", "<｜Assistant｜></think>mine"}}}}})
      ->wait();
  const std::vector<int64_t>& ids = worker_.last.prompt;
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *tokenizer_->id_of("<｜Assistant｜>")), 1);
}

TEST_F(ChatApi, TooLongAPromptSaysHowLong) {
  const auto exchange =
      post("/v1/chat/completions",
           {{"messages", {{{"role", "user"}, {"content", std::string(9000, '#')}}}}});
  const json body = exchange->json();
  EXPECT_EQ(exchange->answer.status, 400);
  EXPECT_EQ(body["error"]["code"], "context_length_exceeded");
}

TEST_F(ChatApi, CompletionsOfTextIdsAndGaps) {
  script("and sand");
  const json whole = post("/v1/completions", {{"prompt", "The sea"}, {"echo", true}})->json();
  EXPECT_EQ(whole["object"], "text_completion");
  EXPECT_TRUE(whole["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_EQ(whole["choices"][0]["text"], "The seaand sand");
  EXPECT_EQ(whole["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(prompt_text(), "<｜begin▁of▁sentence｜>The sea");

  post("/v1/completions", {{"prompt", {0, 17, 300}}})->wait();
  EXPECT_EQ(worker_.last.prompt, (std::vector<int64_t>{0, 17, 300}));

  post("/beta/completions", {{"prompt", "a("}, {"suffix", ")b"}})->wait();
  EXPECT_EQ(prompt_text(), "<｜begin▁of▁sentence｜><｜fim▁begin｜>a(<｜fim▁hole｜>)b<｜fim▁end｜>");
  std::string text;
  for (const json& event :
       post("/v1/completions", {{"prompt", {"The sea"}}, {"stream", true}, {"logprobs", 1}})
           ->events())
    if (event.is_object()) text += event["choices"][0]["text"];
  EXPECT_EQ(text, "and sand");
  const json log = post("/v1/completions", {{"prompt", "The sea"}, {"logprobs", 1}})
                       ->json()["choices"][0]["logprobs"];
  EXPECT_EQ(log["tokens"].size(), worker_.script.size() - 1);
  EXPECT_EQ(log["text_offset"][0], 0);
  EXPECT_EQ(log["top_logprobs"][0].size(), 1U);

  for (const json& prompt : {json({"a", 5}), json({70'000}), json({5, "a"}), json({{1}, {-1}}),
                             json({-1}), json(5), json::array()})
    EXPECT_EQ(post("/v1/completions", {{"prompt", prompt}})->json()["error"]["type"],
              "invalid_request_error")
        << prompt;
}

TEST_F(ChatApi, OffsetsOfTokensCountCharacters) {
  script("größer, 大きい");
  const json body = {{"prompt", "The sea"}, {"logprobs", 0}};
  const json whole = post("/v1/completions", body)->json()["choices"][0]["logprobs"];
  std::vector<int64_t> expected = {0};
  for (const int64_t id : worker_.script)
    expected.push_back(expected.back() + [&] {
      const std::string_view bytes = tokenizer_->token_bytes(static_cast<int32_t>(id));
      return std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xc0) != 0x80; });
    }());
  expected.resize(worker_.script.size() - 1);
  EXPECT_EQ(whole["text_offset"], json(expected));
  EXPECT_LE(expected.back(), 11);
  json streamed = json::array(), stream = body;
  stream["stream"] = true;
  for (const json& event : post("/v1/completions", stream)->events())
    if (event.is_object() && event["choices"][0]["logprobs"].is_object())
      for (const json& offset : event["choices"][0]["logprobs"]["text_offset"])
        streamed.push_back(offset);
  EXPECT_EQ(streamed, json(expected));
}

TEST_F(ChatApi, UsageSaysWhatTookHowLongAndWhatIsKept) {
  script("and sand");
  const json ask = {
      {"prompt", "The sea"}, {"stream", true}, {"stream_options", {{"include_usage", true}}}};
  const auto told = [&] {
    const std::vector<json> events = post("/v1/completions", ask)->events();
    EXPECT_EQ(events[events.size() - 3]["timings"]["predicted_n"], worker_.script.size());
    EXPECT_FALSE(events.front().contains("timings"));
    return events[events.size() - 2]["usage"]["prompt_tokens_details"]["cache_write_tokens"];
  };
  const json kept = told();
  EXPECT_EQ(kept, worker_.last.prompt.size());
  worker_.keeps = false;
  EXPECT_EQ(told(), 0);
}

}  // namespace
}  // namespace hadal
