// SPDX-License-Identifier: MIT
// The tensor list of §8.2, §6.1, §6.2 and §7.5, module by module.
#include "model/weights.h"

#include <array>
#include <utility>

#include "base/checked.h"
#include "base/result.h"

namespace hadal {
namespace {

class List {
 public:
  explicit List(const ModelConfig& config) : config_(config) {}

  std::vector<TensorSpec> all() {
    add("embed.weight", {config_.vocab, config_.width}, Part::embedding, Storing::plain_bf16,
        TrainGroup::adamw, Initial::normal);
    for (layer_ = 0; layer_ < config_.layers; ++layer_) {
      prefix_ = "layers." + std::to_string(layer_) + ".";
      block(config_.experts);
      if (config_.engram_index(layer_) >= 0) engram();
    }
    layer_ = -1;
    prefix_.clear();
    if (config_.family == Family::v4) hc_head(Part::streams);
    norm("norm.weight", config_.width);
    add("head.weight", {config_.vocab, config_.width}, Part::head, Storing::plain_bf16,
        TrainGroup::adamw, Initial::normal);
    if (config_.visual.drawn()) codes();
    drafts();
    if (config_.vision.layers > 0) vision();
    return std::move(list_);
  }

 private:
  // ---- one tensor of each kind

  TensorSpec& add(const std::string& name, Shape shape, Part part, Storing storing,
                  TrainGroup group, Initial initial) {
    TensorSpec spec;
    spec.name = prefix_ + name;
    spec.shape = std::move(shape);
    spec.part = draft_ ? Part::draft : part;
    spec.storing = storing;
    spec.group = group;
    spec.initial = initial;
    spec.layer = layer_;
    return list_.emplace_back(std::move(spec));
  }
  TensorSpec& matrix(const std::string& name, int64_t out, int64_t in, Part part,
                     Storing storing = Storing::fp8_blocks) {
    return add(name, {out, in}, part, storing, TrainGroup::muon, Initial::normal);
  }
  // A query projection: V4.1 orthogonalises each head's rows apart (§10.3).
  void query_matrix(const std::string& name, int64_t heads, int64_t width, int64_t in, Part part,
                    Storing storing) {
    TensorSpec& spec = matrix(name, heads * width, in, part, storing);
    if (config_.family == Family::v4) return;
    spec.group = TrainGroup::muon_heads;
    spec.heads = heads;
  }
  void norm(const std::string& name, int64_t width) {
    add(name, {width}, Part::norms, Storing::plain_bf16, TrainGroup::adamw_no_decay, Initial::ones);
  }
  void small(const std::string& name, Shape shape, Part part, Initial initial) {
    add(name, std::move(shape), part, Storing::plain_f32, TrainGroup::adamw_no_decay, initial);
  }

  // ---- modules

  void block(int64_t experts) {
    attention();
    feed_forward(experts);
    norm("attn_norm.weight", config_.width);
    norm("ffn_norm.weight", config_.width);
    for (const char* site : {"attn", "ffn"}) streams("hc_" + std::string(site) + "_");
  }

  void attention() {
    small("attn.attn_sink", {config_.heads}, Part::attention, Initial::zeros);
    matrix("attn.wq_a.weight", config_.query_rank, config_.width, Part::attention);
    norm("attn.q_norm.weight", config_.query_rank);
    query_matrix("attn.wq_b.weight", config_.heads, config_.head_width, config_.query_rank,
                 Part::attention, Storing::dense);
    matrix("attn.wkv.weight", config_.head_width, config_.width, Part::attention);
    norm("attn.kv_norm.weight", config_.head_width);
    matrix("attn.wo_a.weight", config_.output_groups * config_.output_rank,
           config_.heads * config_.head_width / config_.output_groups, Part::attention,
           Storing::dense);
    matrix("attn.wo_b.weight", config_.width, config_.output_groups * config_.output_rank,
           Part::attention, Storing::dense);
    if (draft_) return;
    if (config_.family == Family::v4)
      v4_memory();
    else
      v41_memory();
  }

