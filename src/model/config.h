// SPDX-License-Identifier: MIT
// ModelConfig: what config.json says of a model, read once and checked.
//
// Accepts the published files of V4-Flash, V4-Pro (flat) and V4.1-Flash (nested in text_config),
// and Hadal's own models, which are V4.1-shaped.  Every key of model-spec §1.1 is read and
// checked; an unknown key or value is refused by name.  A config that was opened is consistent
// in itself; whether the tensors fit it is checked when weights are loaded.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/ops.h"

namespace hadal {

enum class Family { v4, v41 };

// Wider than any published model by an order of magnitude; keeps hostile numbers small, so that
// sums of sizes over all tensors stay far below 2^63 and lists of tensors fit in memory.
struct ConfigLimits {
  static constexpr int64_t kWidth = 1 << 20;
  static constexpr int64_t kHeadsWidth = 1 << 24;  // heads times their width
  static constexpr int64_t kVocab = 1 << 24;
  static constexpr int64_t kLayers = 4096;
  static constexpr int64_t kExperts = 1 << 16;     // of one layer
  static constexpr int64_t kAllExperts = 1 << 18;  // of all layers
  static constexpr int64_t kContext = int64_t{1} << 32;
  static constexpr int64_t kDraftLayers = 16;
  static constexpr int64_t kEngramLayers = 16;
  static constexpr int64_t kEngramHeads = 32;
  static constexpr int64_t kEngramWidth = 4096;
  static constexpr int64_t kEngramOrder = 8;
  static constexpr int64_t kPrimeBase = int64_t{1} << 31;
  static constexpr int64_t kCells = int64_t{1} << 52;  // of all codes of a cell, as one id
  static constexpr int64_t kFrameCells = 1 << 16;      // 4K video in cells of 16 pixels has 32,400
};

struct RopeScaling {
  double factor = 16;
  double beta_fast = 32;
  double beta_slow = 1;
  int64_t original_positions = 65536;

  bool operator==(const RopeScaling&) const = default;
};

struct EngramConfig {
  std::vector<int64_t> layers;
  std::vector<int64_t> table_rows;  // one a layer: the sum of its primes
  int64_t max_ngram = 4;            // orders 2 … max_ngram
  int64_t prime_base = 0;           // engram_vocab_size: where the prime search starts
  int64_t heads = 8;
  int64_t head_width = 256;
  int64_t pad_id = 2;
  int64_t compressed_vocab = 0;

  bool present() const { return !layers.empty(); }
  int64_t columns() const { return (max_ngram - 1) * heads; }
  // The table sizes of every layer's columns, order-major (§5.2): for each layer and order the
  // next `heads` primes from prime_base on that no column has taken.
  std::vector<std::vector<int64_t>> primes() const;
  bool operator==(const EngramConfig&) const = default;
};

struct DraftConfig {   // MTP (V4) or DSpark (V4.1, V4-Flash-0731)
  int64_t layers = 0;  // num_nextn_predict_layers
  int64_t block = 0;   // dspark_block_size; 0: an MTP block
  int64_t noise_id = 0;
  std::vector<int64_t> target_layers;
  int64_t markov_rank = 0;
  int64_t experts = 0;  // 0: as the backbone
  int64_t experts_per_token = 0;

  bool operator==(const DraftConfig&) const = default;
};

struct VisionConfig {  // §7.1; run by vision.h
  int64_t layers = 0;  // 0: no vision input
  int64_t width = 0;
  int64_t heads = 0;
  int64_t intermediate = 0;
  int64_t patch = 14;
  double rope_theta = 10000;
  int64_t downsample = 3;
  int64_t max_image_tokens = 1024;
  int64_t min_pixels = 0;
  std::optional<double> max_aspect;

  bool operator==(const VisionConfig&) const = default;
};

// Hadal's own: rows of the shared vocabulary that stand for pictures and clips, and the tokens
// around them (visual_sequence.h).
struct VisualVocabulary {
  int64_t first_id = 0;  // ids first_id … first_id + groups·codes - 1; text has those before
  int64_t groups = 0;    // codes of a cell; 0: none
  int64_t codes = 0;
  // Tokens of the text vocabulary.
  int64_t start_id = -1, data_id = -1, frame_id = -1, end_id = -1;
  int64_t mask_id = -1;               // stands in a cell that is yet to be decided
  int64_t no_caption_id = -1;         // stands in the place of a caption: guidance
  std::vector<int64_t> digit_ids;     // "0" … "9"
  int64_t times_id = -1, at_id = -1;  // "*", "@"
  std::vector<int64_t> rope_pairs;    // rotary pairs of the axes time, row, column
  int64_t max_frame_cells = 0;        // of one latent frame
  int64_t reach = 1;   // cells around a cell's own place that it sees in the frame before
  int64_t hidden = 0;  // width between two codes of a cell

