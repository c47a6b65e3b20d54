// SPDX-License-Identifier: MIT
// The API without network and without model: a worker that says what the test wrote down, and an
// exchange that keeps what it is told.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "serve/exchange.h"
#include "serve/served_model.h"

namespace hadal {

class ScriptedGeneration : public Generation {
 public:
  void cancel() override {}
  void insist(int64_t) override {}
  void pause(bool) override {}
};

// Answers at once, inside of submit().
class ScriptedWorker : public GenerationWorker {
 public:
  Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override {
    {
      const std::lock_guard lock(mutex_);
      last = request;
      requests.push_back(request);
    }
    if (refusal != Submitted::yes) return {refusal, nullptr};
    GenerationEnd end;
    end.hit = std::min<int64_t>(hit, static_cast<int64_t>(request.prompt.size()));
    end.miss = static_cast<int64_t>(request.prompt.size()) - end.hit;
    end.kept = keeps;
    for (size_t i = 1; request.tells_prompt && i < request.prompt.size(); ++i) {
      const Sample told{request.prompt[i], -static_cast<float>(i)};
      sink->prompt_token({told, std::vector<Sample>(static_cast<size_t>(request.likeliest), told)});
    }
    sink->prefill(end.hit + end.miss, end.hit + end.miss);
    end.finish = finish;
    if (request.embeds) {
      if (finish == GenerationFinish::length) {
        end.finish = GenerationFinish::end;
        sink->embedded({0.5F, static_cast<float>(request.prompt.size()), -1});
      }
      sink->ended(end);
      return {Submitted::yes, std::make_shared<ScriptedGeneration>()};
    }
    for (const int64_t id : script) {
      if (request.max_tokens == 0) break;
      GeneratedToken token;
      token.sample = {id, -0.5F};
      token.likeliest.assign(static_cast<size_t>(request.likeliest), {id, -0.5F});
      token.ends = std::count(request.end_ids.begin(), request.end_ids.end(), id) > 0;
      ++end.output;
      const Flow flow = sink->token(token);
      if (token.ends || flow == Flow::stop || end.output == request.max_tokens) {
        end.finish = token.ends           ? GenerationFinish::end
                     : flow == Flow::stop ? GenerationFinish::stop
                                          : GenerationFinish::length;
        break;
      }
    }
    sink->ended(end);
    return {Submitted::yes, std::make_shared<ScriptedGeneration>()};
  }
  WorkerGauges gauges() const override { return {.slots = 1, .cache_capacity = 2048}; }
  int64_t context() const override { return 2048; }
  int64_t vocab() const override { return 6208; }
  int64_t width() const override { return 3; }

  std::vector<int64_t> script;
  GenerationFinish finish = GenerationFinish::length;
  int64_t hit = 0;
  bool keeps = true;  // what it reads
  Submitted refusal = Submitted::yes;
  GenerationRequest last;
  std::vector<GenerationRequest> requests;  // all of them

 private:
  std::mutex mutex_;  // of what was asked for: several requests may come at once
};

class RecordedExchange : public Exchange {
 public:
  explicit RecordedExchange(HttpRequest request) : request_(std::move(request)) {}

  const HttpRequest& request() const override { return request_; }
  void reply(HttpReply reply) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(over_) << "a second answer";
    answer = std::move(reply);
    over_ = true;
    changed_.notify_all();
  }
  void expect_long_wait(std::vector<HttpHeader>) override {}
  void begin_stream(std::vector<HttpHeader> headers) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(over_ || streaming);
    streaming = true;
    answer.headers = std::move(headers);
  }
  void write(std::string bytes) override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(streaming && !over_) << bytes;
    answer.body += bytes;
  }
  void end() override {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  void comment(std::string) override {}
  void watch(std::function<void()>, std::function<void(bool)>) override {}
  void note(std::string) override {}

  void wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(30), [this] { return over_; }));
  }
  nlohmann::json json() {
    wait();
    return nlohmann::json::parse(answer.body, nullptr, false);
  }
  // The data of a stream's events, "[DONE]" as a string; names of events under "event".
  std::vector<nlohmann::json> events() {
    wait();
    std::vector<nlohmann::json> events;
    std::string name;
    for (size_t at = 0; at < answer.body.size();) {
      const size_t end = answer.body.find('\n', at);
      const std::string line = answer.body.substr(at, end - at);
      at = end == std::string::npos ? answer.body.size() : end + 1;
      if (line.starts_with("event: ")) name = line.substr(7);
      if (!line.starts_with("data: ")) continue;
      if (line == "data: [DONE]") {
        events.emplace_back("[DONE]");
        continue;
      }
      nlohmann::json event = nlohmann::json::parse(line.substr(6), nullptr, false);
      EXPECT_FALSE(event.is_discarded()) << line;
      if (!name.empty()) {
        EXPECT_EQ(event["type"], name);
      }
      name.clear();
      events.push_back(std::move(event));
    }
    return events;
  }
  std::string header(const std::string& name) const {
    for (const auto& [key, value] : answer.headers)
      if (key == name) return value;
    return "";
  }

  HttpReply answer;
  bool streaming = false;

 private:
  HttpRequest request_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
};

}  // namespace hadal
