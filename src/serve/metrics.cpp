// SPDX-License-Identifier: MIT
// What is counted and measured.
#include "serve/metrics.h"

#include <algorithm>
#include <cstdio>

namespace hadal {
namespace {

// vLLM's borders, so that its dashboards draw ours: seconds to the first token, between tokens, of
// a whole request; and tokens.
const std::vector<double> kFirstToken = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                         0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10,
                                         20,    40,    80,   160,  640,  2560};
const std::vector<double> kBetween = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                      0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
const std::vector<double> kWhole = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                    30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> kTokens = {1,     2,      5,      10,     20,     50,    100,
                                     200,   500,    1000,   2000,   5000,   10000, 20000,
                                     50000, 100000, 200000, 500000, 1000000};

std::string number(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

void head(std::string& text, const std::string& name, const char* type, const char* about) {
  text += "# HELP " + name + " " + about + "\n# TYPE " + name + " " + type + "\n";
}

// "{a="1"}" and "{b="2"}" to "{a="1",b="2"}".
std::string join_labels(const std::string& labels, const std::string& more) {
  return labels.substr(0, labels.size() - 1) + "," + more + "}";
}

void value(std::string& text, const std::string& name, const char* type, const char* about,
           const std::string& labels, double amount) {
  head(text, name, type, about);
  text += name + labels + " " + number(amount) + "\n";
}

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? ' ' : c;
  }
  return text;
}

}  // namespace

void Histogram::add(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<size_t>(bound - bounds_.begin())];
  sum_ += value;
}

void Histogram::write(std::string& text, const std::string& name, const std::string& labels) const {
  int64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    const std::string bound = i < bounds_.size() ? number(bounds_[i]) : "+Inf";
    text += name + "_bucket" + join_labels(labels, "le=\"" + bound + "\"") + " " +
            std::to_string(below) + "\n";
  }
  text += name + "_sum" + labels + " " + number(sum_) + "\n";
  text += name + "_count" + labels + " " + std::to_string(below) + "\n";
}

Metrics::Metrics(std::string model)
    : label_("{model_name=\"" + escaped(model) + "\"}"),
      first_token_(kFirstToken),
      between_(kBetween),
      whole_(kWhole),
      queue_(kWhole),
      prefill_(kWhole),
      decode_(kWhole),
      prompt_length_(kTokens),
      output_length_(kTokens) {}

void Metrics::between_tokens(double seconds) {
  const std::lock_guard lock(mutex_);
  between_.add(seconds);
}

void Metrics::finished(const RequestMeasures& measures) {
  const std::lock_guard lock(mutex_);
  const GenerationEnd& run = measures.generation;
  ++finished_[measures.finish];
  prompt_tokens_ += run.hit + run.miss;
  hit_tokens_ += run.hit;
  output_tokens_ += run.output;
  malformed_calls_ += measures.malformed_call;
  if (measures.first_token_seconds >= 0) first_token_.add(measures.first_token_seconds);
  whole_.add(measures.whole_seconds);
  queue_.add(run.queue_seconds);
  prefill_.add(run.prefill_seconds);
  decode_.add(run.decode_seconds);
  prompt_length_.add(static_cast<double>(run.hit + run.miss));
  output_length_.add(static_cast<double>(run.output));
}

void Metrics::refused(const std::string& why) {
  const std::lock_guard lock(mutex_);
  ++refused_[why];
}

void Metrics::ledger_failed() {
  const std::lock_guard lock(mutex_);
  ++ledger_failures_;
}

