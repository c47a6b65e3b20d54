// SPDX-License-Identifier: MIT
// Cross checks, one function a section of model-spec §1.1.
#include "model/config_check.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace hadal {
namespace {

using Limits = ConfigLimits;

// Of an image made ready for the encoder; the published configuration allows two million.
constexpr int64_t kImagePixels = int64_t{1} << 28;

class Check {
 public:
  Check(const ModelConfig& config, Problem& problem) : config_(config), problem_(problem) {}

  void all() {
    widths();
    schedule();
    if (problem_) return;  // below, layers and their sources are looked up
    if (config_.family == Family::v41) sources();
    if (problem_) return;
    indexer();
    candidates();
    experts();
    formats();
    tokens();
    if (config_.engram.present() || !config_.engram.table_rows.empty()) engram();
    draft();
    if (config_.vision.layers > 0) vision();
    if (config_.visual.groups > 0) visual();
  }

 private:
  // Requires `holds`; the key is one of the text model's.
  template <typename... Parts>
  void need(bool holds, const std::string& key, const Parts&... parts) {
    if (!holds)
      problem_.report((config_.family == Family::v41 ? "text_config." : "") + key, parts...);
  }
  template <typename... Parts>
  void need_top(bool holds, const std::string& key, const Parts&... parts) {
    if (!holds) problem_.report(key, parts...);
  }

  void widths() {
    need(config_.rope_width % 2 == 0 && config_.rope_width <= config_.head_width,
         "qk_rope_head_dim", config_.rope_width, ", expected an even number up to head_dim ",
         config_.head_width);
    need(config_.heads % config_.output_groups == 0, "o_groups", config_.output_groups,
         " does not divide num_attention_heads ", config_.heads);
    need(config_.heads * config_.head_width <= Limits::kHeadsWidth, "head_dim",
         "times num_attention_heads is ", config_.heads * config_.head_width, ", at most ",
         Limits::kHeadsWidth);
    need(config_.output_groups * config_.output_rank <= Limits::kHeadsWidth, "o_lora_rank",
         "times o_groups is ", config_.output_groups * config_.output_rank, ", at most ",
         Limits::kHeadsWidth);
    // Cached rows are rounded in whole blocks (§3.6).
    if (config_.family == Family::v4)
      need((config_.head_width - config_.rope_width) % 64 == 0, "head_dim", config_.head_width,
           " less the rotary ", config_.rope_width, " is not a multiple of 64");
    else
      need(config_.head_width % 32 == 0, "head_dim", config_.head_width,
           " is not a multiple of 32");
  }

  void schedule() {
    const int64_t expected = config_.layers + config_.draft.layers;
    need(static_cast<int64_t>(config_.compress_ratios.size()) == expected, "compress_ratios",
         config_.compress_ratios.size(), " entries, expected ", config_.layers, " layers and ",
         config_.draft.layers, " draft layers");
    if (problem_) return;
    for (int64_t layer = config_.layers; layer < expected; ++layer)
      need(config_.ratio(layer) == 0, "compress_ratios", "draft layer ", layer, " has ratio ",
           config_.ratio(layer), ", expected 0");
  }

  void rising(const std::vector<int64_t>& ids, const std::string& key) {
    for (size_t i = 0; i < ids.size(); ++i) {
      need(ids[i] < config_.layers, key, ids[i], ", the last layer is ", config_.layers - 1);
      need(i == 0 || ids[i - 1] < ids[i], key, ids[i], " does not rise");
    }
  }

  // Every layer with a ratio reads rows of the nearest source before it (§1.3).
  void sources() {
    rising(config_.kv_sources, "kv_source_layer_ids");
    rising(config_.index_sources, "index_source_layer_ids");
    if (problem_) return;
    for (int64_t source : config_.kv_sources) {
      need(config_.ratio(source) > 0, "kv_source_layer_ids", source, " has compress_ratio 0");
      need(config_.is_index_source(source), "kv_source_layer_ids", source,
           " is not in index_source_layer_ids");
    }
    for (int64_t source : config_.index_sources)
      need(config_.ratio(source) > 0, "index_source_layer_ids", source, " has compress_ratio 0");
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      if (config_.ratio(layer) == 0) continue;
      const int64_t source = config_.kv_source_of(layer);
      need(source >= 0, "kv_source_layer_ids", "no source for layer ", layer);
      if (source < 0) return;
      need(config_.ratio(source) == config_.ratio(layer), "compress_ratios", "layer ", layer,
           " has ratio ", config_.ratio(layer), ", its source ", source, " has ",
           config_.ratio(source));
    }
  }

