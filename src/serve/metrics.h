// SPDX-License-Identifier: MIT
// What is counted and measured, as Prometheus reads it (text format 0.0.4).
//
//   metrics.finished(measured);
//   exchange->reply({.body = metrics.text(now), .type = std::string(kMetricsType)});
//
// What vLLM has a name for bears it, under "hadal:", "vllm:" (which dashboards know) or both; the
// rest is "hadal:".  Nothing is told of what does not exist here: drafts, a cache of experts or of
// Engram's rows, links to other machines.  Preemptions do not either, but dashboards ask for them.
// Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/accounts.h"
#include "serve/file_store.h"
#include "serve/histogram.h"
#include "serve/http_server.h"
#include "serve/picture_queue.h"
#include "serve/worker.h"

namespace hadal {

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

// One request that reached the model.
struct RequestMeasures {
  std::string finish;  // "stop", "length", "tool_calls", "abort", "error"
  GenerationEnd generation;
  double first_token_seconds = -1;  // since it came; below 0: there was none
  double whole_seconds = 0;
  bool malformed_call = false;
};

// Under which prefixes what vLLM has a name for is told; `all` tells under the names that llama.cpp
// and SGLang have, too.
enum class MetricsNames { hadal, vllm, both, all };

// What others know at the moment of asking.
struct MetricsNow {
  WorkerGauges worker;
  const HttpCounts& http;
  bool draining = false;
  std::optional<PictureGauges> pictures = {};  // absent: the model does not draw
  std::optional<FileGauges> files = {};        // absent: none are kept
};

class Metrics {
 public:
  Metrics(const std::string& model, MetricsNames names);

  void between_tokens(double seconds);
  void finished(const RequestMeasures& measures);
  // "rate", "balance", "key", "queue": requests that did not reach the model.
  void refused(const std::string& why);
  void ledger_failed();
  void charged(const Bill& bill);
  std::string text(const MetricsNow& now) const;

 private:
  class Page;
  void tell_requests(Page& page, const WorkerGauges& worker) const;
  void tell_house(Page& page, const MetricsNow& now) const;
  void tell_cache(Page& page, const WorkerGauges& worker) const;
  void tell_llama(Page& page, const WorkerGauges& worker) const;
  void tell_sglang(Page& page, const WorkerGauges& worker) const;

  mutable std::mutex mutex_;
  std::string label_;
  std::vector<std::string> prefixes_;  // of what vLLM has a name for
  const bool all_;
  std::map<std::string, int64_t> finished_, refused_;
  int64_t prompt_tokens_ = 0, hit_tokens_ = 0, output_tokens_ = 0;
  double prefill_seconds_ = 0, decode_seconds_ = 0;
  int64_t longest_ = 0;  // tokens of prompt and answer
  int64_t malformed_calls_ = 0, ledger_failures_ = 0;
  std::map<std::string, std::array<Money, kPriceClasses.size()>> costs_;  // by currency
  Histogram first_token_, between_, whole_, queue_, prefill_, decode_, prompt_length_,
      output_length_;
};

}  // namespace hadal
