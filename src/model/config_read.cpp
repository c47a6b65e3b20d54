// SPDX-License-Identifier: MIT
// config.json: every key of model-spec §1.1, in its order.  What follows from several keys at
// once is checked in config_check.cpp.
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "model/config.h"
#include "model/config_check.h"
#include "model/fields.h"

namespace hadal {
namespace {

using Limits = ConfigLimits;
constexpr Range kWidths{1, Limits::kWidth};
constexpr Reals kEpsilons{1e-30, 1e-2};
constexpr Reals kThetas{1.0, 1e12};
constexpr size_t kLongestSchedule = Limits::kLayers + Limits::kDraftLayers;

// Loader selectors that stand for exactly one family.
constexpr std::string_view kArchitectures[] = {"DeepseekV4ForCausalLM", "DeepseekV41ForCausalLM"};
constexpr std::string_view kModelTypes[] = {"deepseek_v4", "deepseek_v41"};

void read_architecture(ModelConfig& config, Fields& top, Problem& problem) {
  const size_t family = top.word("model_type", {kModelTypes[0], kModelTypes[1]});
  config.family = family == 0 ? Family::v4 : Family::v41;
  const nlohmann::json& names = top.array("architectures");
  if (names.size() != 1 || names[0] != kArchitectures[family])
    problem.report(top.path("architectures"), printable(names.dump(-1, ' ', true)),
                   ", expected [\"", kArchitectures[family], "\"]");
  config.architecture = kArchitectures[family];
}

void read_tokens(ModelConfig& config, Fields& top) {
  constexpr Range kIds{0, Limits::kVocab};
  config.bos_id = top.integer("bos_token_id", kIds);
  config.eos_id = top.integer("eos_token_id", kIds);
  config.pad_id = top.maybe_integer("pad_token_id", kIds);
  config.image_id = top.maybe_integer("image_token_id", kIds);
}

void read_rope(ModelConfig& config, Fields& text) {
  config.rope_theta = text.real("rope_theta", kThetas);
  bool compressed = false;
  for (int64_t ratio : config.compress_ratios) compressed |= ratio > 0;
  if (compressed || text.has("compress_rope_theta"))
    config.compress_rope_theta = text.real("compress_rope_theta", kThetas);
  if (compressed || text.has("rope_scaling")) {
    Fields scaling = text.object("rope_scaling");
    // The key was renamed between the two families; one of them must be there.
    scaling.word(scaling.has("rope_type") ? "rope_type" : "type", {"yarn"});
    if (scaling.has("rope_type")) scaling.only_text("type", "yarn");
    RopeScaling& rope = config.rope_scaling;
    rope.factor = scaling.real("factor", {1, 1e6});
    rope.beta_fast = scaling.real("beta_fast", {1e-3, 1e6});
    rope.beta_slow = scaling.real("beta_slow", {1e-3, 1e6});
    rope.original_positions =
        scaling.integer("original_max_position_embeddings", {1, Limits::kContext});
    scaling.finish();
  }
  config.max_positions = text.integer("max_position_embeddings", {1, Limits::kContext});
}

void read_attention(ModelConfig& config, Fields& text) {
  config.heads = text.integer("num_attention_heads", kWidths);
  text.only_integer("num_key_value_heads", 1);
  config.head_width = text.integer("head_dim", kWidths);
  config.rope_width = text.integer("qk_rope_head_dim", kWidths);
  config.query_rank = text.integer("q_lora_rank", kWidths);
  config.output_groups = text.integer("o_groups", kWidths);
  config.output_rank = text.integer("o_lora_rank", kWidths);
  config.window = text.integer("sliding_window", kWidths);
  config.compress_ratios = text.integers("compress_ratios", {0, Limits::kWidth}, kLongestSchedule);
  read_rope(config, text);
}

void read_indexer(ModelConfig& config, Fields& text) {
  constexpr Range kSizes{0, Limits::kWidth};
  constexpr Range kIds{0, Limits::kLayers};
  config.index_heads = text.integer_or("index_n_heads", kSizes, 0);
  config.index_width = text.integer_or("index_head_dim", kSizes, 0);
  config.index_topk = text.integer_or("index_topk", kSizes, 0);
  if (config.family == Family::v4) return;
  config.kv_sources = text.integers_or_none("kv_source_layer_ids", kIds, Limits::kLayers);
  config.index_sources = text.integers_or_none("index_source_layer_ids", kIds, Limits::kLayers);
  config.candidate_source = text.maybe_integer("candidate_source_layer_id", kIds).value_or(-1);
  config.candidate_blocks = text.integer_or("candidate_topk_blocks", kSizes, 0);
  config.candidate_block_size = text.integer_or("candidate_block_size", kSizes, 0);
}

void read_experts(ModelConfig& config, Fields& text) {
  constexpr Range kExperts{1, Limits::kExperts};
  config.experts = text.integer("n_routed_experts", kExperts);
  config.shared_experts = text.integer("n_shared_experts", {1, 1});
  config.experts_per_token = text.integer("num_experts_per_tok", kExperts);
  config.expert_width = text.integer("moe_intermediate_size", kWidths);
  const int64_t hash_limit = config.family == Family::v4 ? Limits::kLayers : 0;
  config.hash_layers = text.integer_or("num_hash_layers", {0, hash_limit}, 0);
  config.scoring =
      static_cast<Scoring>(text.word("scoring_func", {"sqrtsoftplus", "softmax", "sigmoid"}));
  text.only_text("topk_method", "noaux_tc");
  config.normalise_weights = text.boolean("norm_topk_prob");
  config.route_scale = text.real("routed_scaling_factor", {1e-6, 1e6});
  config.gate_temperature = text.real_or("gate_temp", {1e-6, 1e6}, 1);
  config.swiglu_limit = text.real("swiglu_limit", {0, 1e6});
  text.only_text("hidden_act", "silu");
}

void read_streams(ModelConfig& config, Fields& text) {
  config.streams = text.integer("hc_mult", {1, 8});
  config.sinkhorn_rounds = text.integer("hc_sinkhorn_iters", {1, 1000});
  config.hc_epsilon = text.real("hc_eps", kEpsilons);
  config.norm_epsilon = text.real("rms_norm_eps", kEpsilons);
}

void read_engram(ModelConfig& config, Fields& text) {
  EngramConfig& engram = config.engram;
  engram.layers =
      text.integers_or_none("engram_layer_ids", {0, Limits::kLayers}, Limits::kEngramLayers);
  if (!engram.present() && !text.has("engram_num_embeddings")) return;
  engram.table_rows =
      text.integers("engram_num_embeddings", {1, int64_t{1} << 40}, Limits::kEngramLayers);
  engram.max_ngram = text.integer("engram_max_ngram_size", {2, Limits::kEngramOrder});
  engram.prime_base = text.integer("engram_vocab_size", {2, Limits::kPrimeBase});
  engram.heads = text.integer("engram_n_heads", {1, Limits::kEngramHeads});
  engram.head_width = text.integer("engram_head_dim", {1, Limits::kEngramWidth});
  engram.pad_id = text.integer("engram_pad_token_id", {0, Limits::kVocab});
  engram.compressed_vocab = text.integer("engram_compressed_vocab_size", {1, Limits::kVocab});
}

void read_draft(ModelConfig& config, Fields& text) {
  DraftConfig& draft = config.draft;
  constexpr Range kIds{0, Limits::kLayers};
  draft.block = text.integer_or("dspark_block_size", {0, 1024}, 0);
  draft.noise_id = text.integer_or("dspark_noise_token_id", {0, Limits::kVocab}, 0);
  draft.target_layers = text.integers_or_none("dspark_target_layer_ids", kIds, Limits::kLayers);
  draft.markov_rank = text.integer_or("dspark_markov_rank", {0, Limits::kWidth}, 0);
  draft.experts = text.integer_or("dspark_n_routed_experts", {0, Limits::kExperts}, 0);
  draft.experts_per_token = text.integer_or("dspark_num_experts_per_tok", {0, Limits::kExperts}, 0);
  const int64_t told = text.integer("num_nextn_predict_layers", {0, Limits::kDraftLayers});
  // V4-Flash-0731 tells the number of its DSpark layers by the schedule alone (§1.2).
  const int64_t scheduled = static_cast<int64_t>(config.compress_ratios.size()) - config.layers;
  const bool by_schedule = config.family == Family::v4 && draft.block > 0 && scheduled >= 0;
  draft.layers = by_schedule ? scheduled : told;
}

// The text model: flat in V4, in text_config in V4.1.
void read_text(ModelConfig& config, Fields& text) {
  config.vocab = text.integer("vocab_size", {1, Limits::kVocab});
  config.width = text.integer("hidden_size", kWidths);
  config.layers = text.integer("num_hidden_layers", {1, Limits::kLayers});
  read_attention(config, text);
  read_indexer(config, text);
  read_experts(config, text);
  read_streams(config, text);
  if (config.family == Family::v41) read_engram(config, text);
  read_draft(config, text);
  config.initializer_range = text.real_or("initializer_range", {0, 10}, 0.02);
  text.only_boolean("tie_word_embeddings", false);
  text.only_boolean("attention_bias", false);
  text.only_real("attention_dropout", 0);
  for (const char* key : {"torch_dtype", "dtype", "transformers_version"}) text.skip_text(key);
  text.skip_boolean("use_cache");
}

void read_vision(ModelConfig& config, Fields vision) {
  VisionConfig& v = config.vision;
  vision.only_text("model_type", "deepseek_v41_vision");
  v.layers = vision.integer("num_hidden_layers", {1, Limits::kLayers});
  v.width = vision.integer("hidden_size", kWidths);
  v.heads = vision.integer("num_attention_heads", kWidths);
  v.intermediate = vision.integer("intermediate_size", kWidths);
  v.patch = vision.integer("patch_size", {1, 256});
  v.rope_theta = vision.real("rope_theta", kThetas);
  v.downsample = vision.integer("downsample_ratio", {1, 16});
  v.max_image_tokens = vision.integer("max_image_tokens", {4, Limits::kWidth});
  v.min_pixels = vision.integer("min_pixels", {0, Limits::kContext});
  v.max_aspect = vision.maybe_real("max_wh_ratio", {1, 1e6});
  vision.finish();
}

// §8.2: without quantization_config all values are plain.
void read_formats(ModelConfig& config, Fields& top, Problem& problem) {
  if (!top.has("quantization_config")) {
    if (top.has("expert_dtype"))
      problem.report(top.path("expert_dtype"), "needs quantization_config");
    config.weights = WeightFormat::bf16;
    return;
  }
  Fields formats = top.object("quantization_config");
  formats.only_text("quant_method", "fp8");
  formats.only_text("activation_scheme", "dynamic");
  formats.only_text("fmt", "e4m3");
  formats.only_text("scale_fmt", "ue8m0");
  const std::vector<int64_t> block = formats.integers("weight_block_size", {1, 4096}, 2);
  // Activations are rounded in blocks of the same width, and 32 and 128 are all there is.
  if (block.size() == 2 && block[0] == block[1] && (block[0] == 32 || block[0] == 128))
    config.weight_block = block[0];
  else
    problem.report(formats.path("weight_block_size"), "expected [32, 32] or [128, 128]");
  Fields& place = top.has("expert_dtype") ? top : formats;  // V4: outside, V4.1: inside
  const bool fp4 = place.has("expert_dtype") && place.word("expert_dtype", {"fp8", "fp4"}) == 1;
  config.weights = fp4 ? WeightFormat::fp8_fp4 : WeightFormat::fp8;
  formats.finish();
}

// Dense matrices in four bits are Hadal's addition; published models have them in eight.
void read_dense_format(ModelConfig& config, Fields& hadal, Problem& problem) {
  if (!hadal.has("dense_dtype")) return;
  if (hadal.word("dense_dtype", {"fp8", "fp4"}) == 0) return;
  if (config.weights != WeightFormat::fp8_fp4)
    problem.report(hadal.path("dense_dtype"), "fp4 needs expert_dtype fp4");
  config.weights = WeightFormat::fp4;
}

void read_hadal(ModelConfig& config, Fields hadal, Problem& problem) {
  read_dense_format(config, hadal, problem);
  if (hadal.has("visual")) {
    VisualVocabulary& v = config.visual;
    const Range ids{0, Limits::kVocab};
    Fields visual = hadal.object("visual");
    v.first_id = visual.integer("first_id", ids);
    v.groups = visual.integer("groups", {1, 64});
    v.codes = visual.integer("codes", {2, Limits::kVocab});
    v.start_id = visual.integer("start_id", ids);
    v.data_id = visual.integer("data_id", ids);
    v.frame_id = visual.integer("frame_id", ids);
    v.end_id = visual.integer("end_id", ids);
    v.mask_id = visual.integer("mask_id", ids);
    v.no_caption_id = visual.integer("no_caption_id", ids);
    v.digit_ids = visual.integers("digit_ids", ids, 10);
    v.times_id = visual.integer("times_id", ids);
    v.at_id = visual.integer("at_id", ids);
    v.rope_pairs = visual.integers("rope_pairs", {0, Limits::kWidth}, 3);
    v.max_frame_cells = visual.integer("max_frame_cells", {1, Limits::kFrameCells});
    v.reach = visual.integer("reach", {0, 16});
    v.hidden = visual.integer("hidden", {1, Limits::kWidth});
    visual.finish();
  }
  hadal.finish();
}

void read_document(ModelConfig& config, const nlohmann::json& document, Problem& problem) {
  Fields top(document, "", problem);
  read_architecture(config, top, problem);
  read_tokens(config, top);
  read_formats(config, top, problem);
  if (config.family == Family::v41) {
    Fields text = top.object("text_config");
    text.only_text("model_type", "deepseek_v41_text");
    read_text(config, text);
    text.finish();
    if (top.has("vision_config")) read_vision(config, top.object("vision_config"));
    top.only_boolean("tie_word_embeddings", false);
    for (const char* key : {"torch_dtype", "dtype", "transformers_version"}) top.skip_text(key);
  } else {
    read_text(config, top);
  }
  if (top.has("hadal")) read_hadal(config, top.object("hadal"), problem);
  top.finish();
}

}  // namespace

Result<ModelConfig> ModelConfig::parse(std::string_view json, std::string_view name) {
  TRY(const nlohmann::json document, parse_json(json, name, {}));
  ModelConfig config;
  Problem problem(name);
  read_document(config, document, problem);
  if (!problem) check_config(config, problem);
  if (problem) return problem.error();
  return config;
}

Result<ModelConfig> ModelConfig::open(const std::string& path) {
  const std::string file = is_folder(path) ? path + "/config.json" : path;
  TRY(const std::string text, read_file(file, JsonLimits{}.bytes));
  return parse(text, file);
}

}  // namespace hadal
