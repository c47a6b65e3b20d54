// SPDX-License-Identifier: MIT
// A configuration in the published layout: what config_read.cpp reads, in the order it reads it.
#include <nlohmann/json.hpp>

#include "model/config.h"

namespace hadal {
namespace {

using Json = nlohmann::ordered_json;

// 10000 rather than 10000.0, as in the published files.
Json number(double value) {
  if (value == static_cast<double>(static_cast<int64_t>(value)) && value < 1e15 && value > -1e15)
    return static_cast<int64_t>(value);
  return value;
}

void write_attention(const ModelConfig& c, Json& text) {
  text["num_attention_heads"] = c.heads;
  text["num_key_value_heads"] = 1;
  text["head_dim"] = c.head_width;
  text["qk_rope_head_dim"] = c.rope_width;
  text["q_lora_rank"] = c.query_rank;
  text["o_groups"] = c.output_groups;
  text["o_lora_rank"] = c.output_rank;
  text["attention_bias"] = false;
  text["attention_dropout"] = 0.0;
  text["sliding_window"] = c.window;
  text["compress_ratios"] = c.compress_ratios;
  text["rope_theta"] = number(c.rope_theta);
  text["compress_rope_theta"] = number(c.compress_rope_theta);
  Json& rope = text["rope_scaling"];
  rope[c.family == Family::v4 ? "type" : "rope_type"] = "yarn";
  rope["factor"] = number(c.rope_scaling.factor);
  rope["beta_fast"] = number(c.rope_scaling.beta_fast);
  rope["beta_slow"] = number(c.rope_scaling.beta_slow);
  rope["original_max_position_embeddings"] = c.rope_scaling.original_positions;
  text["max_position_embeddings"] = c.max_positions;
}

void write_indexer(const ModelConfig& c, Json& text) {
  text["index_n_heads"] = c.index_heads;
  text["index_head_dim"] = c.index_width;
  text["index_topk"] = c.index_topk;
  if (c.family == Family::v4) return;
  text["kv_source_layer_ids"] = c.kv_sources;
  text["index_source_layer_ids"] = c.index_sources;
  if (c.candidate_source >= 0) text["candidate_source_layer_id"] = c.candidate_source;
  text["candidate_topk_blocks"] = c.candidate_blocks;
  text["candidate_block_size"] = c.candidate_block_size;
}

void write_experts(const ModelConfig& c, Json& text) {
  static constexpr const char* kScorings[] = {"sqrtsoftplus", "softmax", "sigmoid"};
  text["n_routed_experts"] = c.experts;
  text["n_shared_experts"] = c.shared_experts;
  text["num_experts_per_tok"] = c.experts_per_token;
  text["moe_intermediate_size"] = c.expert_width;
  if (c.family == Family::v4) text["num_hash_layers"] = c.hash_layers;
  text["scoring_func"] = kScorings[static_cast<int>(c.scoring)];
  text["topk_method"] = "noaux_tc";
  text["norm_topk_prob"] = c.normalise_weights;
  text["routed_scaling_factor"] = number(c.route_scale);
  if (c.gate_temperature != 1) text["gate_temp"] = number(c.gate_temperature);
  text["swiglu_limit"] = c.swiglu_limit;
  text["hidden_act"] = "silu";
}

void write_streams(const ModelConfig& c, Json& text) {
  text["hc_mult"] = c.streams;
  text["hc_sinkhorn_iters"] = c.sinkhorn_rounds;
  text["hc_eps"] = c.hc_epsilon;
  text["rms_norm_eps"] = c.norm_epsilon;
}

void write_engram(const EngramConfig& e, Json& text) {
  if (!e.present()) return;
  text["engram_layer_ids"] = e.layers;
  text["engram_num_embeddings"] = e.table_rows;
  text["engram_max_ngram_size"] = e.max_ngram;
  text["engram_vocab_size"] = e.prime_base;
  text["engram_n_heads"] = e.heads;
  text["engram_head_dim"] = e.head_width;
  text["engram_pad_token_id"] = e.pad_id;
  text["engram_compressed_vocab_size"] = e.compressed_vocab;
}

void write_draft(const ModelConfig& c, Json& text) {
  const DraftConfig& d = c.draft;
  text["num_nextn_predict_layers"] = d.layers;
  if (c.family == Family::v4 && d.block == 0) return;
  text["dspark_block_size"] = d.block;
  text["dspark_noise_token_id"] = d.noise_id;
  text["dspark_target_layer_ids"] = d.target_layers;
  text["dspark_markov_rank"] = d.markov_rank;
  text["dspark_n_routed_experts"] = d.experts;
  text["dspark_num_experts_per_tok"] = d.experts_per_token;
}

void write_text(const ModelConfig& c, Json& text) {
  text["vocab_size"] = c.vocab;
  text["hidden_size"] = c.width;
  text["num_hidden_layers"] = c.layers;
  write_attention(c, text);
  write_indexer(c, text);
  write_experts(c, text);
  write_streams(c, text);
  write_engram(c.engram, text);
  write_draft(c, text);
  text["initializer_range"] = c.initializer_range;
  text["tie_word_embeddings"] = false;
  text["use_cache"] = true;
}

void write_tokens(const ModelConfig& c, Json& top) {
  top["bos_token_id"] = c.bos_id;
  top["eos_token_id"] = c.eos_id;
  if (c.pad_id) top["pad_token_id"] = *c.pad_id;
  if (c.image_id) top["image_token_id"] = *c.image_id;
}

void write_formats(const ModelConfig& c, Json& top) {
  if (c.weights == WeightFormat::bf16) return;
  Json formats;
  formats["quant_method"] = "fp8";
  formats["activation_scheme"] = "dynamic";
  if (c.family == Family::v4) formats["fmt"] = "e4m3";
  formats["weight_block_size"] = {c.weight_block, c.weight_block};
  formats["scale_fmt"] = "ue8m0";
  (c.family == Family::v4 ? top : formats)["expert_dtype"] =
      c.weights == WeightFormat::fp8 ? "fp8" : "fp4";
  top["quantization_config"] = formats;
}

void write_vision(const VisionConfig& v, Json& top) {
  if (v.layers == 0) return;
  Json& vision = top["vision_config"];
  vision["model_type"] = "deepseek_v41_vision";
  vision["num_hidden_layers"] = v.layers;
  vision["hidden_size"] = v.width;
  vision["num_attention_heads"] = v.heads;
  vision["intermediate_size"] = v.intermediate;
  vision["patch_size"] = v.patch;
  vision["rope_theta"] = number(v.rope_theta);
  vision["downsample_ratio"] = v.downsample;
  vision["max_image_tokens"] = v.max_image_tokens;
  vision["min_pixels"] = v.min_pixels;
  vision["max_wh_ratio"] = v.max_aspect ? Json(*v.max_aspect) : Json(nullptr);
}

}  // namespace

std::string ModelConfig::to_json() const {
  Json top;
  top["architectures"] = {architecture};
  top["model_type"] = family == Family::v4 ? "deepseek_v4" : "deepseek_v41";
  if (family == Family::v4) {
    top["torch_dtype"] = "bfloat16";
    write_tokens(*this, top);
    write_text(*this, top);
    write_formats(*this, top);
  } else {
    top["dtype"] = "bfloat16";
    write_tokens(*this, top);
    write_formats(*this, top);
    Json& text = top["text_config"];
    text["model_type"] = "deepseek_v41_text";
    write_text(*this, text);
    write_vision(vision, top);
  }
  if (weights == WeightFormat::fp4) top["hadal"]["dense_dtype"] = "fp4";
  if (visual.groups > 0)
    top["hadal"]["visual"] = {{"first_id", visual.first_id},
                              {"groups", visual.groups},
                              {"codes", visual.codes},
                              {"start_id", visual.start_id},
                              {"data_id", visual.data_id},
                              {"frame_id", visual.frame_id},
                              {"end_id", visual.end_id},
                              {"mask_id", visual.mask_id},
                              {"no_caption_id", visual.no_caption_id},
                              {"digit_ids", visual.digit_ids},
                              {"times_id", visual.times_id},
                              {"at_id", visual.at_id},
                              {"rope_pairs", visual.rope_pairs},
                              {"max_frame_cells", visual.max_frame_cells},
                              {"reach", visual.reach},
                              {"hidden", visual.hidden}};
  return top.dump(2) + "\n";
}

}  // namespace hadal
