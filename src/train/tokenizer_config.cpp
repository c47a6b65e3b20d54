// SPDX-License-Identifier: MIT
// Keys and ranges of a visual tokenizer's training configuration.
#include "train/tokenizer_config.h"

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "model/fields.h"
#include "train/train_config.h"

namespace hadal {
namespace {

using nlohmann::json;

constexpr int64_t kMany = int64_t{1} << 40;  // no run counts further
constexpr const char* kKind = "visual_tokenizer";

std::string beside(const std::string& file, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

bool boolean_or(Fields& fields, const std::string& key, bool otherwise) {
  return fields.has(key) ? fields.boolean(key) : otherwise;
}

TokenizerSource read_source(const json& object, const std::string& key, const std::string& path,
                            Problem& problem) {
  constexpr Range kItems{0, kMany};
  Fields fields(object, key, problem);
  TokenizerSource source;
  source.gallery = beside(path, fields.text("gallery"));
  source.first = fields.integer_or("first", kItems, source.first);
  source.count = fields.integer_or("count", kItems, source.count);
  source.weight = fields.real_or("weight", {1e-6, 1e6}, source.weight);
  if (key == "train") {
    source.mirror = boolean_or(fields, "mirror", source.mirror);
    source.shift = fields.integer_or("shift", {0, 4096}, source.shift);
    source.recolour = fields.real_or("recolour", {0, 1}, source.recolour);
  }
  fields.finish();
  return source;
}

void read_sources(Fields& top, const std::string& path, Problem& problem,
                  TokenizerTrainConfig& config) {
  for (const json& each : top.array("train"))
    config.train.push_back(read_source(each, "train", path, problem));
  if (config.train.empty()) problem.report("train", "no gallery to learn from");
  if (!top.has("valid")) return;
  for (const json& each : top.array("valid"))
    config.valid.push_back(read_source(each, "valid", path, problem));
}

void read_sizes(Fields& top, TokenizerTrainConfig& config) {
  config.seed = static_cast<uint64_t>(top.integer_or("seed", {0, INT64_MAX}, 1));
  config.steps = top.integer_or("steps", {1, kMany}, config.steps);
  config.latent_frames = top.integer_or("latent_frames", {1, 1 << 16}, config.latent_frames);
  config.accumulation = top.integer_or("accumulation", {1, 1 << 16}, config.accumulation);
  config.side = top.integer_or("side", {1, 4096}, config.side);
  config.longest_run = top.integer_or("longest_run", {1, 1 << 16}, config.longest_run);
  config.validate_every = top.integer_or("validate_every", {0, kMany}, config.validate_every);
  config.validate_items = top.integer_or("validate_items", {1, kMany}, config.validate_items);
  config.save_every = top.integer_or("save_every", {0, kMany}, config.save_every);
  config.threads = top.integer_or("threads", {0, 1024}, config.threads);
}

void read_optimiser(Fields& top, TokenizerTrainConfig& config) {
  if (top.has("optimiser")) config.muon = top.word("optimiser", {"adamw", "muon"}) == 1;
  config.learning_rate = top.real_or("learning_rate", {0, 10}, config.learning_rate);
  config.final_learning_rate =
      top.real_or("final_learning_rate", {0, 10}, config.final_learning_rate);
  config.warmup_steps = top.integer_or("warmup_steps", {0, kMany}, config.warmup_steps);
  config.decay_start = top.integer_or("decay_start", {0, kMany}, config.decay_start);
  config.clip = top.real_or("clip", {0, 1e9}, config.clip);
  config.muon_momentum = top.real_or("muon_momentum", {0, 1}, config.muon_momentum);
  config.adam_beta1 = top.real_or("adam_beta1", {0, 1}, config.adam_beta1);
  config.adam_beta2 = top.real_or("adam_beta2", {0, 1}, config.adam_beta2);
  config.adam_epsilon = top.real_or("adam_epsilon", {0, 1}, config.adam_epsilon);
  config.weight_decay = top.real_or("weight_decay", {0, 10}, config.weight_decay);
}

void read_losses(Fields& top, TokenizerTrainConfig& config) {
  config.unrounded_until = top.real_or("unrounded_until", {0, 1}, config.unrounded_until);
  config.fixed_scales_from = top.real_or("fixed_scales_from", {0, 1}, config.fixed_scales_from);
  config.fewer_groups = top.real_or("fewer_groups", {0, 1}, config.fewer_groups);
  config.fewest_groups = top.integer_or("fewest_groups", {1, 64}, config.fewest_groups);
  if (!top.has("loss")) return;
  constexpr Reals kWeights{0, 1e6};
  Fields fields = top.object("loss");
  TokenizerLossWeights& loss = config.loss;
  loss.absolute = fields.real_or("absolute", kWeights, loss.absolute);
  loss.square = fields.real_or("square", kWeights, loss.square);
  loss.gradient = fields.real_or("gradient", kWeights, loss.gradient);
  loss.decibels = fields.real_or("decibels", kWeights, loss.decibels);
  loss.colour = fields.real_or("colour", kWeights, loss.colour);
  loss.foreground = fields.real_or("foreground", kWeights, loss.foreground);
  fields.finish();
}

}  // namespace

Result<bool> TokenizerTrainConfig::is_kind(const std::string& path) {
  TRY(const std::string text, read_file(path, kTrainConfigLimit));
  TRY(const json document, parse_json(text, path, {}));
  return document.is_object() && document.value("kind", json()) == kKind;
}

Result<TokenizerTrainConfig> TokenizerTrainConfig::open(const std::string& path,
                                                        const std::vector<std::string>& settings) {
  TRY(const std::string text, read_file(path, kTrainConfigLimit));
  return parse(text, path, settings);
}

Result<TokenizerTrainConfig> TokenizerTrainConfig::parse(std::string_view text,
                                                         const std::string& path,
                                                         const std::vector<std::string>& settings) {
  TRY(json document, parse_json(text, path, {}));
  if (!document.is_object()) return fail(path, ": expected an object");
  TRY_STATUS(apply_settings(document, settings));
  Problem problem(path);
  Fields top(document, "", problem);
  TokenizerTrainConfig config;
  top.word("kind", {kKind});
  config.network = beside(path, top.text("network"));
  config.out = beside(path, top.text("out"));
  if (top.has("start_from")) config.start_from = beside(path, top.text("start_from"));
  config.decoder_only = boolean_or(top, "decoder_only", false);
  read_sources(top, path, problem, config);
  read_sizes(top, config);
  read_optimiser(top, config);
  read_losses(top, config);
  json changes = json::object();
  if (top.has("network_changes")) {
    top.object("network_changes");
    changes = document["network_changes"];
  }
  if (config.decoder_only && config.start_from.empty())
    problem.report("decoder_only", "needs start_from: an encoder that was trained");
  top.finish();
  if (problem) return problem.error();

  TRY(const std::string network_text, read_file(config.network, kTrainConfigLimit));
  TRY(json network, parse_json(network_text, config.network, {}));
  network.merge_patch(changes);
  TRY(config.shape, VisualTokenizerConfig::parse(network.dump(), config.network));
  if (config.side % config.shape.spatial != 0)
    return fail(path, ": side: ", config.side, ", expected a multiple of the network's spatial, ",
                config.shape.spatial);
  return config;
}

}  // namespace hadal
