// SPDX-License-Identifier: MIT
// What is counted and measured, as Prometheus reads it (text format 0.0.4).
//
//   metrics.finished(measured);
//   exchange->reply({.body = metrics.text(now), .type = std::string(kMetricsType)});
//
// vLLM's names, which dashboards know, under "vllm:"; what it has no name for under "hadal:".
// Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_server.h"
#include "serve/picture_queue.h"
#include "serve/worker.h"

namespace hadal {

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void add(double value);
  void write(std::string& text, const std::string& name, const std::string& labels) const;

 private:
  std::vector<double> bounds_;  // upper ones, inclusive, rising
  std::vector<int64_t> counts_;
  double sum_ = 0;
};

// One request that reached the model.
struct RequestMeasures {
  std::string finish;  // "stop", "length", "tool_calls", "abort", "error"
  GenerationEnd generation;
  double first_token_seconds = -1;  // since it came; below 0: there was none
  double whole_seconds = 0;
  bool malformed_call = false;
};

// What others know at the moment of asking.
struct MetricsNow {
  WorkerGauges worker;
  const HttpCounts& http;
  bool draining = false;
  PictureGauges pictures = {};
};

class Metrics {
 public:
  explicit Metrics(std::string model);

  void between_tokens(double seconds);
  void finished(const RequestMeasures& measures);
  // "rate", "balance", "key", "queue": requests that did not reach the model.
  void refused(const std::string& why);
  void ledger_failed();
  std::string text(const MetricsNow& now) const;

 private:
  mutable std::mutex mutex_;
  std::string label_;
  std::map<std::string, int64_t> finished_, refused_;
  int64_t prompt_tokens_ = 0, hit_tokens_ = 0, output_tokens_ = 0;
  int64_t malformed_calls_ = 0, ledger_failures_ = 0;
  Histogram first_token_, between_, whole_, queue_, prefill_, decode_, prompt_length_,
      output_length_;
};

}  // namespace hadal
