// SPDX-License-Identifier: MIT
// Who may ask, what it costs, and what the server says of itself.
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <thread>
#include <tuple>

#include "api_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

class Access : public ApiTest {
 protected:
  NewKey add_key(const KeyRequest& request) {
    Result<NewKey> key = accounts_->add_key(request);
    EXPECT_TRUE(key);
    return key.take();
  }
  std::shared_ptr<RecordedExchange> chat(const std::string& key) {
    const auto exchange = post("/v1/chat/completions", {{"messages", kHello}}, key);
    exchange->wait();
    return exchange;
  }
  static HttpRequest get(const std::string& path) {
    HttpRequest head;
    head.method = "GET";
    head.path = path;
    return head;
  }
  int status(const HttpRequest& head) {
    const std::optional<HttpReply> refusal = api_->refuse(head);
    return refusal ? refusal->status : 200;
  }
};

TEST_F(Access, OnceThereIsAKeyItIsNeeded) {
  script("x");
  EXPECT_EQ(chat("")->answer.status, 200);
  EXPECT_EQ(chat("whatever")->answer.status, 200) << "clients always send one";
  const NewKey key = add_key({.name = "ann"});
  EXPECT_EQ(chat("")->answer.status, 401);
  EXPECT_EQ(chat("wrong")->answer.status, 401);
  EXPECT_EQ(chat(key.text)->answer.status, 200);
  HttpRequest head = get("/v1/models");
  head.headers["x-api-key"] = key.text;
  EXPECT_EQ(status(head), 200);
  head.headers["authorization"] = "Bearer wrong";
  EXPECT_EQ(status(head), 401) << "Bearer wins";
  EXPECT_EQ(status(get("/metrics")), 401);
  EXPECT_EQ(status(get("/health")), 200);
  EXPECT_EQ(status(get("/live")), 200);
  ASSERT_TRUE(accounts_->revoke(key.record.id, 1));
  EXPECT_EQ(chat(key.text)->answer.status, 401);
  EXPECT_EQ(chat("")->answer.status, 401) << "a revoked key does not open the door for all";
}

TEST_F(Access, ErrorsOfBothFamiliesAtTheDoor) {
  add_key({.name = "ann"});
  EXPECT_EQ(ask("POST", "/v1/messages", "{}")->json()["error"]["type"], "authentication_error");
  EXPECT_EQ(ask("POST", "/v1/messages", "{}")->json()["type"], "error");
  EXPECT_EQ(ask("POST", "/v1/completions", "{}")->json()["error"]["code"], "invalid_api_key");
}

TEST_F(Access, UnknownPathsAndMethods) {
  for (const char* path : {"/index.html", "/v1", "/v2/models", "/v1/images/inpaint", "/v1/files",
                           "/v1/chat/completions/", "/anthropic/models", "/models/"}) {
    const auto exchange = ask("GET", path, "");
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 404) << path;
  }
  const auto wrong = ask("GET", "/v1/chat/completions", "");
  wrong->wait();
  EXPECT_EQ(wrong->answer.status, 405);
  EXPECT_EQ(wrong->header("Allow"), "POST");
}

TEST_F(Access, WithoutKeysOnlyThisMachineIsAnswered) {
  const auto from = [&](const std::string& host, const std::string& origin) {
    HttpRequest head = get("/v1/models");
    if (!host.empty()) head.headers["host"] = host;
    if (!origin.empty()) head.headers["origin"] = origin;
    return status(head);
  };
  for (const char* host : {"", "localhost", "localhost:8080", "127.0.0.1:1", "[::1]:80"})
    EXPECT_EQ(from(host, ""), 200) << host;
  for (const char* host :
       {"evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example"})
    EXPECT_EQ(from(host, ""), 403) << host;
  EXPECT_EQ(from("localhost", "http://localhost:3000"), 200);
  EXPECT_EQ(from("localhost", "https://evil.example"), 403);
  EXPECT_EQ(from("localhost", "null"), 403);
}

