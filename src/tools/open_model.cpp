// SPDX-License-Identifier: MIT
// From a folder to something that answers.
#include "tools/open_model.h"

#include <algorithm>
#include <utility>

#include "backends/backends.h"
#include "base/file.h"
#include "engine/cache_size.h"
#include "engine/fingerprint.h"
#include "text/engram_keys.h"
#include "tools/machine.h"
#include "tools/progress.h"

namespace hadal {
namespace {

// Enough for a long conversation, little enough that nobody reserves gigabytes unasked.
constexpr int64_t kUsualContext = 32768;

Result<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& folder,
                                                  const ModelConfig& config, bool needed) {
  const std::string path = folder + "/tokenizer.json";
  if (!needed && !config.engram.present() && !is_file(path)) return std::unique_ptr<Tokenizer>();
  TRY(Tokenizer tokenizer, Tokenizer::open(path));
  if (tokenizer.vocab_size() > config.vocab)
    return fail(path, ": ", tokenizer.vocab_size(), " tokens, the model's vocabulary has ",
                config.vocab);
  return std::make_unique<Tokenizer>(std::move(tokenizer));
}

// How many positions to reserve.
Result<int64_t> choose_context(const ModelConfig& config, int64_t asked, CacheOptions options,
                               Holding holding) {
  if (asked > config.max_positions)
    return fail("--context is ", asked, ", the model was made for at most ", config.max_positions);
  options.max_positions = asked > 0 ? asked : std::min(kUsualContext, config.max_positions);
  const int64_t available = machine_memory().available_bytes;
  const int64_t fits = largest_context(config, options, holding, available);
  if (fits >= options.max_positions) return options.max_positions;
  if (asked == 0 && fits > 0) return fits;
  return fail_machine("context ", options.max_positions, " needs ",
                      bytes_text(cache_bytes(config, options, holding)), " for its cache, ",
                      bytes_text(available), " is available; ",
                      fits > 0 ? "--context " + std::to_string(fits) + " fits" : "nothing fits");
}

Result<std::unique_ptr<WeightMover>> open_mover(const ModelChoice& choice,
                                                const OpenOptions& options, const Model& model) {
  const bool asked = choice.weights == "memory";
  if (!asked && (choice.weights == "file" || !options.stays || !has_large_pages()))
    return std::unique_ptr<WeightMover>();
  const int64_t bytes = bytes_of(model.files()), available = machine_memory().available_bytes;
  if (asked && bytes > available)
    return fail_machine("--weights memory: the weights have ", bytes_text(bytes), ", ",
                        bytes_text(available), " is available");
  if (!asked && bytes > available / 2) return std::unique_ptr<WeightMover>();
  return std::make_unique<WeightMover>(model.files());
}

}  // namespace

Result<std::unique_ptr<Ops>> open_ops(const ModelChoice& choice) {
  const std::string asked = choice.backend.empty() ? built_backends().front() : choice.backend;
  const size_t colon = asked.find(':');
  BackendOptions options{
      .name = asked.substr(0, colon), .threads = choice.threads, .pinned = choice.pinned};
  if (colon != std::string::npos) options.device = asked.substr(colon + 1);
  return open_backend(options);
}

Dialect OpenModel::dialect() const {
  if (config().family == Family::v41) return Dialect::v41;
  return config().draft.block > 0 ? Dialect::v4_0731 : Dialect::v4_april;  // 0731 came with DSpark
}

std::vector<int64_t> OpenModel::end_ids() const {
  std::vector<int64_t> ids = {config().eos_id};
  if (!tokenizer) return ids;
  // The next turn's begin ends this one: a guard against models that forget the end (§9.7).
  for (std::string_view token : {kEos, kUser, kAssistant})
    if (const std::optional<int32_t> id = tokenizer->id_of(token)) ids.push_back(*id);
  return ids;
}

Result<std::string> read_tokenizer_json(const std::string& path) {
  constexpr int64_t kLimit = 64 << 20;
  return read_file(path, kLimit);
}

Result<OpenModel> open_model(const ModelChoice& choice, const OpenOptions& options) {
  OpenModel open;
  TRY(open.folder, model_folder(choice));
  TRY(const ModelConfig config, ModelConfig::open(open.folder));
  TRY(open.tokenizer, open_tokenizer(open.folder, config, options.needs_tokenizer));
  CacheOptions cache{.slots = options.slots, .max_positions = 0, .max_chunk = options.max_chunk};
  cache.rounding = choice.rounding == "none" ? Rounding::none : Rounding::published;
  TRY(open.ops, open_ops(choice));
  Ops& ops = options.stand_before ? options.stand_before(*open.ops) : *open.ops;
  const Holding holding = ops.packs(RowFormat::fp4_32) ? Holding::packed : Holding::floats;
  TRY(cache.max_positions, choose_context(config, choice.context, cache, holding));

  std::vector<int32_t> token_map;
  if (config.engram.present()) {
    TRY(token_map, compressed_token_map(*open.tokenizer, config.vocab));
  }
  ProgressLine progress("loading " + open.folder, choice.quiet);
  ModelOptions model_options;
  model_options.rounding = cache.rounding;
  model_options.drafts = options.drafts;
  model_options.progress = [&](int64_t done, int64_t all) {
    progress.show(done, all);
    if (options.progress) options.progress(done, all);
  };
  TRY(open.model, Model::open(open.folder, ops, model_options, token_map));
  open.model->options().progress = nullptr;
  open.cache = std::make_unique<Cache>(config, ops, cache);
  TRY(const std::string fingerprint, model_fingerprint(open.folder));
  open.session = std::make_unique<Session>(*open.model, ops, *open.cache,
                                           SessionOptions{.fingerprint = fingerprint});
  TRY(open.mover, open_mover(choice, options, *open.model));
  return open;
}

Status wait_for_weights(const OpenModel& open, bool quiet) {
  if (!open.mover) return Ok{};
  ProgressLine progress("moving the weights into memory", quiet);
  return open.mover->wait([&](int64_t done, int64_t all) { progress.show(done, all); });
}

}  // namespace hadal
