// SPDX-License-Identifier: MIT
// What is counted and measured.
#include "serve/metrics.h"

#include <algorithm>

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

void head(std::string& text, const std::string& name, const char* type, const char* about) {
  text += "# HELP " + name + " " + about + "\n# TYPE " + name + " " + type + "\n";
}

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? ' ' : c;
  }
  return text;
}

double per(double amount, double of) {
  return of > 0 ? amount / of : 0;
}

std::vector<std::string> prefixes_of(MetricsNames names) {
  if (names == MetricsNames::hadal) return {"hadal:"};
  if (names == MetricsNames::vllm) return {"vllm:"};
  return {"hadal:", "vllm:"};
}

}  // namespace

Metrics::Metrics(const std::string& model, MetricsNames names)
    : label_("{model_name=\"" + escaped(model) + "\"}"),
      prefixes_(prefixes_of(names)),
      all_(names == MetricsNames::all),
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
  prefill_seconds_ += run.prefill_seconds;
  decode_seconds_ += run.decode_seconds;
  longest_ = std::max(longest_, run.hit + run.miss + run.output);
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

void Metrics::charged(const Bill& bill) {
  const std::lock_guard lock(mutex_);
  auto& sums = costs_[bill.currency];
  for (size_t i = 0; i < sums.size(); ++i) sums[i] += bill.of_class[i];
}

// Writes families, each under all prefixes it has.
class Metrics::Page {
 public:
  using Counts = std::map<std::string, int64_t>;

  explicit Page(const std::string& label) : label_(label) {}
  void use(std::vector<std::string> prefixes) { prefixes_ = std::move(prefixes); }

  void counter(const char* name, const char* about, int64_t amount) {
    value(name, "counter", about, static_cast<double>(amount));
  }
  void gauge(const char* name, const char* about, double amount) {
    value(name, "gauge", about, amount);
  }
  void histogram(const char* name, const char* about, const Histogram& values) {
    for (const std::string& prefix : prefixes_) {
      head(text_, prefix + name, "histogram", about);
      values.write(text_, prefix + name, label_);
    }
  }
  void value(const char* name, const char* type, const char* about, double amount) {
    for (const std::string& prefix : prefixes_) {
      head(text_, prefix + name, type, about);
      text_ += prefix + name + label_ + " " + metric_number(amount) + "\n";
    }
  }
  void by_label(const char* name, const char* type, const char* about, const char* label,
                const Counts& counts) {
    for (const std::string& prefix : prefixes_) {
      head(text_, prefix + name, type, about);
      for (const auto& [key, count] : counts)
        sample(prefix + name, std::string(label) + "=\"" + key + "\"", static_cast<double>(count));
    }
  }
  void open(const std::string& name, const char* type, const char* about) {
    head(text_, name, type, about);
  }
  void sample(const std::string& name, const std::string& labels, double amount) {
    text_ += name + join_labels(label_, labels) + " " + metric_number(amount) + "\n";
  }
  std::string take() { return std::move(text_); }

 private:
  const std::string& label_;
  std::vector<std::string> prefixes_;
  std::string text_;
};

// What vLLM has a name for.
void Metrics::tell_requests(Page& page, const WorkerGauges& worker) const {
  page.counter("prompt_tokens_total", "Tokens of prompts", prompt_tokens_);
  page.counter("generation_tokens_total", "Tokens of answers", output_tokens_);
  page.counter("prefix_cache_queries_total", "Tokens looked for in the cache", prompt_tokens_);
  page.counter("prefix_cache_hits_total", "Tokens found in the cache", hit_tokens_);
  page.by_label("request_success_total", "counter", "Requests by how they ended", "finished_reason",
                finished_);
  page.gauge("num_requests_running", "Requests that are computed",
             static_cast<double>(worker.running));
  page.gauge("num_requests_waiting", "Requests in the queue", static_cast<double>(worker.waiting));
  const double capacity = static_cast<double>(std::max<int64_t>(1, worker.cache_capacity));
  page.gauge("kv_cache_usage_perc", "Part of the cache that running requests hold, 0 to 1",
             static_cast<double>(worker.cached_tokens) / capacity);
  page.counter("num_preemptions_total", "Running requests that had to give way: none does here", 0);
  page.histogram("time_to_first_token_seconds", "From the request to its first token",
                 first_token_);
  page.histogram("inter_token_latency_seconds", "Between tokens", between_);
  page.histogram("e2e_request_latency_seconds", "From the request to its last token", whole_);
  page.histogram("request_queue_time_seconds", "In the queue", queue_);
  page.histogram("request_prefill_time_seconds", "Reading the prompt", prefill_);
  page.histogram("request_decode_time_seconds", "Writing the answer", decode_);
  page.histogram("request_prompt_tokens", "Tokens of a prompt", prompt_length_);
  page.histogram("request_generation_tokens", "Tokens of an answer", output_length_);
  const PrefixTimes& times = worker.prefix_times;
  page.histogram("kv_block_lifetime_seconds",
                 "From keeping what was read up to a place to throwing it out", times.lifetime);
  page.histogram("kv_block_idle_before_evict_seconds", "From its last use to throwing it out",
                 times.idle);
  page.histogram("kv_block_reuse_gap_seconds", "From one use of it to the next", times.gap);
}