TEST_F(Access, PrepaidKeysPayUntilNothingIsLeft) {
  script("one two");
  const NewKey key = add_key({.name = "ann", .prepaid = true});
  ASSERT_TRUE(accounts_->set_price({PriceClass::output, "USD", 1'000'000 * kMoneyUnit, 0, {}}));
  const auto poor = chat(key.text);
  EXPECT_EQ(poor->answer.status, 402);
  EXPECT_EQ(poor->json()["error"]["type"], "insufficient_quota");
  ASSERT_TRUE(accounts_->pay("p", key.record.id, 2 * kMoneyUnit, Payment::top_up, 1));
  ASSERT_TRUE(accounts_->pay("g", key.record.id, kMoneyUnit, Payment::grant, 1));
  const auto rich = chat(key.text);
  ASSERT_EQ(rich->answer.status, 200);
  const int64_t tokens = static_cast<int64_t>(worker_.script.size());
  EXPECT_EQ(rich->json()["usage"]["cost"],
            (json{{"currency", "USD"}, {"amount", money_text(tokens * kMoneyUnit)}}));
  EXPECT_EQ(*accounts_->entries(key.record.number), 3);
  const json balance = ask("GET", "/user/balance", "", key.text)->json();
  EXPECT_EQ(balance["is_available"], tokens < 3);
  EXPECT_EQ(balance["balance_infos"][0]["total_balance"], money_text((3 - tokens) * kMoneyUnit));
  if (tokens >= 3) {
    EXPECT_EQ(chat(key.text)->answer.status, 402);
  }
}

TEST_F(Access, LimitsOfAKeyAreToldWithATime) {
  script("x");
  const NewKey key = add_key({.name = "ann", .limits = {.requests_per_minute = 2}});
  EXPECT_EQ(chat(key.text)->answer.status, 200);
  EXPECT_EQ(chat(key.text)->answer.status, 200);
  const auto refused = chat(key.text);
  EXPECT_EQ(refused->answer.status, 429);
  EXPECT_GT(std::stoi(refused->header("Retry-After")), 20);
  EXPECT_EQ(refused->json()["error"]["type"], "rate_limit_error");
}

