// SPDX-License-Identifier: MIT
// /infill: gaps that editors want filled, in the words of llama.cpp's server.
#include <gtest/gtest.h>

#include "api_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

class Infill : public ApiTest {
 protected:
  std::shared_ptr<RecordedExchange> fill(const json& fields = json::object()) {
    json body = {{"input_prefix", "p"}, {"input_suffix", "s"}};
    body.update(fields);
    const auto exchange = post("/infill", body);
    exchange->wait();
    return exchange;
  }
};

TEST_F(Infill, AnswersAsLlamasServer) {
  script("and sand");
  worker_.hit = 3;
  const json whole = fill()->json();
  EXPECT_EQ(whole["content"], "and sand");
  EXPECT_EQ(whole["stop"], true);
  EXPECT_EQ(whole["stop_type"], "eos");
  EXPECT_EQ(whole["stopping_word"], "");
  EXPECT_EQ(whole["model"], "nano");
  EXPECT_EQ(whole["tokens_predicted"], worker_.script.size());
  EXPECT_EQ(whole["tokens_evaluated"], worker_.last.prompt.size());
  EXPECT_EQ(whole["tokens_cached"], 3);
  EXPECT_EQ(whole["truncated"], false);
  EXPECT_EQ(whole["timings"]["predicted_n"], worker_.script.size());
  EXPECT_FALSE(whole.contains("choices"));
  const json word = fill({{"stop", {"sand"}}})->json();
  EXPECT_EQ(word["content"], "and ");
  EXPECT_EQ(word["stop_type"], "word");
  EXPECT_EQ(word["stopping_word"], "sand");
  worker_.script.clear();
  worker_.finish = GenerationFinish::context;
  EXPECT_EQ(fill()->json()["truncated"], true);
}

TEST_F(Infill, Streams) {
  script("and sand");
  const std::vector<json> events = fill({{"stream", true}})->events();
  ASSERT_GT(events.size(), 2U);
  std::string text;
  for (const json& event : events) {
    ASSERT_TRUE(event.is_object()) << "no [DONE]";
    EXPECT_EQ(event["stop"], &event == &events.back());
    text += event["content"];
  }
  EXPECT_EQ(text, "and sand");
  EXPECT_EQ(events.back()["content"], "");
  EXPECT_EQ(events.back()["tokens_predicted"], worker_.script.size());
  EXPECT_TRUE(events.back().contains("timings"));
}

TEST_F(Infill, OfNoTokensReadsThePromptForTheNextRequest) {
  script("and sand");
  const json none = fill({{"n_predict", 0}})->json();
  EXPECT_EQ(worker_.last.max_tokens, 0);
  EXPECT_EQ(none["content"], "");
  EXPECT_EQ(none["tokens_predicted"], 0);
  EXPECT_EQ(none["tokens_evaluated"], worker_.last.prompt.size());
  fill();
  const int64_t usual = worker_.last.max_tokens;
  fill({{"n_predict", -1}});
  EXPECT_EQ(worker_.last.max_tokens, usual);
  EXPECT_EQ(fill({{"n_predict", 1}})->json()["stop_type"], "limit");
  EXPECT_EQ(worker_.last.max_tokens, 1);
}

TEST_F(Infill, OtherFilesStandBeforeTheGapUnderTheirNames) {
  script("x");
  const auto exchange =
      fill({{"prompt", "q"},
            {"input_extra",
             {{{"filename", "sea.py"}, {"text", "extra"}, {"score", 1}}, {{"text", "more"}}}}});
  EXPECT_EQ(
      prompt_text(),
      "<｜begin▁of▁sentence｜><｜fim▁begin｜>#sea.py\nextra\nmore\npq<｜fim▁hole｜>s<｜fim▁end｜>");
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "input_extra[0].score");
}

TEST_F(Infill, TellsTheFieldsThatAreWanted) {
  script("and sand");
  const json wanted = {"content", "timings/prompt_n", "timings/none", "tokens_cached/deeper"};
  const json told = fill({{"response_fields", wanted}})->json();
  EXPECT_EQ(told,
            (json{{"content", "and sand"}, {"timings/prompt_n", worker_.last.prompt.size()}}));
  EXPECT_EQ(fill({{"response_fields", {""}}})->json(), json::object());
}

TEST_F(Infill, WhatCannotBeDoneIsRefusedOrNamed) {
  script("x");
  for (const auto& [fields, param] : std::vector<std::pair<json, std::string>>{
           {{{"n", 2}}, "n"},
           {{{"n_predict", -2}}, "n_predict"},
           {{{"input_suffix", nullptr}}, "input_suffix"},
           {{{"response_fields", {1}}}, "response_fields[0]"},
           {{{"response_fields", std::vector<std::string>(65, "stop")}}, "response_fields"},
           {{{"input_extra", {{{"text", "a"}, {"filename", 5}}}}}, "input_extra[0].filename"}})
    EXPECT_EQ(fill(fields)->json()["error"]["param"], param) << fields;
  EXPECT_EQ(
      fill({{"samplers", {"infill"}}, {"cache_prompt", true}})->header("x-hadal-ignored-fields"),
      "samplers");
  EXPECT_EQ(fill({{"cache_prompt", false}, {"stream_options", {{"include_usage", true}}}})
                ->header("x-hadal-ignored-fields"),
            "stream_options.include_usage, cache_prompt");
}

}  // namespace
}  // namespace hadal