void Metrics::tell_house(Page& page, const MetricsNow& now) const {
  page.by_label("requests_refused_total", "counter", "Requests that did not reach the model", "why",
                refused_);
  page.counter("tool_parse_errors_total", "Malformed tool calls", malformed_calls_);
  page.counter("ledger_failures_total", "Entries that had to be written again", ledger_failures_);
  page.open("hadal:cost_total", "counter", "Charged since the start, by currency and class");
  for (const auto& [currency, sums] : costs_)
    for (size_t i = 0; i < sums.size(); ++i)
      page.sample("hadal:cost_total",
                  "currency=\"" + escaped(currency) + "\",class=\"" +
                      std::string(price_class_name(kPriceClasses[i])) + "\"",
                  static_cast<double>(sums[i]) / static_cast<double>(kMoneyUnit));
  tell_cache(page, now.worker);
  const HttpCounts& http = now.http;
  page.counter("http_requests_total", "Requests of all kinds", http.requests);
  page.counter("http_bad_requests_total", "Requests that were none", http.bad_requests);
  page.counter("http_timeouts_total", "Requests that took too long to come", http.timeouts);
  page.counter("http_gone_clients_total", "Clients that went before their answer ended",
               http.gone_clients);
  page.counter("http_slow_readers_total", "Of these, readers that were dropped", http.slow_readers);
  page.counter("http_connections_refused_total", "Connections over the limit", http.refused);
  page.gauge("http_connections", "Open connections", static_cast<double>(http.connections));
  page.gauge("http_answering", "Requests being answered", static_cast<double>(http.answering));
  page.gauge("http_body_bytes", "Bodies in memory", static_cast<double>(http.body_bytes));
  page.gauge("http_answer_bytes", "Answers that wait for their readers",
             static_cast<double>(http.answer_bytes));
  page.gauge("draining", "1 once no new requests are taken", now.draining ? 1 : 0);
}

// What running requests hold, what was read before, and what they take.
void Metrics::tell_cache(Page& page, const WorkerGauges& worker) const {
  page.gauge("slots", "Requests that can be computed at once", static_cast<double>(worker.slots));
  page.gauge("kv_cache_tokens", "Most tokens that running requests can hold",
             static_cast<double>(worker.cache_capacity));
  page.gauge("prefix_cache_tokens", "Tokens of texts that were read before, in memory",
             static_cast<double>(worker.prefix_tokens));
  page.by_label("prefix_cache_bytes", "gauge", "What was read before takes", "tier",
                {{"memory", worker.prefix_bytes}, {"disk", worker.prefix_disk_bytes}});
  page.counter("kv_disk_bytes_written_total", "What was read before, written to disk",
               worker.prefix_disk_written);
  page.gauge("kv_disk_write_amplification", "Bytes written to disk for each byte of a text's rows",
             per(static_cast<double>(worker.prefix_disk_written),
                 static_cast<double>(worker.prefix_disk_rows)));
  const PromptCounts& prompts = worker.prompts;
  page.by_label("kv_miss_total", "counter", "Tokens of prompts that had to be read, by reason",
                "reason",
                {{"absent", prompts.absent},
                 {"no_state", prompts.no_state},
                 {"told", prompts.told},
                 {"disabled", prompts.disabled}});
  Page::Counts pools = {{"kv_cache", worker.cache_bytes}, {"prefix_cache", worker.prefix_bytes}};
  if (worker.weight_bytes > 0) pools["weights"] = worker.weight_bytes;
  page.by_label("device_mem_bytes", "gauge",
                "Memory: weights as they are stored, the cache that is reserved for running "
                "requests, and what was read before",
                "pool", pools);
}