TEST_F(Access, AFullQueueGivesTheLimitBack) {
  script("x");
  const NewKey key = add_key({.name = "ann", .limits = {.concurrent = 1}});
  worker_.refusal = Submitted::full;
  EXPECT_EQ(chat(key.text)->answer.status, 503);
  worker_.refusal = Submitted::owner_full;
  EXPECT_EQ(chat(key.text)->answer.status, 429);
  worker_.refusal = Submitted::yes;
  EXPECT_EQ(chat(key.text)->answer.status, 200);
  // A reply forgets itself on the worker's thread, after its last byte was handed over; one that
  // never does meets ctest's time limit.
  while (api_->answering() > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST_F(Access, KeysAndUsersShareNoCache) {
  script("x");
  const NewKey ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  const auto partition = [&](const std::string& key, const json& fields) {
    json body = {{"messages", kHello}};
    body.update(fields);
    post("/v1/chat/completions", body, key)->wait();
    return worker_.last.partition;
  };
  const std::string of_ann = partition(ann.text, json::object());
  EXPECT_EQ(of_ann, partition(ann.text, json::object()));
  EXPECT_NE(of_ann, partition(bob.text, json::object()));
  EXPECT_NE(of_ann, partition(ann.text, {{"user_id", "u"}}));
  const std::string salted = partition(ann.text, {{"cache_salt", "s"}});
  EXPECT_NE(of_ann, salted);
  EXPECT_EQ(salted, partition(ann.text, {{"cache_salt", "s"}}));
  EXPECT_NE(salted, partition(ann.text, {{"user_id", "s"}}));
}

TEST_F(Access, ADeadlineAndAnEndingServerSayWhatTheyAre) {
  worker_.finish = GenerationFinish::deadline;
  EXPECT_EQ(chat("")->answer.status, 504);
  worker_.finish = GenerationFinish::cancelled;
  EXPECT_EQ(chat("")->answer.status, 503);
  const auto stream = post("/v1/chat/completions", {{"messages", kHello}, {"stream", true}});
  const std::vector<json> events = stream->events();
  EXPECT_EQ(events.back()["error"]["type"], "server_error");
  for (const json& event : events) EXPECT_NE(event, "[DONE]");
}

TEST_F(Access, DrainingRefusesWorkAndSaysSoInHealth) {
  EXPECT_EQ(ask("GET", "/health", "")->json(), (json{{"status", "ok"}}));
  api_->drain();
  const auto refused = chat("");
  EXPECT_EQ(refused->answer.status, 503);
  EXPECT_NE(refused->header("Retry-After"), "");
  const auto health = ask("GET", "/v1/health", "");
  EXPECT_EQ(health->json()["error"]["code"], 503);
  EXPECT_EQ(health->answer.status, 503);
  EXPECT_EQ(health->header("Retry-After"), "10");
  EXPECT_EQ(ask("GET", "/live", "")->json(), (json{{"status", "ok"}}));
  EXPECT_NE(ask("GET", "/metrics", "")->answer.body.find("hadal:draining{model_name=\"nano\"} 1\n"),
            std::string::npos);
  const std::string key = add_key({.name = "ann"}).text;
  EXPECT_EQ(ask("GET", "/metrics", "")->answer.status, 401) << "still not for everybody";
  EXPECT_EQ(ask("GET", "/metrics", "", key)->answer.status, 200);
}

// Reads the text format by its grammar: comments that announce a type, then its samples.
TEST_F(Access, MetricsAreWhatPrometheusReads) {
  script("one two");
  chat("");
  chat("");
  const auto page = ask("GET", "/metrics", "");
  page->wait();
  EXPECT_EQ(page->answer.type, kMetricsType);
  std::map<std::string, double> samples;
  std::map<std::string, std::string> types;
  std::istringstream lines(page->answer.body);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, kind, name, rest;
    if (line.starts_with("#")) {
      words >> hash >> kind >> name >> rest;
      EXPECT_TRUE(kind == "HELP" || kind == "TYPE") << line;
      if (kind == "TYPE") {
        EXPECT_TRUE(types.emplace(name, rest).second) << "twice: " << line;
        EXPECT_TRUE(rest == "counter" || rest == "gauge" || rest == "histogram") << line;
      }
      continue;
    }
    const size_t space = line.rfind(' ');
    ASSERT_NE(space, std::string::npos) << line;
    std::string series = line.substr(0, space);
    EXPECT_EQ(series.back(), '}') << line;
    std::string family = series.substr(0, series.find('{'));
    for (const char* suffix : {"_bucket", "_sum", "_count"})
      if (family.ends_with(suffix) && types.contains(family.substr(0, family.rfind('_'))))
        family.resize(family.rfind('_'));
    EXPECT_TRUE(types.contains(family)) << line;
    EXPECT_TRUE(samples.emplace(series, std::stod(line.substr(space + 1))).second) << line;
  }
  const std::string model = "{model_name=\"nano\"}";
  EXPECT_EQ(samples.at("vllm:generation_tokens_total" + model), 2.0 * worker_.script.size());
  EXPECT_EQ(samples.at("vllm:prompt_tokens_total" + model), 2.0 * worker_.last.prompt.size());
  EXPECT_EQ(samples.at("vllm:request_success_total{model_name=\"nano\",finished_reason=\"stop\"}"),
            2);
  EXPECT_EQ(samples.at("vllm:time_to_first_token_seconds_count" + model), 2);
  EXPECT_EQ(samples.at("vllm:time_to_first_token_seconds_bucket{model_name=\"nano\",le=\"+Inf\"}"),
            2);
  EXPECT_EQ(samples.at("vllm:num_requests_running" + model), 0);
  EXPECT_TRUE(samples.contains("hadal:draining" + model));
  EXPECT_EQ(samples.at("hadal:generation_tokens_total" + model),
            samples.at("vllm:generation_tokens_total" + model));
  EXPECT_EQ(samples.at("hadal:request_prompt_tokens_count" + model), 2);
  EXPECT_EQ(samples.at("hadal:kv_cache_tokens" + model), 2048);
  for (const char* tier : {"memory", "disk"})
    EXPECT_TRUE(samples.contains("hadal:prefix_cache_bytes{model_name=\"nano\",tier=\"" +
                                 std::string(tier) + "\"}"));
  // Nothing of what is not there.
  EXPECT_FALSE(types.contains("hadal:pictures_running"));
  EXPECT_FALSE(types.contains("hadal:files"));
  EXPECT_FALSE(types.contains("hadal:expert_cache_hits_total"));
  EXPECT_EQ(samples.at("vllm:num_preemptions_total" + model), 0);
  EXPECT_EQ(types.at("vllm:kv_block_lifetime_seconds"), "histogram");
  for (const char* pool : {"kv_cache", "prefix_cache"})
    EXPECT_TRUE(samples.contains("hadal:device_mem_bytes{model_name=\"nano\",pool=\"" +
                                 std::string(pool) + "\"}"));
}

TEST_F(Access, MetricsUnderThePrefixThatWasChosen) {
  for (const auto& [names, there, absent] :
       {std::tuple{MetricsNames::hadal, "hadal:prompt_tokens_total", "vllm:"},
        std::tuple{MetricsNames::vllm, "vllm:prompt_tokens_total", "hadal:prompt_tokens_total"}}) {
    ApiOptions options;
    options.metrics = names;
    api_ = std::make_unique<Api>(*model_, *accounts_, options);
    const std::string page = ask("GET", "/metrics", "")->answer.body;
    EXPECT_NE(page.find(there), std::string::npos);
    EXPECT_EQ(page.find(absent), std::string::npos);
    EXPECT_NE(page.find("hadal:slots{"), std::string::npos);
  }
}

TEST_F(Access, MetricsUnderTheNamesOfOtherServers) {
  ApiOptions options;
  options.metrics = MetricsNames::all;
  api_ = std::make_unique<Api>(*model_, *accounts_, options);
  script("one two");
  worker_.hit = 3;
  chat("")->wait();
  const std::string page = ask("GET", "/metrics", "")->answer.body;
  const auto value = [&](const std::string& name) {
    const size_t at = page.find("\n" + name + "{model_name=\"nano\"} ");
    EXPECT_NE(at, std::string::npos) << name;
    return at == std::string::npos ? -1.0 : std::stod(page.substr(page.find("} ", at) + 2));
  };
  const double prompt = static_cast<double>(worker_.last.prompt.size());
  EXPECT_EQ(value("llamacpp:prompt_tokens_total"), prompt - 3);
  EXPECT_EQ(value("llamacpp:tokens_predicted_total"), static_cast<double>(worker_.script.size()));
  EXPECT_EQ(value("llamacpp:n_tokens_max"), prompt + static_cast<double>(worker_.script.size()));
  for (const char* name :
       {"prompt_seconds_total", "tokens_predicted_seconds_total", "prompt_tokens_seconds",
        "predicted_tokens_seconds", "requests_processing", "requests_deferred", "n_decode_total",
        "n_busy_slots_per_decode"})
    EXPECT_EQ(value(std::string("llamacpp:") + name), 0) << name;
  EXPECT_NEAR(value("sglang:cache_hit_rate"), 3 / prompt, 1e-6);
  for (const char* name : {"token_usage", "num_running_reqs", "num_queue_reqs", "gen_throughput",
                           "num_aborted_requests_total"})
    EXPECT_EQ(value(std::string("sglang:") + name), 0) << name;
  EXPECT_NE(page.find("# TYPE llamacpp:n_tokens_max gauge"), std::string::npos);
  for (const char* source : {"device", "host", "storage_file"})
    EXPECT_NE(page.find("sglang:cached_tokens_total{model_name=\"nano\",cache_source=\"" +
                        std::string(source) + "\"} 0"),
              std::string::npos);
}

TEST_F(Access, MetricsTellWhatWasChargedByClass) {
  const std::string key = add_key({.name = "ann"}).text;
  ASSERT_TRUE(accounts_->set_price({.price_class = PriceClass::miss, .amount = kMoneyUnit}));
  ASSERT_TRUE(accounts_->set_price({.price_class = PriceClass::output, .amount = 3 * kMoneyUnit}));
  script("one two");
  for (int i = 0; i < 2; ++i) chat(key)->wait();
  const std::string page = ask("GET", "/metrics", "", key)->answer.body;
  const auto charged = [&](const std::string& price_class) {
    const std::string series =
        "hadal:cost_total{model_name=\"nano\",currency=\"USD\",class=\"" + price_class + "\"} ";
    const size_t at = page.find(series);
    return at == std::string::npos ? -1.0 : std::stod(page.substr(at + series.size()));
  };
  EXPECT_NEAR(charged("miss"), 2e-6 * static_cast<double>(worker_.last.prompt.size()), 1e-12);
  EXPECT_NEAR(charged("output"), 6e-6 * static_cast<double>(worker_.script.size()), 1e-12);
  EXPECT_EQ(charged("image"), 0);
}

}  // namespace
}  // namespace hadal
