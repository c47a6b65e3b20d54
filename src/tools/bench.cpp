// SPDX-License-Identifier: MIT
// `hadal bench`.
#include "tools/bench.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/generator.h"
#include "engine/random.h"
#include "tools/active_bytes.h"
#include "tools/bench_serve.h"
#include "tools/machine.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"

namespace hadal {
namespace {

struct BenchChoice {
  ModelChoice model;
  int64_t prompt_tokens = 512;
  int64_t tokens = 64;
  int64_t rounds = 3;  // the best counts: others were disturbed
  bool json = false;
};

struct Figures {
  double prefill_rate = 0;  // tokens a second
  double shortcut_rate = 0;
  double decode_rate = 0;
  double bandwidth = 0;  // bytes a second
  int64_t active_bytes = 0;

  double decode_limit() const { return bandwidth / static_cast<double>(active_bytes); }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Bytes a second that `threads` read.  The buffer is larger than any cache of a usual processor.
double read_bandwidth(int64_t threads, int64_t rounds) {
  constexpr int64_t kWords = int64_t{32} << 20;  // 256 MiB
  constexpr int64_t kGrain = 1 << 16;
  std::vector<uint64_t> words(static_cast<size_t>(kWords), 1);
  ThreadPool pool(threads);
  std::vector<uint64_t> sums(static_cast<size_t>(kWords / kGrain));
  double best = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.split(kWords, kGrain, [&](int64_t begin, int64_t end) {
      uint64_t sum = 0;
      for (int64_t at = begin; at < end; ++at) sum += words[static_cast<size_t>(at)];
      sums[static_cast<size_t>(begin / kGrain)] = sum;
    });
    // The sums are looked at, so that reading cannot be optimised away.
    const uint64_t all = std::accumulate(sums.begin(), sums.end(), uint64_t{0});
    CHECK(all == static_cast<uint64_t>(kWords), all);
    best = std::max(best, static_cast<double>(kWords) * 8 / seconds_since(start));
  }
  return best;
}

// The same ids on every machine.
std::vector<int64_t> made_up_prompt(const ModelConfig& config, int64_t count) {
  std::vector<int64_t> ids;
  for (int64_t at = 0; at < count; ++at)
    ids.push_back(static_cast<int64_t>(uniform(1, at, 0) * static_cast<double>(config.vocab)));
  return ids;
}

Result<double> prefill_rate(Session& session, const std::vector<int64_t>& ids) {
  session.reset();
  TRY(const Prefill prefill, session.extend(ids, nullptr));
  return static_cast<double>(prefill.read) / prefill.seconds;
}

double decode_rate(Session& session, int64_t tokens) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < tokens; ++i)
    session.append(pick_token(session.logits(), {.temperature = 0}, session.length()).id);
  return static_cast<double>(tokens) / seconds_since(start);
}

Result<Figures> measure(const BenchChoice& choice, OpenModel& open) {
  Figures figures;
  TRY(figures.active_bytes, active_bytes(open.folder, open.config()));
  const int64_t threads = choice.model.threads > 0 ? choice.model.threads : machine_cores();
  figures.bandwidth = read_bandwidth(threads, choice.rounds);
  Session full(*open.model, *open.ops, *open.cache, {.prompt_shortcut = false});
  const std::vector<int64_t> ids = made_up_prompt(open.config(), choice.prompt_tokens);
  for (int64_t round = 0; round < choice.rounds; ++round) {
    TRY(const double prefill, prefill_rate(full, ids));
    TRY(const double shortcut, prefill_rate(*open.session, ids));
    figures.prefill_rate = std::max(figures.prefill_rate, prefill);
    figures.shortcut_rate = std::max(figures.shortcut_rate, shortcut);
    figures.decode_rate = std::max(figures.decode_rate, decode_rate(*open.session, choice.tokens));
  }
  return figures;
}

std::string table(const BenchChoice& choice, const OpenModel& open, const Figures& figures) {
  std::array<char, 1024> text{};
  std::snprintf(text.data(), text.size(),
                "model       %s, back end %s\n"
                "prefill     %10.1f tokens/s   %lld tokens, all layers\n"
                "shortcut    %10.1f tokens/s   %.2f times as fast\n"
                "decode      %10.1f tokens/s   %.0f%% of what memory allows (%.1f tokens/s)\n"
                "active      %10s a token\n"
                "bandwidth   %10s/s read\n",
                open.folder.c_str(), std::string(open.ops->name()).c_str(), figures.prefill_rate,
                static_cast<long long>(choice.prompt_tokens), figures.shortcut_rate,
                figures.shortcut_rate / figures.prefill_rate, figures.decode_rate,
                100 * figures.decode_rate / figures.decode_limit(), figures.decode_limit(),
                bytes_text(figures.active_bytes).c_str(),
                bytes_text(static_cast<int64_t>(figures.bandwidth)).c_str());
  return text.data();
}

std::string json_text(const BenchChoice& choice, const OpenModel& open, const Figures& figures) {
  const nlohmann::ordered_json object = {
      {"model", open.folder},
      {"backend", open.ops->name()},
      {"processor", processor_name()},
      {"threads", choice.model.threads > 0 ? choice.model.threads : machine_cores()},
      {"prompt_tokens", choice.prompt_tokens},
      {"decoded_tokens", choice.tokens},
      {"prefill_tokens_per_second", figures.prefill_rate},
      {"shortcut_tokens_per_second", figures.shortcut_rate},
      {"decode_tokens_per_second", figures.decode_rate},
      {"active_bytes", figures.active_bytes},
      {"bandwidth_bytes_per_second", figures.bandwidth},
      {"decode_share_of_bandwidth", figures.decode_rate / figures.decode_limit()}};
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

Result<int> bench_command(const BenchChoice& choice) {
  ModelChoice model = choice.model;
  const int64_t needed = choice.prompt_tokens + choice.tokens;
  if (model.context == 0) model.context = needed;
  if (model.context < needed)
    return fail("--context is ", model.context, ", prompt and answer need ", needed);
  TRY(OpenModel open, open_model(model, {.needs_tokenizer = false}));
  TRY(const Figures figures, measure(choice, open));
  Output out;
  out.write(choice.json ? json_text(choice, open, figures) : table(choice, open, figures));
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace

void add_bench(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("bench", "How fast a model runs here");
  auto choice = std::make_shared<BenchChoice>();
  command->add_option("--prompt-tokens", choice->prompt_tokens, "Length of the made-up prompt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--tokens", choice->tokens, "Tokens to decode")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--rounds", choice->rounds, "Times to measure; the best counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", choice->json, "One JSON object, for programs");
  add_model_options(*command, choice->model);
  command->footer(
      "Examples:\n"
      "  hadal bench\n"
      "  hadal bench --model DIR --prompt-tokens 4096 --tokens 128 --json");
  add_bench_serve(*command, chosen);
  command->callback([choice, command, &chosen] {
    // A parent's callback comes after its sub-command's.
    if (command->get_subcommands().empty()) chosen = [choice] { return bench_command(*choice); };
  });
}

}  // namespace hadal