  bool drawn() const { return groups > 0; }
  // How many different cells there are: codes^groups.
  int64_t cells() const {
    int64_t all = groups > 0 ? 1 : 0;
    for (int64_t g = 0; g < groups; ++g) all *= codes;
    return all;
  }
  bool operator==(const VisualVocabulary&) const = default;
};

// Of the matrices.  fp8_fp4: experts in four bits; fp4: dense ones, too (Storing, weights.h).
enum class WeightFormat { bf16, fp8, fp8_fp4, fp4 };

struct ModelConfig {
  Family family = Family::v41;
  std::string architecture;  // "DeepseekV4ForCausalLM", …

  int64_t vocab = 0;
  int64_t width = 0;  // d
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t head_width = 0;  // c
  int64_t rope_width = 0;  // r
  int64_t query_rank = 0;
  int64_t output_groups = 0;
  int64_t output_rank = 0;
  int64_t window = 0;                    // W, includes the current token
  std::vector<int64_t> compress_ratios;  // one a layer, then one a draft layer
  double rope_theta = 10000;
  double compress_rope_theta = 160000;
  RopeScaling rope_scaling;
  int64_t max_positions = 0;

  int64_t index_heads = 0;
  int64_t index_width = 0;
  int64_t index_topk = 0;
  std::vector<int64_t> kv_sources;     // V4.1: "Full" layers
  std::vector<int64_t> index_sources;  // V4.1: layers with an indexer
  int64_t candidate_source = -1;       // -1: no candidate pool
  int64_t candidate_blocks = 0;
  int64_t candidate_block_size = 0;

  int64_t experts = 0;
  int64_t shared_experts = 1;
  int64_t experts_per_token = 0;
  int64_t expert_width = 0;
  int64_t hash_layers = 0;
  Scoring scoring = Scoring::sqrt_softplus;
  bool normalise_weights = true;
  double route_scale = 1;
  double gate_temperature = 1;
  double swiglu_limit = 0;

  int64_t streams = 4;  // S
  int64_t sinkhorn_rounds = 20;
  double hc_epsilon = 1e-6;
  double norm_epsilon = 1e-6;

  EngramConfig engram;
  DraftConfig draft;
  VisionConfig vision;
  VisualVocabulary visual;

  WeightFormat weights = WeightFormat::bf16;
  int64_t weight_block = 128;  // FP8 scale tile, and the activation block
  int64_t bos_id = 0, eos_id = 1;
  std::optional<int64_t> pad_id, image_id;
  double initializer_range = 0.02;

  static Result<ModelConfig> parse(std::string_view json, std::string_view name);
  static Result<ModelConfig> open(const std::string& path);  // config.json, or its folder
  std::string to_json() const;  // in the published layout; parse(to_json()) gives the same config

  // ---- what follows from it (§1.2, §1.3)
  int64_t ratio(int64_t layer) const { return compress_ratios[static_cast<size_t>(layer)]; }
  bool is_kv_source(int64_t layer) const;     // owns compressed rows (V4: every ratio > 0)
  bool is_index_source(int64_t layer) const;  // runs an indexer (V4: ratio 4)
  // The layer whose compressed rows (or choice) `layer` reads; -1: none (ratio 0, or V4's HCA
  // for the choice).
  int64_t kv_source_of(int64_t layer) const;
  int64_t index_source_of(int64_t layer) const;
  // V4's CSA: groups of 4 overlap, and an indexer chooses among them.
  bool overlapping(int64_t layer) const { return family == Family::v4 && ratio(layer) == 4; }
  // The first layer of the decoder half: after its compressor has read a token, older tokens
  // matter to layers from here on only through their windows (§1.3).  `layers` when there is none.
  int64_t decoder_start() const;
  int64_t engram_index(int64_t layer) const;  // position in engram.layers, or -1
  // Ids that text may choose from: the width of the logits.
  int64_t text_vocab() const { return visual.drawn() ? visual.first_id : vocab; }
  // How many positions back a window can reach: W-1, or two latent frames where there are any.
  int64_t window_reach() const {
    return std::max(window - 1, visual.drawn() ? 2 * (visual.max_frame_cells + 1) : 0);
  }
  bool operator==(const ModelConfig&) const = default;
};

}  // namespace hadal
