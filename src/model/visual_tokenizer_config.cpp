// SPDX-License-Identifier: MIT
// visual_tokenizer.json, and the tensors that it calls for.
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "model/fields.h"
#include "model/visual_tokenizer_network.h"

namespace hadal {
namespace {

constexpr std::string_view kFormat = "hadal-visual-tokenizer-1";
// An order of magnitude beyond the largest published tokenizer (widths of 1024, 16 × 16 × 8).
constexpr Range kChannels{1, 1 << 14};
constexpr Range kBlocks{0, 256};
constexpr int64_t kMostStages = 6;
constexpr int64_t kMostCodes = 1 << 16;

void check(const VisualTokenizerConfig& config, Problem& problem) {
  const size_t stages = config.encoder_widths.size();
  if (stages < 1 || stages > kMostStages)
    problem.report("encoder_widths", stages, " stages, expected 1 to ", kMostStages);
  if (config.encoder_blocks.size() != stages || config.decoder_widths.size() != stages ||
      config.decoder_blocks.size() != stages)
    problem.report("encoder_blocks, decoder_widths, decoder_blocks",
                   "expected as many entries as encoder_widths, ", stages);
  if (problem) return;
  if (config.spatial != config.patch << (stages - 1))
    problem.report("spatial", config.spatial,
                   ", expected patch · 2^(stages - 1) = ", config.patch << (stages - 1));
  int64_t codes = 1;
  for (int64_t digit = 0; digit < config.digits && codes <= kMostCodes; ++digit)
    codes *= config.levels;
  if (codes > kMostCodes) problem.report("digits", "levels^digits is over ", kMostCodes, " codes");
}

}  // namespace

int64_t VisualTokenizerConfig::codes() const {
  int64_t codes = 1;
  for (int64_t digit = 0; digit < digits; ++digit) codes *= levels;
  return codes;
}

Result<VisualTokenizerConfig> VisualTokenizerConfig::parse(std::string_view json,
                                                           std::string_view name) {
  TRY(const nlohmann::json document, parse_json(json, name, {}));
  Problem problem(name);
  Fields top(document, "", problem);
  VisualTokenizerConfig config;
  top.word("format", {kFormat});
  config.spatial = top.integer("spatial", {1, 256});
  config.temporal = top.integer("temporal", {1, 64});
  config.patch = top.integer("patch", {1, 64});
  config.groups = top.integer("groups", {1, 64});
  config.digits = top.integer("digits", {1, 16});
  config.levels = top.integer("levels", {2, 256});
  config.encoder_widths = top.integers("encoder_widths", kChannels, kMostStages);
  config.encoder_blocks = top.integers("encoder_blocks", kBlocks, kMostStages);
  config.decoder_widths = top.integers("decoder_widths", kChannels, kMostStages);
  config.decoder_blocks = top.integers("decoder_blocks", kBlocks, kMostStages);
  config.encoder_time_mix = top.boolean("encoder_time_mix");
  config.decoder_time_mix = top.boolean("decoder_time_mix");
  top.finish();
  if (!problem) check(config, problem);
  if (problem) return problem.error();
  return config;
}

std::string VisualTokenizerConfig::to_json() const {
  nlohmann::ordered_json json;
  json["format"] = kFormat;
  json["spatial"] = spatial;
  json["temporal"] = temporal;
  json["patch"] = patch;
  json["groups"] = groups;
  json["digits"] = digits;
  json["levels"] = levels;
  json["encoder_widths"] = encoder_widths;
  json["encoder_blocks"] = encoder_blocks;
  json["decoder_widths"] = decoder_widths;
  json["decoder_blocks"] = decoder_blocks;
  json["encoder_time_mix"] = encoder_time_mix;
  json["decoder_time_mix"] = decoder_time_mix;
  return json.dump(2) + "\n";
}

namespace {

// One half of the network, in the order in which it runs.
struct HalfShape {
  std::string name;
  std::vector<int64_t> widths, blocks;
  std::vector<int64_t> entry_inputs, entry_outputs;
  size_t cells_stage;  // where a position is a cell
  bool mixes;
  int64_t outputs;
};

// 2×2 positions of one stage are one of the next.
HalfShape encoder_shape(const VisualTokenizerConfig& c) {
  HalfShape half{"encoder",          c.encoder_widths,
                 c.encoder_blocks,   {},
                 c.encoder_widths,   c.encoder_widths.size() - 1,
                 c.encoder_time_mix, c.all_digits()};
  half.entry_inputs = {c.patch_values()};
  for (size_t stage = 1; stage < half.widths.size(); ++stage)
    half.entry_inputs.push_back(4 * half.widths[stage - 1]);
  return half;
}

// One position of one stage is 2×2 of the next.
HalfShape decoder_shape(const VisualTokenizerConfig& c) {
  HalfShape half{"decoder", {}, {}, {}, {}, 0, c.decoder_time_mix, c.patch_values()};
  half.widths.assign(c.decoder_widths.rbegin(), c.decoder_widths.rend());
  half.blocks.assign(c.decoder_blocks.rbegin(), c.decoder_blocks.rend());
  half.entry_inputs = {c.all_digits()};
  half.entry_outputs = {half.widths[0]};
  for (size_t stage = 1; stage < half.widths.size(); ++stage) {
    half.entry_inputs.push_back(half.widths[stage - 1]);
    half.entry_outputs.push_back(4 * half.widths[stage]);
  }
  return half;
}

void append(const HalfShape& half, std::vector<VisualTensor>& list) {
  const auto layer = [&](const std::string& name, int64_t outputs, int64_t inputs) {
    list.push_back({half.name + name + ".weight", {outputs, inputs}});
    list.push_back({half.name + name + ".bias", {outputs}});
  };
  for (size_t stage = 0; stage < half.widths.size(); ++stage) {
    const std::string prefix = ".stages." + std::to_string(stage);
    const int64_t width = half.widths[stage];
    layer(prefix + ".entry", half.entry_outputs[stage], half.entry_inputs[stage]);
    for (int64_t block = 0; block < half.blocks[stage]; ++block) {
      const std::string inner = prefix + ".blocks." + std::to_string(block);
      list.push_back({half.name + inner + ".norm.weight", {width}});
      layer(inner + ".neighbours", width, 9 * width);
      layer(inner + ".out", width, width);
    }
  }
  if (half.mixes) {
    const int64_t width = half.widths[half.cells_stage];
    layer(".mix_here", width, width);
    list.push_back({half.name + ".mix_before.weight", {width, width}});
  }
  list.push_back({half.name + ".norm.weight", {half.widths.back()}});
  layer(".exit", half.outputs, half.widths.back());
}

}  // namespace

std::vector<VisualTensor> visual_tensor_list(const VisualTokenizerConfig& config) {
  std::vector<VisualTensor> list;
  append(encoder_shape(config), list);
  append(decoder_shape(config), list);
  return list;
}

}  // namespace hadal
