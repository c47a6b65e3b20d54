// SPDX-License-Identifier: MIT
// `hadal bench serve`: streams side by side, open-loop arrivals, and the pace beside a long prompt.
#include "tools/bench_serve.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "serve/slot_worker.h"
#include "tools/bench_report.h"
#include "tools/machine.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pace.h"

namespace hadal {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kSystemPrompts = 4;
// Requests that are behind wait here, never outside: the loop is open.
constexpr int64_t kQueue = 1 << 20;

struct BenchServeChoice {
  ModelChoice model;
  std::vector<int64_t> streams = {1, 2, 4, 8, 16, 32, 64};
  int64_t prompt_tokens = 256, tokens = 64, requests = 4, slice = 256;
  int64_t long_prompt = 0, pace_streams = 8;
  uint64_t seed = 1;
  bool json = false;
  std::string svg;
};

double seconds_between(SteadyClock::time_point from, SteadyClock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// The smallest value that `share` of them do not exceed.
double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double last = static_cast<double>(values.size() - 1);
  return values[static_cast<size_t>(std::ceil(share * last))];
}

// One request's times.
class Client : public GenerationSink {
 public:
  explicit Client(SteadyClock::time_point came) : came_(came) {}

  void prefill(int64_t, int64_t) override {}
  Flow token(const GeneratedToken&) override {
    const std::lock_guard lock(mutex_);
    times_.push_back(SteadyClock::now());
    return Flow::go_on;
  }
  void ended(const GenerationEnd& end) override {
    const std::lock_guard lock(mutex_);
    end_ = end;
    ended_at_ = SteadyClock::now();
    over_ = true;
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return over_; });
  }
  bool started() {
    const std::lock_guard lock(mutex_);
    return !times_.empty();
  }
  // After wait().
  double first_token() const { return seconds_between(came_, times_.front()); }
  double seconds() const { return seconds_between(came_, ended_at_); }
  SteadyClock::time_point ended_at() const { return ended_at_; }
  const GenerationEnd& end() const { return end_; }
  std::vector<double> gaps(SteadyClock::time_point from, SteadyClock::time_point to) const {
    std::vector<double> gaps;
    for (size_t i = 1; i < times_.size(); ++i)
      if (times_[i - 1] >= from && times_[i] <= to)
        gaps.push_back(seconds_between(times_[i - 1], times_[i]));
    return gaps;
  }

 private:
  const SteadyClock::time_point came_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SteadyClock::time_point> times_;
  GenerationEnd end_;
  SteadyClock::time_point ended_at_;
  bool over_ = false;
};

// The figures of one row.
struct Row {
  int64_t streams = 0;
  double together = 0;                   // tokens a second
  double output = 0;                     // tokens a second, open loop
  double prompts = 0;                    // … of prompts, those found in the cache too
  double hit_share = 0;                  // of the prompts' tokens
  std::array<double, 3> first{}, gap{};  // seconds at p50, p95, p99
};

struct Pace {
  double worst_ratio = 0, median_gap = 0, p95_gap = 0, seconds = 0;
};

class Bench {
 public:
  Bench(const BenchServeChoice& choice, OpenModel& open) : choice_(choice), open_(open) {}

  Row row(int64_t streams, double& alone_seconds) {
    Row row{.streams = streams};
    Serving serving(*this, streams, context());
    row.together = together(*serving.worker, streams);
    if (alone_seconds == 0) alone_seconds = alone(*serving.worker);
    open_loop(*serving.worker, row, alone_seconds);
    return row;
  }

