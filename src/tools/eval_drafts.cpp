// SPDX-License-Identifier: MIT
// Documents continued with guesses and without.
#include "tools/eval_drafts.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/generator.h"
#include "tools/draft_option.h"
#include "tools/eval_bpb.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "train/shard.h"

namespace hadal {

namespace {

struct DraftsOptions {
  ModelChoice model;
  DraftChoice draft;
  std::string data;
  double temperature = 0;
  uint64_t seed = 1;
  int64_t limit = 64, tokens = 64;
};

// What continuing the documents took, one way.
struct Continued {
  int64_t tokens = 0;
  double seconds = 0;
  double rate() const { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }
};

class DraftsEval {
 public:
  DraftsEval(OpenModel& open, const DraftsOptions& options, DraftLength& drafts)
      : open_(open), options_(options), drafts_(drafts) {
    generate_.sampler.temperature = options.temperature;
    generate_.sampler.seed = options.seed;
    generate_.max_tokens = options.tokens;
    generate_.end_ids = open.end_ids();
  }

  Status run(std::span<const int32_t> document) {
    constexpr int64_t kLongestPrompt = 256;
    const int64_t half = std::min(static_cast<int64_t>(document.size()) / 2, kLongestPrompt);
    if (half == 0) return Ok{};
    const std::vector<int64_t> prompt(document.begin(), document.begin() + half);
    const bool drafts_first = documents_++ % 2 == 1;
    std::vector<int64_t> texts[2];
    for (const bool drafts : {drafts_first, !drafts_first}) {
      TRY(texts[drafts], continued(prompt, drafts));
    }
    if (texts[0] != texts[1])
      return fail("document ", documents_ - 1, ": the text with guesses is another one");
    return Ok{};
  }

  void print() const {
    std::printf(
        "%lld documents  %lld tokens  %.0f tokens/s without guesses, %.0f with: %.2f times as "
        "fast\n",
        static_cast<long long>(documents_), static_cast<long long>(plain_.tokens), plain_.rate(),
        drafted_.rate(), plain_.rate() > 0 ? drafted_.rate() / plain_.rate() : 0);
    std::printf("%s\n", draft_line(&drafts_).c_str());
  }

 private:
  Result<std::vector<int64_t>> continued(const std::vector<int64_t>& prompt, bool drafts) {
    TRY(const Prefill prefill, open_.session->extend(prompt, nullptr));
    (void)prefill;
    generate_.drafts = drafts ? &drafts_ : nullptr;
    Generated answer =
        generate(*open_.session, generate_, [](const Sample&) { return Flow::go_on; });
    Continued& sum = drafts ? drafted_ : plain_;
    sum.tokens += static_cast<int64_t>(answer.ids.size());
    sum.seconds += answer.seconds;
    return std::move(answer.ids);
  }

  OpenModel& open_;
  const DraftsOptions& options_;
  DraftLength& drafts_;
  GenerateOptions generate_;
  Continued plain_, drafted_;
  int64_t documents_ = 0;
};

Result<int> measure_drafts(const DraftsOptions& options) {
  TRY(const Shard shard, Shard::open(options.data));
  TRY_STATUS(check(SamplerOptions{.temperature = options.temperature}));
  TRY(OpenModel open, open_model(options.model, {.drafts = true}));
  TRY_STATUS(check_tokenizer(open, shard, options.data));
  TRY(const std::unique_ptr<DraftLength> drafts,
      open_drafts(options.draft, open, options.model.quiet));
  if (!drafts) return fail("--draft ", options.draft.length, ": nothing is guessed to be measured");
  DraftsEval eval(open, options, *drafts);
  const int64_t documents = std::min(options.limit, shard.documents());
  {
    ProgressLine progress("continuing " + options.data, options.model.quiet);
    for (int64_t d = 0; d < documents; ++d) {
      // Evenly over the shard, whose documents stand in the order of their sources.
      TRY_STATUS(eval.run(shard.tokens(d * shard.documents() / documents)));
      progress.show(d + 1, documents);
    }
  }
  eval.print();
  return 0;
}

}  // namespace

void add_drafts(CLI::App& eval, Command& chosen) {
  CLI::App* command = eval.add_subcommand(
      "drafts", "How often a draft head is right on held-out documents, and what that brings");
  auto options = std::make_shared<DraftsOptions>();
  add_model_options(*command, options->model);
  command->add_option("--data", options->data, "Shard of documents (hadal data shards)")
      ->required();
  command->add_option("--draft", options->draft.length, "auto (as many as pay), or a number")
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "0: always the likeliest")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of the draws")->capture_default_str();
  command->add_option("--limit", options->limit, "Documents, evenly over the shard")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "Most tokens of a continuation")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->footer(
      "Example:\n  hadal eval drafts --model models/nano --data valid.shard --temperature 1");
  command->callback(
      [options, &chosen] { chosen = [options] { return measure_drafts(*options); }; });
}

}  // namespace hadal