  // §3.3, §3.4
  void v4_memory() {
    const int64_t ratio = config_.ratio(layer_);
    if (ratio == 0) return;
    v4_compressor("attn.compressor.", config_.head_width, ratio, Part::compressor);
    if (!config_.overlapping(layer_)) return;
    query_matrix("attn.indexer.wq_b.weight", config_.index_heads, config_.index_width,
                 config_.query_rank, Part::indexer, Storing::fp8_blocks);
    matrix("attn.indexer.weights_proj.weight", config_.index_heads, config_.width, Part::indexer,
           Storing::plain_bf16);
    v4_compressor("attn.indexer.compressor.", config_.index_width, ratio, Part::indexer);
  }
  void v4_compressor(const std::string& name, int64_t width, int64_t ratio, Part part) {
    const int64_t channels = (config_.overlapping(layer_) ? 2 : 1) * width;
    small(name + "ape", {ratio, channels}, part, Initial::zeros);
    matrix(name + "wkv.weight", channels, config_.width, part, Storing::plain_bf16);
    matrix(name + "wgate.weight", channels, config_.width, part, Storing::plain_bf16);
    norm(name + "norm.weight", width);
  }

  // §3.5
  void v41_memory() {
    if (config_.is_kv_source(layer_)) {
      matrix("attn.compressor.wkv.weight", config_.head_width, config_.width, Part::compressor,
             Storing::plain_bf16);
      if (config_.ratio(layer_) > 1)
        matrix("attn.compressor.wgate.weight", config_.head_width, config_.width, Part::compressor,
               Storing::plain_bf16);
      norm("attn.compressor.norm.weight", config_.head_width);
    }
    if (config_.is_index_source(layer_)) {
      query_matrix("attn.indexer.wq_b.weight", config_.index_heads, config_.index_width,
                   config_.query_rank, Part::indexer, Storing::fp8_blocks);
      matrix("attn.indexer.weights_proj.weight", config_.index_heads, config_.width, Part::indexer,
             Storing::plain_bf16);
    }
    if (config_.is_kv_source(layer_)) {
      matrix("attn.indexer.wk.weight", config_.index_width, config_.head_width, Part::indexer,
             Storing::plain_bf16);
      norm("attn.indexer.k_norm.weight", config_.index_width);
    }
  }

  // §4.1, §4.3
  void feed_forward(int64_t experts) {
    matrix("ffn.gate.weight", experts, config_.width, Part::router, Storing::plain_bf16);
    if (!draft_ && layer_ < config_.hash_layers) {
      add("ffn.gate.tid2eid", {config_.vocab, config_.experts_per_token}, Part::router,
          Storing::table_i64, TrainGroup::frozen, Initial::hash_table);
    } else {
      bias("ffn.gate.bias", experts);
      if (config_.vision.layers > 0 || (config_.visual.drawn() && !draft_))
        bias("ffn.gate.bias_vl", experts);
    }
    for (int64_t expert = 0; expert < experts; ++expert) {
      const size_t first = list_.size();
      expert_matrices("ffn.experts." + std::to_string(expert) + ".", Part::experts,
                      Storing::expert);
      for (size_t i = first; i < list_.size(); ++i) list_[i].expert = expert;
    }
    expert_matrices("ffn.shared_experts.", Part::shared_expert, Storing::fp8_blocks);
  }
  // Moved by the balance of loads, not by gradients (§10.5).
  void bias(const std::string& name, int64_t experts) {
    add(name, {experts}, Part::router, Storing::plain_f32, TrainGroup::frozen, Initial::zeros);
  }
  void expert_matrices(const std::string& name, Part part, Storing storing) {
    matrix(name + "w1.weight", config_.expert_width, config_.width, part, storing);
    matrix(name + "w2.weight", config_.width, config_.expert_width, part, storing);
    matrix(name + "w3.weight", config_.expert_width, config_.width, part, storing);
  }