  Pace pace() {
    const int64_t streams = choice_.pace_streams;
    Serving serving(*this, streams + 1, choice_.long_prompt + choice_.prompt_tokens);
    std::vector<std::shared_ptr<Client>> writers;
    std::vector<std::shared_ptr<Generation>> generations;
    for (int64_t i = 0; i < streams; ++i) {
      writers.push_back(std::make_shared<Client>(SteadyClock::now()));
      GenerationRequest request = made_up(16, choice_.long_prompt, 100 + i, false);
      generations.push_back(submit(*serving.worker, std::move(request), writers.back()));
    }
    for (const auto& writer : writers)
      while (!writer->started()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const SteadyClock::time_point start = SteadyClock::now();
    const auto reader = std::make_shared<Client>(start);
    submit(*serving.worker, made_up(choice_.long_prompt, 1, 99, false), reader);
    reader->wait();
    Pace pace{.seconds = reader->seconds()};
    for (const auto& generation : generations) generation->cancel();
    for (const auto& writer : writers) {
      writer->wait();
      const std::vector<double> gaps = writer->gaps(start, reader->ended_at());
      const double median = percentile(gaps, 0.5), p95 = percentile(gaps, 0.95);
      if (median == 0 || p95 / median < pace.worst_ratio) continue;
      pace = {p95 / median, median, p95, pace.seconds};
    }
    return pace;
  }

 private:
  struct Serving {
    Cache cache;
    std::unique_ptr<SlotWorker> worker;

    Serving(Bench& bench, int64_t slots, int64_t context)
        : cache(bench.open_.config(), *bench.open_.ops,
                {.slots = slots,
                 .max_positions = context,
                 .max_chunk = bench.choice_.slice,
                 .rounding = bench.open_.model->options().rounding}),
          worker(std::make_unique<SlotWorker>(
              *bench.open_.model, *bench.open_.ops, cache,
              SlotWorkerOptions{.queue = {.most = kQueue, .most_of_one = kQueue},
                                .prefixes = {}})) {}
  };

  int64_t context() const { return 2 * (choice_.prompt_tokens + choice_.tokens) + 1; }

  // The same ids on every machine.  Half of the prompts begin with one of a few heads.
  GenerationRequest made_up(int64_t prompt, int64_t tokens, int64_t number, bool shared) const {
    GenerationRequest request;
    request.owner = std::to_string(number % 3);
    request.sampler.seed = static_cast<uint64_t>(number);
    request.max_tokens = tokens;
    const int64_t head = shared && number % 2 == 0 ? prompt / 2 : 0;
    Random heads(seed_for(choice_.seed, "head " + std::to_string(number % kSystemPrompts)));
    Random own(seed_for(choice_.seed, "prompt " + std::to_string(number)));
    const double vocab = static_cast<double>(open_.config().vocab);
    for (int64_t at = 0; at < prompt; ++at)
      request.prompt.push_back(static_cast<int64_t>((at < head ? heads : own).uniform() * vocab));
    return request;
  }

  static std::shared_ptr<Generation> submit(SlotWorker& worker, GenerationRequest request,
                                            const std::shared_ptr<Client>& client) {
    Submission made = worker.submit(std::move(request), client);
    CHECK(made.state == Submitted::yes, "the queue is full");
    return made.generation;
  }

  // All at once, with prompts of a few tokens; the time from when all write to when one is done.
  double together(SlotWorker& worker, int64_t streams) const {
    std::vector<std::shared_ptr<Client>> clients;
    for (int64_t i = 0; i < streams; ++i) {
      clients.push_back(std::make_shared<Client>(SteadyClock::now()));
      submit(worker, made_up(4, choice_.tokens, 1000 + i, false), clients.back());
    }
    double rate = 0;
    for (const auto& client : clients) {
      client->wait();
      const std::vector<double> gaps = client->gaps({}, SteadyClock::time_point::max());
      rate += 1 / std::max(1e-9, percentile(gaps, 0.5));
    }
    return rate;
  }

  double alone(SlotWorker& worker) const {
    std::vector<double> seconds;
    for (int64_t i = 0; i < 3; ++i) {
      const auto client = std::make_shared<Client>(SteadyClock::now());
      submit(worker, made_up(choice_.prompt_tokens, choice_.tokens, 2000 + i, false), client);
      client->wait();
      seconds.push_back(client->seconds());
    }
    return percentile(seconds, 0.5);
  }

  void open_loop(SlotWorker& worker, Row& row, double alone_seconds) const {
    Random random(seed_for(choice_.seed, "arrivals " + std::to_string(row.streams)));
    const auto varied = [&](int64_t mean) {
      return std::max<int64_t>(1,
                               std::llround(static_cast<double>(mean) * (0.5 + random.uniform())));
    };
    std::vector<std::shared_ptr<Client>> clients;
    const SteadyClock::time_point start = SteadyClock::now();
    double due = 0;
    for (int64_t i = 0; i < choice_.requests * row.streams; ++i) {
      const SteadyClock::time_point at = start + std::chrono::duration_cast<SteadyClock::duration>(
                                                     std::chrono::duration<double>(due));
      std::this_thread::sleep_until(at);
      clients.push_back(std::make_shared<Client>(at));
      const int64_t prompt = varied(choice_.prompt_tokens), tokens = varied(choice_.tokens);
      submit(worker, made_up(prompt, tokens, 10000 * row.streams + i, true), clients.back());
      due += -std::log(1 - random.uniform()) * alone_seconds / static_cast<double>(row.streams);
    }
    std::vector<double> first, gaps;
    int64_t output = 0, hit = 0, prompts = 0;
    SteadyClock::time_point last = start;
    for (const auto& client : clients) {
      client->wait();
      first.push_back(client->first_token());
      const std::vector<double> own = client->gaps({}, SteadyClock::time_point::max());
      gaps.insert(gaps.end(), own.begin(), own.end());
      output += client->end().output;
      hit += client->end().hit;
      prompts += client->end().hit + client->end().miss;
      last = std::max(last, client->ended_at());
    }
    const double seconds = seconds_between(start, last);
    row.output = static_cast<double>(output) / seconds;
    row.prompts = static_cast<double>(prompts) / seconds;
    row.hit_share = static_cast<double>(hit) / static_cast<double>(prompts);
    constexpr std::array kShares = {0.5, 0.95, 0.99};
    for (size_t i = 0; i < kShares.size(); ++i) {
      row.first[i] = percentile(first, kShares[i]);
      row.gap[i] = percentile(gaps, kShares[i]);
    }
  }

  const BenchServeChoice& choice_;
  OpenModel& open_;
};

std::string table_head() {
  return "streams  together          open loop  prompts   hits   first token, ms          "
         "between tokens, ms\n"
         "         tok/s   times     tok/s      tok/s            p50     p95     p99     p50    "
         "p95    p99\n";
}

std::string table_row(const Row& row, double one) {
  constexpr int kWidest = 24;  // of the bars
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(),
                "%7lld %8.1f  %5.2fx %9.1f %10.1f  %4.0f%% %7.0f %7.0f %7.0f %7.1f %6.1f %6.1f  ",
                static_cast<long long>(row.streams), row.together, row.together / one, row.output,
                row.prompts, 100 * row.hit_share, 1e3 * row.first[0], 1e3 * row.first[1],
                1e3 * row.first[2], 1e3 * row.gap[0], 1e3 * row.gap[1], 1e3 * row.gap[2]);
  const int bar = std::min(kWidest, static_cast<int>(std::lround(2 * row.together / one)));
  return text.data() + std::string(static_cast<size_t>(std::max(bar, 0)), '#') + "\n";
}

