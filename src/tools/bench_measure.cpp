// SPDX-License-Identifier: MIT
// Rounds and medians.
#include "tools/bench_measure.h"

#include <algorithm>
#include <utility>

#include "engine/cache_size.h"
#include "engine/random.h"
#include "model/figures.h"
#include "ops/packed_rows.h"
#include "tools/active_bytes.h"
#include "tools/machine.h"
#include "tools/open_model.h"

namespace hadal {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// The same ids on every machine, other ones for every part of a run.
std::vector<int64_t> made_up_ids(const ModelConfig& config, int64_t count, int64_t stream) {
  std::vector<int64_t> ids;
  for (int64_t at = 0; at < count; ++at)
    ids.push_back(
        static_cast<int64_t>(uniform(1, at, stream) * static_cast<double>(config.text_vocab())));
  return ids;
}

// Rows of attention and keys of the indexer that one token behind `context` others reads, in the
// published formats: what the CPU holds.
int64_t cache_bytes_read(const ModelConfig& config, int64_t context) {
  const CacheLayouts layouts = cache_layouts(config, {});
  const int64_t window_row = row_bytes(layouts.window, true);
  const int64_t entry_row = row_bytes(layouts.compressed, true);
  const int64_t key_row = row_bytes(layouts.index_keys, true);
  int64_t bytes = 0;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    bytes += std::min(config.window, context + 1) * window_row;
    const int64_t ratio = config.ratio(layer);
    const int64_t entries = ratio > 0 ? context / ratio : 0;
    const bool chosen = config.index_source_of(layer) >= 0;
    bytes += (chosen ? std::min(entries, config.index_topk) : entries) * entry_row;
    if (config.is_index_source(layer)) bytes += entries * key_row;
  }
  return bytes;
}

double cache_bytes_kept(const ModelConfig& config) {
  constexpr int64_t kFew = 8192, kMany = 2 * kFew;
  if (config.max_positions < kMany) return 0;
  const auto bytes = [&](int64_t positions) {
    return static_cast<double>(cache_bytes(config, {.max_positions = positions}, Holding::packed));
  };
  return (bytes(kMany) - bytes(kFew)) / (kMany - kFew);
}

// One kind of speed over the rounds, and its share of the bound of the same round.
struct Series {
  std::vector<double> rates, shares;

  void add(double rate, double bound) {
    rates.push_back(rate);
    if (bound > 0) shares.push_back(rate / bound);
  }
};

class Bench {
 public:
  Bench(const BenchChoice& choice, OpenModel& open, BenchFigures& figures)
      : choice_(choice),
        open_(open),
        figures_(figures),
        full_(*open.model, *open.ops, *open.cache, {.prompt_shortcut = false}),
        prefill_(choice.prefills.size()),
        shortcut_(choice.prefills.size()),
        decode_(choice.contexts.size()) {}

  Status run() {
    TRY_STATUS(warm_up());
    for (int64_t round = 0; round < choice_.rounds; ++round) TRY_STATUS(measure_round(round));
    for (size_t i = 0; i < prefill_.size(); ++i)
      figures_.prefill.push_back({choice_.prefills[i], median(prefill_[i].rates),
                                  median(shortcut_[i].rates), median(prefill_[i].shares)});
    for (size_t i = 0; i < decode_.size(); ++i)
      figures_.decode.push_back({choice_.contexts[i], median(decode_[i].rates),
                                 cache_bytes_read(open_.config(), choice_.contexts[i]),
                                 median(decode_[i].shares)});
    figures_.peaks = {median(reads_), median(floats_), median(int8s_), median(tile_bf16s_),
                      median(tile_int8s_)};
    return Ok{};
  }

 private:
  // Every page of the weights is touched before a clock runs.
  Status warm_up() {
    const std::vector<int64_t> ids = made_up_ids(open_.config(), 32, 0);
    TRY([[maybe_unused]] const Prefill read, full_.extend(ids, nullptr));
    return Ok{};
  }