std::string Metrics::text(const MetricsNow& now) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  const auto counter = [&](const char* name, const char* about, int64_t amount) {
    value(text, name, "counter", about, label_, static_cast<double>(amount));
  };
  const auto gauge = [&](const char* name, const char* about, double amount) {
    value(text, name, "gauge", about, label_, amount);
  };
  const auto histogram = [&](const char* name, const char* about, const Histogram& values) {
    head(text, name, "histogram", about);
    values.write(text, name, label_);
  };
  counter("vllm:prompt_tokens_total", "Tokens of prompts", prompt_tokens_);
  counter("vllm:generation_tokens_total", "Tokens of answers", output_tokens_);
  counter("vllm:prefix_cache_queries_total", "Tokens looked for in the cache", prompt_tokens_);
  counter("vllm:prefix_cache_hits_total", "Tokens found in the cache", hit_tokens_);
  const auto labelled = [&](const char* name, const char* about, const char* label,
                            const std::map<std::string, int64_t>& counts) {
    head(text, name, "counter", about);
    for (const auto& [key, count] : counts)
      text += name + join_labels(label_, std::string(label) + "=\"" + key + "\"") + " " +
              std::to_string(count) + "\n";
  };
  labelled("vllm:request_success_total", "Requests by how they ended", "finished_reason",
           finished_);
  gauge("vllm:num_requests_running", "Requests that are computed",
        static_cast<double>(now.worker.running));
  gauge("vllm:num_requests_waiting", "Requests in the queue",
        static_cast<double>(now.worker.waiting));
  const double capacity = static_cast<double>(std::max<int64_t>(1, now.worker.cache_capacity));
  gauge("vllm:kv_cache_usage_perc", "Part of the cache that running requests hold, 0 to 1",
        static_cast<double>(now.worker.cached_tokens) / capacity);
  histogram("vllm:time_to_first_token_seconds", "From the request to its first token",
            first_token_);
  histogram("vllm:inter_token_latency_seconds", "Between tokens", between_);
  histogram("vllm:e2e_request_latency_seconds", "From the request to its last token", whole_);
  histogram("vllm:request_queue_time_seconds", "In the queue", queue_);
  histogram("vllm:request_prefill_time_seconds", "Reading the prompt", prefill_);
  histogram("vllm:request_decode_time_seconds", "Writing the answer", decode_);
  histogram("vllm:request_prompt_tokens", "Tokens of a prompt", prompt_length_);
  histogram("vllm:request_generation_tokens", "Tokens of an answer", output_length_);

  const HttpCounts& http = now.http;
  labelled("hadal:requests_refused_total", "Requests that did not reach the model", "why",
           refused_);
  counter("hadal:tool_parse_errors_total", "Malformed tool calls", malformed_calls_);
  counter("hadal:ledger_failures_total", "Entries that had to be written again", ledger_failures_);
  counter("hadal:http_requests_total", "Requests of all kinds", http.requests);
  counter("hadal:http_bad_requests_total", "Requests that were none", http.bad_requests);
  counter("hadal:http_timeouts_total", "Requests that took too long to come", http.timeouts);
  counter("hadal:http_gone_clients_total", "Clients that went before their answer ended",
          http.gone_clients);
  counter("hadal:http_slow_readers_total", "Of these, readers that were dropped",
          http.slow_readers);
  counter("hadal:http_connections_refused_total", "Connections over the limit", http.refused);
  gauge("hadal:http_connections", "Open connections", static_cast<double>(http.connections));
  gauge("hadal:http_answering", "Requests being answered", static_cast<double>(http.answering));
  gauge("hadal:http_body_bytes", "Bodies in memory", static_cast<double>(http.body_bytes));
  gauge("hadal:slots", "Requests that can be computed at once",
        static_cast<double>(now.worker.slots));
  gauge("hadal:pictures_running", "Pictures and videos that are painted",
        static_cast<double>(now.pictures.running));
  gauge("hadal:pictures_waiting", "Pictures and videos in the queue",
        static_cast<double>(now.pictures.waiting));
  counter("hadal:images_total", "Pictures made", now.pictures.stills);
  counter("hadal:videos_total", "Videos made", now.pictures.clips);
  gauge("hadal:draining", "1 once no new requests are taken", now.draining ? 1 : 0);
  return text;
}

}  // namespace hadal