  void indexer() {
    bool any = false;
    for (int64_t layer = 0; layer < config_.layers; ++layer) any |= config_.is_index_source(layer);
    if (!any) return;
    need(config_.index_heads > 0, "index_n_heads", "missing");
    need(config_.index_width > 0, "index_head_dim", "missing");
    need(config_.index_topk > 0, "index_topk", config_.index_topk, ", expected at least 1");
    need(config_.index_heads * config_.index_width <= Limits::kHeadsWidth, "index_head_dim",
         "times index_n_heads is ", config_.index_heads * config_.index_width, ", at most ",
         Limits::kHeadsWidth);
    need(config_.index_width >= config_.rope_width, "index_head_dim", config_.index_width,
         ", expected at least qk_rope_head_dim ", config_.rope_width);
    need(config_.index_width % 32 == 0, "index_head_dim", config_.index_width,
         " is not a multiple of 32");
    if (config_.family == Family::v4)  // it is turned by a Hadamard matrix
      need(std::has_single_bit(static_cast<uint64_t>(config_.index_width)), "index_head_dim",
           config_.index_width, " is not a power of two");
  }

  void candidates() {
    if (config_.candidate_source < 0) return;
    const std::string key = "candidate_source_layer_id";
    need(config_.candidate_source < config_.layers &&
             config_.is_index_source(config_.candidate_source),
         key, config_.candidate_source, " is not in index_source_layer_ids");
    need(config_.candidate_blocks > 0, "candidate_topk_blocks", "expected at least 1");
    need(config_.candidate_block_size > 0, "candidate_block_size", "expected at least 1");
    if (problem_) return;
    // The pool counts entries of one source.
    for (int64_t layer : config_.index_sources)
      need(layer < config_.candidate_source ||
               config_.kv_source_of(layer) == config_.kv_source_of(config_.candidate_source),
           key, "layer ", layer, " chooses among rows of layer ", config_.kv_source_of(layer));
  }

  void experts() {
    need(config_.experts_per_token <= config_.experts, "num_experts_per_tok",
         config_.experts_per_token, ", n_routed_experts is ", config_.experts);
    need(config_.hash_layers <= config_.layers, "num_hash_layers", config_.hash_layers,
         ", num_hidden_layers is ", config_.layers);
    const int64_t all =
        (config_.layers + config_.draft.layers) * std::max(config_.experts, config_.draft.experts);
    need(all <= Limits::kAllExperts, "n_routed_experts", all, " experts in all layers, at most ",
         Limits::kAllExperts);
  }

  void formats() {
    const bool dense = config_.weights == WeightFormat::fp4;
    if (config_.weights != WeightFormat::fp8_fp4 && !dense) return;
    const auto whole_blocks = [this](int64_t inputs, const std::string& key) {
      need(inputs % 32 == 0, key, inputs, " is not a multiple of 32, as fp4 needs");
    };
    whole_blocks(config_.width, "hidden_size");
    whole_blocks(config_.expert_width, "moe_intermediate_size");
    if (!dense) return;
    whole_blocks(config_.query_rank, "q_lora_rank");
    whole_blocks(config_.heads / config_.output_groups * config_.head_width, "o_groups");
    whole_blocks(config_.output_groups * config_.output_rank, "o_lora_rank");
    whole_blocks(config_.engram.columns() * config_.engram.head_width, "engram_head_dim");
  }

  void token(std::optional<int64_t> id, const std::string& key) {
    need_top(id.value_or(0) < config_.vocab, key, id.value_or(0), ", vocab_size is ",
             config_.vocab);
  }
  void tokens() {
    token(config_.bos_id, "bos_token_id");
    token(config_.eos_id, "eos_token_id");
    token(config_.pad_id, "pad_token_id");
    token(config_.image_id, "image_token_id");
  }