  Status measure_round(int64_t round) {
    const Peaks peaks = measure_peaks(figures_.threads, choice_.clock);
    reads_.push_back(peaks.read_bytes);
    floats_.push_back(peaks.float_operations);
    int8s_.push_back(peaks.int8_operations);
    tile_bf16s_.push_back(peaks.tile_bf16_operations);
    tile_int8s_.push_back(peaks.tile_int8_operations);
    const double products =
        peaks.int8_operations > 0 ? peaks.int8_operations : peaks.float_operations;
    const bool shortens = open_.config().decoder_start() < open_.config().layers;
    for (size_t i = 0; i < choice_.prefills.size(); ++i) {
      const std::vector<int64_t> ids =
          made_up_ids(open_.config(), choice_.prefills[i], 2 * round + 1);
      TRY(const double rate, prefill_rate(full_, ids));
      prefill_[i].add(rate, products / figures_.operations);
      if (!shortens) continue;
      TRY(const double shortcut, prefill_rate(*open_.session, ids));
      shortcut_[i].add(shortcut, 0);
    }
    for (size_t i = 0; i < choice_.contexts.size(); ++i) {
      TRY(const double rate, decode_rate(choice_.contexts[i], round));
      const int64_t bytes =
          figures_.active_bytes + cache_bytes_read(open_.config(), choice_.contexts[i]);
      decode_[i].add(rate, peaks.read_bytes / static_cast<double>(bytes));
    }
    return Ok{};
  }

  Result<double> prefill_rate(Session& session, const std::vector<int64_t>& ids) const {
    session.reset();
    const double start = seconds_now(choice_.clock);
    TRY(const Prefill prefill, session.extend(ids, nullptr));
    return static_cast<double>(prefill.read) / (seconds_now(choice_.clock) - start);
  }

  Result<double> decode_rate(int64_t context, int64_t round) {
    full_.reset();
    const std::vector<int64_t> ids = made_up_ids(open_.config(), context + 1, 2 * round + 2);
    TRY([[maybe_unused]] const Prefill read, full_.extend(ids, nullptr));
    // Made-up tokens: a random model's own would soon repeat, and choose the same experts.
    const std::vector<int64_t> next = made_up_ids(open_.config(), choice_.tokens, 1000 + 2 * round);
    const double start = seconds_now(choice_.clock);
    for (int64_t id : next) full_.append(id);
    return static_cast<double>(choice_.tokens) / (seconds_now(choice_.clock) - start);
  }

  const BenchChoice& choice_;
  OpenModel& open_;
  BenchFigures& figures_;
  Session full_;
  std::vector<Series> prefill_, shortcut_, decode_;
  std::vector<double> reads_, floats_, int8s_, tile_bf16s_, tile_int8s_;
};

// Of all layers; only the last token of a prompt meets the head.
double products_of_a_token(const ModelConfig& config) {
  const ParameterFigures parameters = count_parameters(config);
  return 2.0 * static_cast<double>(parameters.all().decode - parameters.of(Part::head).decode);
}

}  // namespace

Result<BenchFigures> measure_bench(const BenchChoice& choice) {
  ModelChoice model = choice.model;
  int64_t needed = 32;
  for (int64_t tokens : choice.prefills) needed = std::max(needed, tokens);
  for (int64_t context : choice.contexts) needed = std::max(needed, context + 1 + choice.tokens);
  if (model.context == 0) model.context = needed;
  if (model.context < needed)
    return fail("--context is ", model.context, ", prompts and contexts need ", needed);
  const double start = seconds_now(choice.clock);
  TRY(OpenModel open, open_model(model, {.needs_tokenizer = false, .stays = true}));
  BenchFigures figures;
  figures.load_seconds = seconds_now(choice.clock) - start;
  if (open.mover) {
    const double begun = seconds_now(Clock::wall);
    TRY_STATUS(wait_for_weights(open, model.quiet));
    figures.move_seconds = seconds_now(Clock::wall) - begun;
  }
  figures.model = open.folder;
  figures.backend = open.ops->name();
  figures.processor = processor_name();
  figures.threads = choice.model.threads > 0 ? choice.model.threads : machine_cores();
  figures.operations = products_of_a_token(open.config());
  figures.cache_bytes_per_token = cache_bytes_kept(open.config());
  TRY(figures.active_bytes, active_bytes(open.folder, open.config()));
  TRY_STATUS(Bench(choice, open, figures).run());
  figures.resident_bytes = resident_bytes();
  return figures;
}

}  // namespace hadal
