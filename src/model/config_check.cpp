// SPDX-License-Identifier: MIT
// Cross checks, one function a section of model-spec §1.1.
#include "model/config_check.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace hadal {
namespace {

using Limits = ConfigLimits;

class Check {
 public:
  Check(const ModelConfig& config, Problem& problem) : c(config), problem_(problem) {}

  void all() {
    widths();
    schedule();
    if (problem_) return;  // below, layers and their sources are looked up
    if (c.family == Family::v41) sources();
    if (problem_) return;
    indexer();
    candidates();
    experts();
    formats();
    tokens();
    if (c.engram.present() || !c.engram.table_rows.empty()) engram();
    draft();
    if (c.vision.layers > 0) vision();
    if (c.visual.groups > 0) visual();
  }

 private:
  // Requires `holds`; the key is one of the text model's.
  template <typename... Parts>
  void need(bool holds, const std::string& key, const Parts&... parts) {
    if (!holds) problem_.report((c.family == Family::v41 ? "text_config." : "") + key, parts...);
  }
  template <typename... Parts>
  void need_top(bool holds, const std::string& key, const Parts&... parts) {
    if (!holds) problem_.report(key, parts...);
  }

  void widths() {
    need(c.rope_width % 2 == 0 && c.rope_width <= c.head_width, "qk_rope_head_dim", c.rope_width,
         ", expected an even number up to head_dim ", c.head_width);
    need(c.heads % c.output_groups == 0, "o_groups", c.output_groups,
         " does not divide num_attention_heads ", c.heads);
    need(c.heads * c.head_width <= Limits::kHeadsWidth, "head_dim", "times num_attention_heads is ",
         c.heads * c.head_width, ", at most ", Limits::kHeadsWidth);
    need(c.output_groups * c.output_rank <= Limits::kHeadsWidth, "o_lora_rank",
         "times o_groups is ", c.output_groups * c.output_rank, ", at most ", Limits::kHeadsWidth);
    // Cached rows are rounded in whole blocks (§3.6).
    if (c.family == Family::v4)
      need((c.head_width - c.rope_width) % 64 == 0, "head_dim", c.head_width, " less the rotary ",
           c.rope_width, " is not a multiple of 64");
    else
      need(c.head_width % 32 == 0, "head_dim", c.head_width, " is not a multiple of 32");
  }

  void schedule() {
    const int64_t expected = c.layers + c.draft.layers;
    need(static_cast<int64_t>(c.compress_ratios.size()) == expected, "compress_ratios",
         c.compress_ratios.size(), " entries, expected ", c.layers, " layers and ", c.draft.layers,
         " draft layers");
    if (problem_) return;
    for (int64_t layer = c.layers; layer < expected; ++layer)
      need(c.ratio(layer) == 0, "compress_ratios", "draft layer ", layer, " has ratio ",
           c.ratio(layer), ", expected 0");
  }

  void rising(const std::vector<int64_t>& ids, const std::string& key) {
    for (size_t i = 0; i < ids.size(); ++i) {
      need(ids[i] < c.layers, key, ids[i], ", the last layer is ", c.layers - 1);
      need(i == 0 || ids[i - 1] < ids[i], key, ids[i], " does not rise");
    }
  }

  // Every layer with a ratio reads rows of the nearest source before it (§1.3).
  void sources() {
    rising(c.kv_sources, "kv_source_layer_ids");
    rising(c.index_sources, "index_source_layer_ids");
    if (problem_) return;
    for (int64_t source : c.kv_sources) {
      need(c.ratio(source) > 0, "kv_source_layer_ids", source, " has compress_ratio 0");
      need(c.is_index_source(source), "kv_source_layer_ids", source,
           " is not in index_source_layer_ids");
    }
    for (int64_t source : c.index_sources)
      need(c.ratio(source) > 0, "index_source_layer_ids", source, " has compress_ratio 0");
    for (int64_t layer = 0; layer < c.layers; ++layer) {
      if (c.ratio(layer) == 0) continue;
      const int64_t source = c.kv_source_of(layer);
      need(source >= 0, "kv_source_layer_ids", "no source for layer ", layer);
      if (source < 0) return;
      need(c.ratio(source) == c.ratio(layer), "compress_ratios", "layer ", layer, " has ratio ",
           c.ratio(layer), ", its source ", source, " has ", c.ratio(source));
    }
  }

  void indexer() {
    bool any = false;
    for (int64_t layer = 0; layer < c.layers; ++layer) any |= c.is_index_source(layer);
    if (!any) return;
    need(c.index_heads > 0, "index_n_heads", "missing");
    need(c.index_width > 0, "index_head_dim", "missing");
    need(c.index_topk > 0, "index_topk", c.index_topk, ", expected at least 1");
    need(c.index_heads * c.index_width <= Limits::kHeadsWidth, "index_head_dim",
         "times index_n_heads is ", c.index_heads * c.index_width, ", at most ",
         Limits::kHeadsWidth);
    need(c.index_width >= c.rope_width, "index_head_dim", c.index_width,
         ", expected at least qk_rope_head_dim ", c.rope_width);
    need(c.index_width % 32 == 0, "index_head_dim", c.index_width, " is not a multiple of 32");
    if (c.family == Family::v4)  // it is turned by a Hadamard matrix
      need(std::has_single_bit(static_cast<uint64_t>(c.index_width)), "index_head_dim",
           c.index_width, " is not a power of two");
  }