  // §2.1: S weights in, S weights out, and the S·S mixing matrix
  void streams(const std::string& name) {
    const int64_t coefficients = (2 + config_.streams) * config_.streams;
    mix(name, coefficients, 3, Part::streams);
  }
  void hc_head(Part part) { mix("hc_head_", config_.streams, 1, part); }
  void mix(const std::string& name, int64_t coefficients, int64_t scales, Part part) {
    add(name + "fn", {coefficients, config_.streams * config_.width}, part, Storing::plain_f32,
        TrainGroup::muon, Initial::normal);
    small(name + "base", {coefficients}, part, Initial::hc_base);
    small(name + "scale", {scales}, part, Initial::hc_scale);
  }

  // §5.3
  void engram() {
    const EngramConfig& e = config_.engram;
    const int64_t rows = e.table_rows[static_cast<size_t>(config_.engram_index(layer_))];
    add("engram.embed.weight", {rows, e.head_width}, Part::engram_table, Storing::engram_rows,
        TrainGroup::engram, Initial::normal);
    matrix("engram.wkv.weight", (config_.streams + 1) * config_.width, e.columns() * e.head_width,
           Part::engram_projection, Storing::dense);
    for (const char* name : {"engram.q_weight", "engram.k_weight"})
      add(name, {config_.streams, config_.width}, Part::engram_projection, Storing::plain_bf16,
          TrainGroup::adamw_no_decay, Initial::ones);
  }

  // From one code of a cell to the next (visual_sequence.h).
  void codes() {
    const int64_t hidden = config_.visual.hidden;
    matrix("codes.of_state.weight", hidden, config_.width, Part::codes, Storing::plain_bf16);
    matrix("codes.of_code.weight", hidden, config_.width, Part::codes, Storing::plain_bf16);
    matrix("codes.down.weight", config_.width, hidden, Part::codes, Storing::plain_bf16);
  }

  // §6.1, §6.2
  void drafts() {
    const DraftConfig& d = config_.draft;
    draft_ = true;
    for (int64_t i = 0; i < d.layers; ++i) {
      layer_ = config_.layers + i;
      prefix_ = "mtp." + std::to_string(i) + ".";
      block(d.experts > 0 ? d.experts : config_.experts);
      if (d.block == 0)
        mtp_ends();
      else
        dspark_ends(i == 0, i == d.layers - 1);
    }
    draft_ = false;
    layer_ = -1;
    prefix_.clear();
  }
  void mtp_ends() {
    for (const char* name : {"e_proj.weight", "h_proj.weight"})
      matrix(name, config_.width, config_.width, Part::draft, Storing::dense);
    for (const char* name : {"enorm.weight", "hnorm.weight", "norm.weight"})
      norm(name, config_.width);
    hc_head(Part::draft);
  }
  void dspark_ends(bool first, bool last) {
    const DraftConfig& d = config_.draft;
    if (first) {
      const int64_t targets = static_cast<int64_t>(d.target_layers.size());
      matrix("main_proj.weight", config_.width, targets * config_.width, Part::draft,
             Storing::dense);
      norm("main_norm.weight", config_.width);
    }
    if (!last) return;
    norm("norm.weight", config_.width);
    if (config_.family == Family::v4) hc_head(Part::draft);
    const bool v4 = config_.family == Family::v4;
    for (const char* name : {v4 ? "markov_head.markov_w1.weight" : "markov_head.embed.weight",
                             v4 ? "markov_head.markov_w2.weight" : "markov_head.head.weight"})
      add(name, {config_.vocab, d.markov_rank}, Part::draft, Storing::plain_bf16, TrainGroup::adamw,
          Initial::normal);
    matrix("confidence_head.proj.weight", 1, config_.width + d.markov_rank, Part::draft,
           Storing::plain_bf16)
        .group = TrainGroup::adamw;
  }