  void engram() {
    const EngramConfig& e = config_.engram;
    rising(e.layers, "engram_layer_ids");
    need(e.table_rows.size() == e.layers.size(), "engram_num_embeddings", e.table_rows.size(),
         " entries, engram_layer_ids has ", e.layers.size());
    need(e.pad_id < config_.vocab, "engram_pad_token_id", e.pad_id, ", vocab_size is ",
         config_.vocab);
    need(e.compressed_vocab <= config_.vocab, "engram_compressed_vocab_size", e.compressed_vocab,
         ", vocab_size is ", config_.vocab);
    if (config_.weights != WeightFormat::bf16)
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
    const DraftConfig& d = config_.draft;
    if (d.layers == 0 || (config_.family == Family::v4 && d.block == 0)) return;
    need(d.block > 0, "dspark_block_size", "expected at least 1");
    need(d.noise_id < config_.vocab, "dspark_noise_token_id", d.noise_id, ", vocab_size is ",
         config_.vocab);
    need(!d.target_layers.empty(), "dspark_target_layer_ids", "no layer");
    rising(d.target_layers, "dspark_target_layer_ids");
    need(d.markov_rank > 0, "dspark_markov_rank", "expected at least 1");
    need((d.experts == 0) == (d.experts_per_token == 0), "dspark_num_experts_per_tok",
         d.experts_per_token, ", dspark_n_routed_experts is ", d.experts);
    need(d.experts_per_token <= (d.experts ? d.experts : config_.experts),
         "dspark_num_experts_per_tok", d.experts_per_token, ", dspark_n_routed_experts is ",
         d.experts);
  }

  void vision() {
    const VisionConfig& v = config_.vision;
    // Half of a head's channels turn with the row, half with the column, in pairs.
    need_top(v.width % (4 * v.heads) == 0, "vision_config.hidden_size", v.width, " by ", v.heads,
             " heads does not give a head width that is a multiple of 4");
    need_top(config_.image_id.has_value(), "image_token_id", "missing");
    const int64_t pixels = v.max_image_tokens * v.patch * v.patch * v.downsample * v.downsample;
    need_top(pixels <= kImagePixels, "vision_config.max_image_tokens", v.max_image_tokens,
             " cells of ", v.patch * v.downsample, " pixels squared, at most ", kImagePixels,
             " pixels in all");
  }

  void visual() {
    const VisualVocabulary& v = config_.visual;
    const int64_t end = v.first_id + v.groups * v.codes;
    need_top(end <= config_.vocab, "hadal.visual", "ids up to ", end - 1, ", vocab_size is ",
             config_.vocab);
    // Packed cells are ids: they must fit, with room, into an i64 and a double.
    double cells = 1;
    for (int64_t g = 0; g < v.groups; ++g) cells *= static_cast<double>(v.codes);
    need_top(cells <= static_cast<double>(Limits::kCells), "hadal.visual.groups", v.groups,
             " groups of ", v.codes, " codes are too many different cells");
    need_top(v.digit_ids.size() == 10, "hadal.visual.digit_ids", v.digit_ids.size(),
             " ids, expected 10");
    need_top(v.rope_pairs.size() == 3 && std::accumulate(v.rope_pairs.begin(), v.rope_pairs.end(),
                                                         int64_t{0}) == config_.rope_width / 2,
             "hadal.visual.rope_pairs", "expected three numbers whose sum is ",
             config_.rope_width / 2);
    std::vector<int64_t> tokens = {v.start_id, v.data_id,       v.frame_id, v.end_id,
                                   v.mask_id,  v.no_caption_id, v.times_id, v.at_id};
    tokens.insert(tokens.end(), v.digit_ids.begin(), v.digit_ids.end());
    std::sort(tokens.begin(), tokens.end());
    need_top(tokens.back() < v.first_id, "hadal.visual", "token ", tokens.back(),
             ", text has ids below first_id ", v.first_id);
    need_top(std::adjacent_find(tokens.begin(), tokens.end()) == tokens.end(), "hadal.visual",
             "two of its tokens have one id");
  }

  const ModelConfig& config_;
  Problem& problem_;
};

}  // namespace

void check_config(const ModelConfig& config, Problem& problem) {
  Check(config, problem).all();
}

}  // namespace hadal