  void candidates() {
    if (c.candidate_source < 0) return;
    const std::string key = "candidate_source_layer_id";
    need(c.candidate_source < c.layers && c.is_index_source(c.candidate_source), key,
         c.candidate_source, " is not in index_source_layer_ids");
    need(c.candidate_blocks > 0, "candidate_topk_blocks", "expected at least 1");
    need(c.candidate_block_size > 0, "candidate_block_size", "expected at least 1");
    if (problem_) return;
    // The pool counts entries of one source.
    for (int64_t layer : c.index_sources)
      need(
          layer < c.candidate_source || c.kv_source_of(layer) == c.kv_source_of(c.candidate_source),
          key, "layer ", layer, " chooses among rows of layer ", c.kv_source_of(layer));
  }

  void experts() {
    need(c.experts_per_token <= c.experts, "num_experts_per_tok", c.experts_per_token,
         ", n_routed_experts is ", c.experts);
    need(c.hash_layers <= c.layers, "num_hash_layers", c.hash_layers, ", num_hidden_layers is ",
         c.layers);
    const int64_t all = (c.layers + c.draft.layers) * std::max(c.experts, c.draft.experts);
    need(all <= Limits::kAllExperts, "n_routed_experts", all, " experts in all layers, at most ",
         Limits::kAllExperts);
  }

  void formats() {
    if (c.weights != WeightFormat::fp8_fp4) return;
    need(c.width % 32 == 0, "hidden_size", c.width, " is not a multiple of 32, as fp4 needs");
    need(c.expert_width % 32 == 0, "moe_intermediate_size", c.expert_width,
         " is not a multiple of 32, as fp4 needs");
  }

  void token(std::optional<int64_t> id, const std::string& key) {
    need_top(id.value_or(0) < c.vocab, key, id.value_or(0), ", vocab_size is ", c.vocab);
  }
  void tokens() {
    token(c.bos_id, "bos_token_id");
    token(c.eos_id, "eos_token_id");
    token(c.pad_id, "pad_token_id");
    token(c.image_id, "image_token_id");
  }

  void engram() {
    const EngramConfig& e = c.engram;
    rising(e.layers, "engram_layer_ids");
    need(e.table_rows.size() == e.layers.size(), "engram_num_embeddings", e.table_rows.size(),
         " entries, engram_layer_ids has ", e.layers.size());
    need(e.pad_id < c.vocab, "engram_pad_token_id", e.pad_id, ", vocab_size is ", c.vocab);
    need(e.compressed_vocab <= c.vocab, "engram_compressed_vocab_size", e.compressed_vocab,
         ", vocab_size is ", c.vocab);
    if (c.weights != WeightFormat::bf16)
      need(e.head_width % 32 == 0, "engram_head_dim", e.head_width,
           " is not a multiple of 32, as fp8 needs");
    if (problem_) return;
    const std::vector<std::vector<int64_t>> primes = e.primes();
    for (size_t i = 0; i < e.layers.size(); ++i) {
      const int64_t rows = std::accumulate(primes[i].begin(), primes[i].end(), int64_t{0});
      need(e.table_rows[i] == rows, "engram_num_embeddings", e.table_rows[i], " for layer ",
           e.layers[i], ", the primes from engram_vocab_size on sum to ", rows);
    }
  }

  void draft() {
    const DraftConfig& d = c.draft;
    if (d.layers == 0 || (c.family == Family::v4 && d.block == 0)) return;
    need(d.block > 0, "dspark_block_size", "expected at least 1");
    need(d.noise_id < c.vocab, "dspark_noise_token_id", d.noise_id, ", vocab_size is ", c.vocab);
    need(!d.target_layers.empty(), "dspark_target_layer_ids", "no layer");
    rising(d.target_layers, "dspark_target_layer_ids");
    need(d.markov_rank > 0, "dspark_markov_rank", "expected at least 1");
    need((d.experts == 0) == (d.experts_per_token == 0), "dspark_num_experts_per_tok",
         d.experts_per_token, ", dspark_n_routed_experts is ", d.experts);
    need(d.experts_per_token <= (d.experts ? d.experts : c.experts), "dspark_num_experts_per_tok",
         d.experts_per_token, ", dspark_n_routed_experts is ", d.experts);
  }

  void vision() {
    const VisionConfig& v = c.vision;
    // Half of a head's channels turn with the row, half with the column, in pairs.
    need_top(v.width % (4 * v.heads) == 0, "vision_config.hidden_size", v.width, " by ", v.heads,
             " heads does not give a head width that is a multiple of 4");
    need_top(c.image_id.has_value(), "image_token_id", "missing");
  }

  void visual() {
    const int64_t end = c.visual.first_id + c.visual.groups * c.visual.codes;
    need_top(end <= c.vocab, "hadal.visual_vocabulary", "ids up to ", end - 1, ", vocab_size is ",
             c.vocab);
  }

  const ModelConfig& c;
  Problem& problem_;
};

}  // namespace

void check_config(const ModelConfig& config, Problem& problem) {
  Check(config, problem).all();
}

}  // namespace hadal