  // §7.3, §7.4
  void vision() {
    const VisionConfig& v = config_.vision;
    prefix_ = "vision.";
    biased("patch_embed.proj", v.width, 3 * v.patch * v.patch);
    for (int64_t i = 0; i < v.layers; ++i) {
      prefix_ = "vision.blocks." + std::to_string(i) + ".";
      vision_norm("norm1.weight", v.width);
      biased("attn.wqkv", 3 * v.width, v.width);
      biased("attn.wo", v.width, v.width);
      vision_norm("norm2.weight", v.width);
      matrix("mlp.w1.weight", 2 * v.intermediate, v.width, Part::vision, Storing::plain_bf16);
      matrix("mlp.w2.weight", v.width, v.intermediate, Part::vision, Storing::plain_bf16);
    }
    prefix_ = "vision.";
    vision_norm("norm.weight", v.width);
    prefix_ = "aligner.";
    biased("w1", config_.width, v.width * v.downsample * v.downsample);
    biased("w2", config_.width, config_.width);
    prefix_.clear();
    for (const char* name : {"image_start", "image_newline", "image_end"})
      add(name, {config_.width}, Part::vision, Storing::plain_bf16, TrainGroup::adamw,
          Initial::normal);
  }
  void biased(const std::string& name, int64_t out, int64_t in) {
    matrix(name + ".weight", out, in, Part::vision, Storing::plain_bf16);
    add(name + ".bias", {out}, Part::vision, Storing::plain_bf16, TrainGroup::adamw_no_decay,
        Initial::zeros);
  }
  void vision_norm(const std::string& name, int64_t width) {
    add(name, {width}, Part::vision, Storing::plain_bf16, TrainGroup::adamw_no_decay,
        Initial::ones);
  }

  const ModelConfig& config_;
  std::vector<TensorSpec> list_;
  std::string prefix_;
  int64_t layer_ = -1;
  bool draft_ = false;
};

}  // namespace

std::string_view part_name(Part part) {
  static constexpr std::array<std::string_view, 15> kNames = {
      "embedding", "head",   "norms",         "attention", "compressor",    "indexer",
      "streams",   "router", "shared expert", "experts",   "engram tables", "engram projections",
      "draft",     "vision", "cell codes"};
  return kNames[static_cast<size_t>(part)];
}

std::vector<TensorSpec> tensor_list(const ModelConfig& config) {
  return List(config).all();
}

std::vector<StoredTensor> stored_tensors(const TensorSpec& spec, const ModelConfig& config) {
  constexpr int64_t kScaleColumns = 32;  // of experts in FP4 and of Engram's rows
  const bool quantised = config.weights != WeightFormat::bf16;
  const auto with_scales = [&](DType dtype, Shape shape, int64_t rows, int64_t columns) {
    Shape scales = {ceil_div(spec.shape[0], rows), ceil_div(spec.shape[1], columns)};
    return std::vector<StoredTensor>{{spec.name, dtype, std::move(shape), rows, columns},
                                     {scale_name(spec.name), DType::f8_e8m0, std::move(scales)}};
  };
  const auto plain = [&](DType dtype) {
    return std::vector<StoredTensor>{{spec.name, dtype, spec.shape}};
  };
  switch (spec.storing) {
    case Storing::plain_f32:
      return plain(DType::f32);
    case Storing::table_i64:
      return plain(DType::i64);
    case Storing::plain_bf16:
      return plain(DType::bf16);
    case Storing::engram_rows:
      if (!quantised) return plain(DType::bf16);
      return with_scales(DType::f8_e4m3, spec.shape, 1, kScaleColumns);
    case Storing::dense:
    case Storing::expert:
      if (config.weights == WeightFormat::fp4 ||
          (config.weights == WeightFormat::fp8_fp4 && spec.storing == Storing::expert))
        return with_scales(DType::i8, {spec.shape[0], spec.shape[1] / 2}, 1, kScaleColumns);
      [[fallthrough]];
    case Storing::fp8_blocks:
      if (!quantised) return plain(DType::bf16);
      return with_scales(DType::f8_e4m3, spec.shape, config.weight_block, config.weight_block);
  }
  CHECK(false, spec.name);
  return {};
}

std::string scale_name(const std::string& weight_name) {
  constexpr std::string_view kWeight = ".weight";
  CHECK(weight_name.ends_with(kWeight), weight_name);
  return weight_name.substr(0, weight_name.size() - kWeight.size()) + ".scale";
}

}  // namespace hadal
