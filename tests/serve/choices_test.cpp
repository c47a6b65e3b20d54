// SPDX-License-Identifier: MIT
// Requests for several answers, to one prompt or to several.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <thread>

#include "api_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

class Choices : public ApiTest {
 protected:
  static std::vector<std::string> texts(const json& body) {
    std::vector<std::string> texts;
    for (const json& choice : body["choices"]) {
      EXPECT_EQ(choice["index"], texts.size());
      texts.push_back(choice.contains("text") ? choice["text"] : choice["message"]["content"]);
    }
    return texts;
  }
};

TEST_F(Choices, AnAnswerHasSeveral) {
  script("Good day.");
  const json body =
      post("/v1/chat/completions", {{"messages", kHello}, {"n", 3}, {"seed", 7}})->json();
  EXPECT_EQ(texts(body), (std::vector<std::string>(3, "Good day.")));
  for (const json& choice : body["choices"]) EXPECT_EQ(choice["finish_reason"], "stop");
  ASSERT_EQ(worker_.requests.size(), 3U);
  std::set<uint64_t> seeds;
  for (const GenerationRequest& request : worker_.requests) {
    EXPECT_EQ(request.prompt, worker_.last.prompt);
    seeds.insert(request.sampler.seed);
  }
  EXPECT_EQ(seeds, (std::set<uint64_t>{7, 8, 9}));
  // The prompt was read once and is told once.
  EXPECT_EQ(body["usage"]["prompt_tokens"], worker_.last.prompt.size());
  EXPECT_EQ(body["usage"]["completion_tokens"], 3 * worker_.script.size());
}

TEST_F(Choices, EveryAnswerHasItsOwnForm) {
  script("x");
  post("/v1/chat/completions", {{"messages", kHello}, {"n", 2}, {"guided_regex", "x+"}})->wait();
  ASSERT_EQ(worker_.requests.size(), 2U);
  EXPECT_TRUE(worker_.requests[0].constraint);
  EXPECT_NE(worker_.requests[0].constraint, worker_.requests[1].constraint);
}