// As the dashboards of llama.cpp's server know it.
void Metrics::tell_llama(Page& page, const WorkerGauges& worker) const {
  const int64_t read = prompt_tokens_ - hit_tokens_;
  const double written = static_cast<double>(output_tokens_);
  page.use({"llamacpp:"});
  page.counter("prompt_tokens_total", "Tokens of prompts that were read", read);
  page.value("prompt_seconds_total", "counter", "Reading prompts", prefill_seconds_);
  page.counter("tokens_predicted_total", "Tokens of answers", output_tokens_);
  page.value("tokens_predicted_seconds_total", "counter", "Writing answers", decode_seconds_);
  page.gauge("prompt_tokens_seconds", "Tokens of prompts a second of reading, on average",
             per(static_cast<double>(read), prefill_seconds_));
  page.gauge("predicted_tokens_seconds", "Tokens of an answer a second, on average",
             per(written, decode_seconds_));
  page.gauge("requests_processing", "Requests that are computed",
             static_cast<double>(worker.running));
  page.gauge("requests_deferred", "Requests in the queue", static_cast<double>(worker.waiting));
  page.gauge("n_tokens_max", "Tokens of the longest prompt with its answer",
             static_cast<double>(longest_));
  page.counter("n_decode_total", "Forward passes", worker.steps);
  page.gauge("n_busy_slots_per_decode", "Requests in a forward pass, on average",
             per(static_cast<double>(worker.requests_step), static_cast<double>(worker.steps)));
}

// … and those of SGLang.
void Metrics::tell_sglang(Page& page, const WorkerGauges& worker) const {
  page.use({"sglang:"});
  page.gauge(
      "token_usage", "Part of the cache that running requests hold, 0 to 1",
      per(static_cast<double>(worker.cached_tokens), static_cast<double>(worker.cache_capacity)));
  page.gauge("cache_hit_rate", "Part of the tokens of prompts that was in the cache, 0 to 1",
             per(static_cast<double>(hit_tokens_), static_cast<double>(prompt_tokens_)));
  page.gauge("num_running_reqs", "Requests that are computed", static_cast<double>(worker.running));
  page.gauge("num_queue_reqs", "Requests in the queue", static_cast<double>(worker.waiting));
  page.gauge("gen_throughput", "Tokens of an answer a second, on average",
             per(static_cast<double>(output_tokens_), decode_seconds_));
  const auto aborted = finished_.find("abort");
  page.counter("num_aborted_requests_total", "Requests that were cut",
               aborted == finished_.end() ? 0 : aborted->second);
  const PromptCounts& prompts = worker.prompts;
  page.by_label("cached_tokens_total", "counter", "Tokens of prompts that need not be read",
                "cache_source",
                {{"device", prompts.from_slot},
                 {"host", prompts.from_memory},
                 {"storage_file", prompts.from_disk}});
}

std::string Metrics::text(const MetricsNow& now) const {
  const std::lock_guard lock(mutex_);
  Page page(label_);
  page.use(prefixes_);
  tell_requests(page, now.worker);
  if (all_) {
    tell_llama(page, now.worker);
    tell_sglang(page, now.worker);
  }
  page.use({"hadal:"});
  tell_house(page, now);
  if (now.pictures) {
    page.gauge("pictures_running", "Pictures and videos that are painted",
               static_cast<double>(now.pictures->running));
    page.gauge("pictures_waiting", "Pictures and videos in the queue",
               static_cast<double>(now.pictures->waiting));
    page.counter("images_total", "Pictures made", now.pictures->stills);
    page.counter("videos_total", "Videos made", now.pictures->clips);
  }
  if (now.files) {
    page.gauge("files", "Files that clients have sent", static_cast<double>(now.files->files));
    page.gauge("file_bytes", "What they take", static_cast<double>(now.files->bytes));
  }
  return page.take();
}

}  // namespace hadal