OrderedJson json_row(const Row& row) {
  return {{"streams", row.streams},
          {"together_tokens_per_second", row.together},
          {"output_tokens_per_second", row.output},
          {"prompt_tokens_per_second", row.prompts},
          {"hit_share", row.hit_share},
          {"first_token_seconds", row.first},
          {"gap_seconds", row.gap}};
}

Status write_plot(const std::string& path, const std::vector<Row>& rows) {
  Curve together{"answers side by side, tokens a second", {}};
  Curve open{"open loop, tokens a second", {}};
  Curve first{"open loop, first token after (p95), ms", {}};
  Curve gap{"open loop, between tokens (p95), ms", {}};
  for (const Row& row : rows) {
    const double streams = static_cast<double>(row.streams);
    together.points.emplace_back(streams, row.together);
    open.points.emplace_back(streams, row.output);
    first.points.emplace_back(streams, 1e3 * row.first[1]);
    gap.points.emplace_back(streams, 1e3 * row.gap[1]);
  }
  return write_file(path, curves_svg({together, open, first, gap}));
}

Result<int> bench_serve(const BenchServeChoice& choice) {
  ModelChoice model = choice.model;
  if (model.context == 0) model.context = 16;  // the caches are made for each row
  TRY(OpenModel open, open_model(model, {.needs_tokenizer = false, .stays = true}));
  TRY_STATUS(wait_for_weights(open, model.quiet));
  const int64_t longest = std::max(2 * (choice.prompt_tokens + choice.tokens) + 1,
                                   choice.long_prompt + choice.prompt_tokens);
  if (longest > open.config().max_positions)
    return fail("requests of ", longest, " tokens, the model was made for at most ",
                open.config().max_positions);
  Output out;
  Bench bench(choice, open);
  OrderedJson told = OrderedJson::array();
  std::vector<Row> rows;
  double alone_seconds = 0, one = 0;
  if (!choice.json) out.write(table_head());
  for (const int64_t streams : choice.streams) {
    const Row row = bench.row(streams, alone_seconds);
    if (one == 0) one = row.together / static_cast<double>(streams);
    if (!choice.json) out.write(table_row(row, one));
    told.push_back(json_row(row));
    rows.push_back(row);
  }
  if (!choice.svg.empty()) TRY_STATUS(write_plot(choice.svg, rows));
  OrderedJson object = {
      {"model", open.folder},
      {"backend", open.ops->name()},
      {"processor", processor_name()},
      {"threads", choice.model.threads > 0 ? choice.model.threads : machine_cores()},
      {"prompt_tokens", choice.prompt_tokens},
      {"tokens", choice.tokens},
      {"percentiles", {50, 95, 99}},
      {"rows", std::move(told)}};
  if (choice.long_prompt > 0) {
    const Pace pace = bench.pace();
    object["pace"] = {{"streams", choice.pace_streams},
                      {"long_prompt", choice.long_prompt},
                      {"seconds", pace.seconds},
                      {"worst_p95_over_median", pace.worst_ratio},
                      {"median_gap_seconds", pace.median_gap},
                      {"p95_gap_seconds", pace.p95_gap}};
    std::array<char, 256> text{};
    std::snprintf(text.data(), text.size(),
                  "\nbeside a prompt of %lld tokens, read in %.1f s: %lld streams, the worst p95 "
                  "gap is %.2f times its median (%.1f of %.1f ms)\n",
                  static_cast<long long>(choice.long_prompt), pace.seconds,
                  static_cast<long long>(choice.pace_streams), pace.worst_ratio, 1e3 * pace.p95_gap,
                  1e3 * pace.median_gap);
    if (!choice.json) out.write(text.data());
  }
  if (choice.json)
    out.write(object.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n");
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace

void add_bench_serve(CLI::App& bench, Command& chosen) {
  CLI::App* command = bench.add_subcommand("serve", "How it serves several at once");
  auto choice = std::make_shared<BenchServeChoice>();
  command->add_option("--streams", choice->streams, "How many at once, one row each")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--prompt-tokens", choice->prompt_tokens, "Mean length of a prompt")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command->add_option("--tokens", choice->tokens, "Mean length of an answer")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  command->add_option("--requests", choice->requests, "Requests for each stream of a row")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--slice", choice->slice, "Most tokens of prompts in a step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command
      ->add_option("--long-prompt", choice->long_prompt,
                   "Also: the pace of others while a prompt of so many tokens is read")
      ->check(CLI::Range(0, 1 << 24));
  command->add_option("--pace-streams", choice->pace_streams, "… of so many others")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--seed", choice->seed, "Of lengths and arrivals")->capture_default_str();
  command->add_flag("--json", choice->json, "One JSON object, for programs");
  command->add_option("--svg", choice->svg, "File for a plot");
  add_model_options(*command, choice->model);
  command->footer(
      "Examples:\n"
      "  hadal bench serve\n"
      "  hadal bench serve --streams 1,8 --threads 1 --long-prompt 32768\n"
      "  hadal bench serve --model DIR --prompt-tokens 2000 --tokens 200 --json");
  command->callback([choice, &chosen] { chosen = [choice] { return bench_serve(*choice); }; });
}

}  // namespace hadal