TEST_F(Choices, AStreamTellsWhoseEachPartIs) {
  script("Good day." + kCall + kCallsEnd);
  const auto events = post("/v1/chat/completions", {{"messages", kHello},
                                                    {"n", 2},
                                                    {"stream", true},
                                                    {"logprobs", true},
                                                    {"stream_options", {{"include_usage", true}}}})
                          ->events();
  std::map<int, std::string> content, arguments;
  std::map<int, size_t> logprobs;
  std::map<int, json> finish, roles;
  for (const json& event : events) {
    if (!event.is_object() || event["choices"].empty()) continue;
    ASSERT_EQ(event["choices"].size(), 1U);
    const json& choice = event["choices"][0];
    const int index = choice["index"];
    const json& delta = choice["delta"];
    EXPECT_FALSE(finish.contains(index)) << "a part behind the end: " << event;
    if (delta.contains("role")) roles[index] = delta["role"];
    if (delta.contains("content")) content[index] += delta["content"];
    if (delta.contains("tool_calls")) {
      EXPECT_EQ(delta["tool_calls"][0]["index"], 0);
      arguments[index] += delta["tool_calls"][0]["function"]["arguments"];
    }
    if (choice["logprobs"].is_object()) logprobs[index] += choice["logprobs"]["content"].size();
    if (!choice["finish_reason"].is_null()) finish[index] = choice["finish_reason"];
  }
  for (int index = 0; index < 2; ++index) {
    EXPECT_EQ(roles[index], "assistant");
    EXPECT_EQ(content[index], "Good day.");
    EXPECT_EQ(json::parse(arguments[index]), (json{{"city", "Ulm"}, {"days", 2}}));
    EXPECT_EQ(finish[index], "tool_calls");
    EXPECT_EQ(logprobs[index], logprobs[0]);
    EXPECT_GT(logprobs[index], 3U);
  }
  ASSERT_GE(events.size(), 2U);
  EXPECT_EQ(events[events.size() - 2]["usage"]["completion_tokens"], 2 * worker_.script.size());
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST_F(Choices, PromptsAreAnsweredInTheirOrder) {
  script("!");
  const json ask = {{"prompt", {"The sea", "A ship"}}, {"n", 2}, {"seed", 3}, {"echo", true}};
  const json body = post("/v1/completions", ask)->json();
  EXPECT_EQ(texts(body), (std::vector<std::string>{"The sea!", "The sea!", "A ship!", "A ship!"}));
  ASSERT_EQ(worker_.requests.size(), 4U);
  std::map<std::vector<int64_t>, std::set<uint64_t>> seeds;
  size_t prompts = 0;
  for (const GenerationRequest& request : worker_.requests) {
    if (seeds[request.prompt].empty()) prompts += request.prompt.size();
    seeds[request.prompt].insert(request.sampler.seed);
  }
  EXPECT_EQ(seeds.size(), 2U);
  for (const auto& [prompt, of_prompt] : seeds) EXPECT_EQ(of_prompt, (std::set<uint64_t>{3, 4}));
  EXPECT_EQ(body["usage"]["prompt_tokens"], prompts);
  EXPECT_EQ(body["usage"]["completion_tokens"], 4 * worker_.script.size());

  json stream = ask;
  stream["stream"] = true;
  std::map<int, std::string> text;
  std::map<int, json> finish;
  for (const json& event : post("/v1/completions", stream)->events()) {
    if (!event.is_object()) continue;
    const json& choice = event["choices"][0];
    text[choice["index"]] += choice["text"];
    if (!choice["finish_reason"].is_null()) finish[choice["index"]] = choice["finish_reason"];
  }
  EXPECT_EQ(text[1], "The sea!");
  EXPECT_EQ(text[2], "A ship!");
  EXPECT_EQ(finish.size(), 4U);

  const json ids = post("/v1/completions", {{"prompt", {{17, 300}, {18}}}})->json();
  EXPECT_EQ(texts(ids).size(), 2U);
  EXPECT_EQ(worker_.last.prompt, (std::vector<int64_t>{18}));
}

TEST_F(Choices, APromptIsTold) {
  script("!");
  const json ask = {{"prompt", "The sea is deep"}, {"echo", true}, {"logprobs", 1}, {"n", 2}};
  const json body = post("/v1/completions", ask)->json();
  EXPECT_EQ(texts(body), (std::vector<std::string>(2, "The sea is deep!")));
  for (const json& choice : body["choices"]) {
    const json& log = choice["logprobs"];
    std::string text;
    ASSERT_EQ(log["tokens"].size(), tokenizer_->encode("The sea is deep").size() + 1);
    for (size_t i = 0; i < log["tokens"].size(); ++i) {
      EXPECT_EQ(log["text_offset"][i], text.size());
      text += log["tokens"][i];
      const bool answered = i + 1 == log["tokens"].size();
      EXPECT_EQ(log["top_logprobs"][i].is_null(), i == 0);
      // Behind the token that begins every text, which is none of the prompt's.
      EXPECT_EQ(log["token_logprobs"][i], i == 0     ? json()
                                          : answered ? json(-0.5)
                                                     : json(-static_cast<double>(i + 1)));
    }
    EXPECT_EQ(text, "The sea is deep!");
  }
  EXPECT_TRUE(worker_.requests[0].tells_prompt != worker_.requests[1].tells_prompt)
      << "it is read once";

  json stream = ask;
  stream["stream"] = true;
  std::map<int, json> tokens;
  std::map<int, std::string> streamed;
  for (const json& event : post("/v1/completions", stream)->events()) {
    if (!event.is_object()) continue;
    const json& choice = event["choices"][0];
    streamed[choice["index"]] += choice["text"];
    if (choice["logprobs"].is_object())
      for (const json& token : choice["logprobs"]["tokens"])
        tokens[choice["index"]].push_back(token);
  }
  EXPECT_EQ(streamed[1], "The sea is deep!");
  EXPECT_EQ(tokens[1], body["choices"][1]["logprobs"]["tokens"]);

  // As evaluations ask: nothing but the prompt.
  const json only =
      post("/v1/completions",
           {{"prompt", {17, 300, 18}}, {"echo", true}, {"logprobs", 0}, {"max_tokens", 0}})
          ->json();
  EXPECT_EQ(only["choices"][0]["logprobs"]["token_logprobs"], (json{nullptr, -1, -2}));
  EXPECT_EQ(only["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(only["usage"]["completion_tokens"], 0);
  for (const json& wrong :
       {json{{"prompt", "a"}, {"max_tokens", 0}},
        json{{"prompt", "a"}, {"suffix", "b"}, {"echo", true}, {"logprobs", 1}}})
    EXPECT_EQ(post("/v1/completions", wrong)->json()["error"]["type"], "invalid_request_error");
}

TEST_F(Choices, ManyPromptsAreRefusedByName) {
  script("!");
  const std::vector<std::string> many(129, "a"), half(65, "a");
  for (const json& ask : {json{{"prompt", many}}, json{{"prompt", half}, {"n", 2}}}) {
    const auto exchange = post("/v1/completions", ask);
    EXPECT_EQ(exchange->json()["error"]["param"], "prompt");
    EXPECT_EQ(exchange->answer.status, 400);
  }
  const auto wrong = post("/v1/completions", {{"prompt", {{1, 2}, {3, 70'000}}}});
  EXPECT_EQ(wrong->json()["error"]["param"], "prompt[1][1]");
  const std::vector<std::string> most(128, "a");
  EXPECT_EQ(texts(post("/v1/completions", {{"prompt", most}})->json()).size(), 128U);
}

TEST_F(Choices, AreChargedTogether) {
  Result<NewKey> key = accounts_->add_key({.name = "ann"});
  ASSERT_TRUE(key);
  ASSERT_TRUE(accounts_->set_price({.price_class = PriceClass::output, .amount = kMoneyUnit}));
  script("Good day.");
  const json ask = {{"messages", kHello}};
  const json one = post("/v1/chat/completions", ask, key->text)->json()["usage"]["cost"];
  json more = ask;
  more["n"] = 2;
  const json two = post("/v1/chat/completions", more, key->text)->json()["usage"]["cost"];
  EXPECT_GT(std::stod(one["amount"].get<std::string>()), 0);
  EXPECT_DOUBLE_EQ(std::stod(two["amount"].get<std::string>()),
                   2 * std::stod(one["amount"].get<std::string>()));
  EXPECT_EQ(*accounts_->entries(key->record.number), 2);
}

// A worker that does what the test says, step by step.
class SteppedWorker : public ScriptedWorker {
 public:
  struct Job : Generation {
    void cancel() override { cancelled = true; }
    void insist(int64_t id) override { insisted = id; }
    void pause(bool now) override { paused = now; }
    GenerationRequest request;
    std::shared_ptr<GenerationSink> sink;
    bool cancelled = false, paused = false;
    int64_t insisted = -1;
  };

  Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override {
    if (refusal != Submitted::yes) return {refusal, nullptr};
    auto job = std::make_shared<Job>();
    job->request = std::move(request);
    job->sink = std::move(sink);
    jobs.push_back(job);
    return {Submitted::yes, job};
  }
  void read(size_t job) { jobs[job]->sink->prefill(5, 5); }
  Flow token(size_t job, int64_t id) {
    return jobs[job]->sink->token({.sample = {id, -0.5F}, .likeliest = {}});
  }
  void end(size_t job, GenerationFinish why = GenerationFinish::end, int64_t hit = 0) {
    GenerationEnd end;
    end.finish = why;
    end.hit = hit;
    end.miss = 5 - hit;
    end.output = 1;
    const std::shared_ptr<GenerationSink> sink = std::move(jobs[job]->sink);
    sink->ended(end);
  }

  std::vector<std::shared_ptr<Job>> jobs;
};

class SteppedExchange : public RecordedExchange {
 public:
  using RecordedExchange::RecordedExchange;
  void watch(std::function<void()> gone, std::function<void(bool)> behind) override {
    gone_ = std::move(gone);
    behind_ = std::move(behind);
  }
  void leave() { gone_(); }
  void fall_behind(bool behind) { behind_(behind); }

 private:
  std::function<void()> gone_;
  std::function<void(bool)> behind_;
};

class SteppedChoices : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    stepped_model_.emplace(ServedModel{.id = "nano",
                                       .end_ids = {*tokenizer_->eos()},
                                       .tokenizer = *tokenizer_,
                                       .worker = steps_,
                                       .thinks = false,
                                       .fingerprint = "fp_steps",
                                       .forms = forms_});
    api_ = std::make_unique<Api>(*stepped_model_, *accounts_, ApiOptions{});
    word_ = tokenizer_->encode("word").front();
  }
  std::shared_ptr<SteppedExchange> begin(const std::string& path, const json& body) {
    HttpRequest request;
    request.method = "POST";
    request.path = path;
    request.headers["host"] = "localhost:1";
    request.body = body.dump();
    request.id = "req_1";
    auto exchange = std::make_shared<SteppedExchange>(request);
    api_->handle(exchange);
    return exchange;
  }
  std::shared_ptr<SteppedExchange> chat(int n, bool stream = false) {
    return begin("/v1/chat/completions", {{"messages", kHello}, {"n", n}, {"stream", stream}});
  }

  // An answer is forgotten a moment after it was told.
  void expect_idle() const {
    for (int tries = 0; tries < 1000 && api_->answering() > 0; ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(api_->answering(), 0);
  }

  SteppedWorker steps_;
  std::optional<ServedModel> stepped_model_;
  int64_t word_ = 0;
};

TEST_F(SteppedChoices, OthersBeginWhenTheFirstHasReadThePrompt) {
  const auto exchange = chat(3);
  ASSERT_EQ(steps_.jobs.size(), 1U);
  steps_.jobs[0]->sink->prefill(2, 5);
  EXPECT_EQ(steps_.jobs.size(), 1U);
  steps_.read(0);
  ASSERT_EQ(steps_.jobs.size(), 3U);
  for (size_t job = 0; job < 3; ++job) steps_.token(job, word_);
  steps_.end(1, GenerationFinish::length, 5);
  steps_.end(0);
  EXPECT_EQ(api_->answering(), 1);
  steps_.end(2, GenerationFinish::end, 4);
  const json body = exchange->json();
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["choices"][1]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["prompt_cache_miss_tokens"], 5) << "of the first";
  EXPECT_EQ(body["usage"]["prompt_cache_hit_tokens"], 0);
  EXPECT_EQ(body["usage"]["completion_tokens"], 3);
}

TEST_F(SteppedChoices, AnEndIsToldWhenItComes) {
  const auto exchange = chat(2, true);
  steps_.read(0);
  steps_.end(1);
  EXPECT_NE(
      exchange->answer.body.find(R"("index":1,"delta":{},"logprobs":null,"finish_reason":"stop")"),
      std::string::npos)
      << exchange->answer.body;
  steps_.token(0, word_);
  steps_.end(0);
  const auto events = exchange->events();
  EXPECT_EQ(events[events.size() - 2]["choices"][0]["index"], 0);
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST_F(SteppedChoices, WhoFindsTheQueueFullComesWhenAnotherEnds) {
  const auto exchange = chat(2);
  steps_.refusal = Submitted::owner_full;
  steps_.read(0);
  EXPECT_EQ(steps_.jobs.size(), 1U);
  steps_.refusal = Submitted::yes;
  steps_.end(0);
  ASSERT_EQ(steps_.jobs.size(), 2U);
  steps_.end(1);
  EXPECT_EQ(exchange->json()["choices"].size(), 2U);

  const auto unlucky = chat(2);
  steps_.refusal = Submitted::full;
  steps_.read(2);
  steps_.end(2);
  EXPECT_EQ(unlucky->json()["error"]["type"], "server_error");
  EXPECT_EQ(unlucky->answer.status, 503);
  expect_idle();

  const auto refused = chat(2);
  refused->wait();
  EXPECT_EQ(refused->answer.status, 503);
}

TEST_F(SteppedChoices, OneRequestDoesNotTakeTheWholeQueue) {
  const std::vector<std::string> prompts(20, "a");
  const auto exchange = begin("/v1/completions", {{"prompt", prompts}});
  EXPECT_EQ(steps_.jobs.size(), 8U);
  for (size_t job = 0; job < 20; ++job) {
    ASSERT_LT(job, steps_.jobs.size());
    EXPECT_LE(steps_.jobs.size(), job + 8);
    steps_.read(job);
    steps_.end(job);
  }
  EXPECT_EQ(exchange->json()["choices"].size(), 20U);
}

TEST_F(SteppedChoices, AreCancelledWithTheirClientAndWaitForASlowOne) {
  const auto exchange = chat(2, true);
  exchange->fall_behind(true);
  EXPECT_TRUE(steps_.jobs[0]->paused);
  steps_.read(0);
  ASSERT_EQ(steps_.jobs.size(), 2U);
  EXPECT_TRUE(steps_.jobs[1]->paused);
  exchange->fall_behind(false);
  EXPECT_FALSE(steps_.jobs[0]->paused || steps_.jobs[1]->paused);
  exchange->leave();
  EXPECT_TRUE(steps_.jobs[0]->cancelled && steps_.jobs[1]->cancelled);
  steps_.end(0, GenerationFinish::cancelled);
  steps_.end(1, GenerationFinish::cancelled);
  exchange->wait();
  expect_idle();

  const auto early = chat(4);
  early->leave();
  steps_.read(2);
  EXPECT_EQ(steps_.jobs.size(), 3U) << "nobody waits for the others";
  steps_.end(2, GenerationFinish::cancelled);
  early->wait();
  expect_idle();
}

TEST_F(SteppedChoices, WhatTheClientEndsIsWholeAsItStands) {
  const auto exchange = chat(2, true);
  const std::string id =
      json::parse(exchange->answer.body.substr(6, exchange->answer.body.find('\n') - 6))["id"];
  steps_.token(0, word_);
  const auto control = begin("/v1/chat/completions/control", {{"id", id}, {"action", "cancel"}});
  EXPECT_EQ(control->json()["success"], true);
  EXPECT_TRUE(steps_.jobs[0]->cancelled);
  steps_.end(0, GenerationFinish::cancelled);
  std::map<int, json> finish;
  const auto events = exchange->events();
  for (const json& event : events)
    if (event.is_object() && !event["choices"][0]["finish_reason"].is_null())
      finish[event["choices"][0]["index"]] = event["choices"][0]["finish_reason"];
  EXPECT_EQ(finish.size(), 2U);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(steps_.jobs.size(), 1U);
}

TEST_F(SteppedChoices, OneThatIsLateIsTheErrorOfAll) {
  const auto exchange = chat(2);
  steps_.read(0);
  steps_.end(0);
  steps_.end(1, GenerationFinish::deadline);
  exchange->wait();
  EXPECT_EQ(exchange->answer.status, 504);
}

}  // namespace
}  // namespace hadal
