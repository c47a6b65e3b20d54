// SPDX-License-Identifier: MIT
// From published names to the structures of the forward pass.
#include "model/model_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "ops/weight_rows.h"

namespace hadal {
namespace {

// Looks tensors up by name.  The first failure is kept and ends the binding; later look-ups give
// empty weights, so that the structure below reads as a list.
class Binder {
 public:
  Binder(const ModelConfig& config, const WeightSource& source, Ops& ops,
         const ModelOptions& options)
      : source_(source), ops_(ops), options_(options), specs_(tensor_list(config)) {
    for (const TensorSpec& spec : specs_) by_name_.emplace(spec.name, &spec);
  }

  Weight weight(const std::string& name) {
    const Weight raw = find(name);
    return raw.defined() ? ops_.prepare(raw) : raw;
  }

  // Small vectors and mixing matrices, which verbs take as f32.
  Tensor vector(const std::string& name) {
    const Weight raw = find(name);
    if (!raw.defined()) return {};
    Tensor values = raw.values;
    if (values.dtype() == DType::bf16 || values.dtype() == DType::f16) values = widened(values);
    return ops_.prepare(values);
  }

  Tensor table(const std::string& name) {
    const Weight raw = find(name);
    return raw.defined() ? ops_.prepare(raw.values) : Tensor{};
  }

  // One that rows are taken out of: blocks of scales do not follow the cuts.
  Weight sliced(const std::string& name) {
    const Weight raw = unquantised(name);
    return raw.defined() ? ops_.prepare(raw) : raw;
  }

  // `count` equal blocks of rows, each a weight of its own.
  std::vector<Weight> parts(const std::string& name, int64_t count) {
    const Weight raw = unquantised(name);
    std::vector<Weight> weights(static_cast<size_t>(count));
    const int64_t rows = raw.defined() ? raw.outputs() / count : 0;
    for (int64_t i = 0; raw.defined() && i < count; ++i)
      weights[static_cast<size_t>(i)] =
          ops_.prepare(Weight{raw.values.rows(i * rows, rows), {}, 1, 1});
    return weights;
  }

  std::vector<Tensor> vector_parts(const std::string& name, int64_t count) {
    const Tensor whole = vector(name);
    std::vector<Tensor> vectors(static_cast<size_t>(count));
    const int64_t size = whole.defined() ? whole.count() / count : 0;
    for (int64_t i = 0; whole.defined() && i < count; ++i)
      vectors[static_cast<size_t>(i)] = whole.rows(i * size, size);
    return vectors;
  }

  // The inputs [0, split) and those from there on, each a weight of its own.  Of one row.
  std::pair<Weight, Weight> split_inputs(const std::string& name, int64_t split) {
    const Weight raw = unquantised(name);
    if (!raw.defined()) return {};
    const int64_t inputs = raw.inputs();
    const auto part = [&](int64_t first, int64_t count) {
      const Tensor column = raw.values.reshaped({inputs, 1}).rows(first, count);
      return ops_.prepare(Weight{column.reshaped({1, count}), {}, 1, 1});
    };
    return {part(0, split), part(split, inputs - split)};
  }

  // Inputs that are stored channel by channel, each with its `places`, place by place instead.
  Weight channels_last(const std::string& name, int64_t places) {
    const Weight raw = unquantised(name);
    if (!raw.defined()) return raw;
    const int64_t channels = raw.inputs() / places, bytes = element_bytes(raw.values.dtype());
    const Tensor turned = Tensor::empty(raw.values.dtype(), raw.values.shape());
    const uint8_t* from = raw.values.raw();
    for (int64_t row = 0; row < raw.outputs(); ++row)
      for (int64_t channel = 0; channel < channels; ++channel)
        for (int64_t place = 0; place < places; ++place, from += bytes)
          std::memcpy(turned.raw() + ((row * places + place) * channels + channel) * bytes, from,
                      static_cast<size_t>(bytes));
    return ops_.prepare(Weight{turned, {}, 1, 1});
  }

  bool has(const std::string& name) const { return by_name_.contains(name); }
  const std::optional<Error>& error() const { return error_; }
  // What follows is looked up again.
  std::optional<Error> take_error() { return std::exchange(error_, std::nullopt); }

 private:
  // No published encoder is quantised, nor is a head or an embedding.
  Weight unquantised(const std::string& name) {
    const Weight raw = find(name);
    if (!raw.quantised()) return raw;
    error_ = fail("tensor ", name, " is quantised, expected BF16 or F32");
    return {};
  }

  static Tensor widened(const Tensor& values) {
    const Weight row{values.reshaped({1, values.count()}), {}, 1, 1};
    return dequantise(row).reshaped(values.shape());
  }

  Weight find(const std::string& name) {
    if (error_) return {};
    const auto spec = by_name_.find(name);
    CHECK(spec != by_name_.end(), "no tensor is called ", name);
    Result<Weight> weight = source_(*spec->second);
    if (!weight) {
      error_ = weight.error();
      return {};
    }
    done_ += weight->values.bytes();
    if (options_.progress) options_.progress(done_, 0);
    return weight.take();
  }

  const WeightSource& source_;
  Ops& ops_;
  const ModelOptions& options_;
  std::vector<TensorSpec> specs_;
  std::unordered_map<std::string, const TensorSpec*> by_name_;
  std::optional<Error> error_;
  int64_t done_ = 0;
};

MixWeights bind_mix(Binder& bind, const std::string& prefix) {
  return {bind.vector(prefix + "_fn"), bind.vector(prefix + "_base"),
          bind.vector(prefix + "_scale")};
}

AttentionWeights bind_attention(Binder& bind, const std::string& prefix) {
  AttentionWeights w;
  w.query_down = bind.weight(prefix + "wq_a.weight");
  w.query_norm = bind.vector(prefix + "q_norm.weight");
  w.query_up = bind.weight(prefix + "wq_b.weight");
  w.row = bind.weight(prefix + "wkv.weight");
  w.row_norm = bind.vector(prefix + "kv_norm.weight");
  w.sink_H = bind.vector(prefix + "attn_sink");
  w.out_down = bind.weight(prefix + "wo_a.weight");
  w.out_up = bind.weight(prefix + "wo_b.weight");
  return w;
}

CompressorWeights bind_compressor(Binder& bind, const std::string& prefix) {
  CompressorWeights w;
  w.values = bind.weight(prefix + "wkv.weight");
  if (bind.has(prefix + "wgate.weight")) w.scores = bind.weight(prefix + "wgate.weight");
  if (bind.has(prefix + "ape")) w.ape = bind.weight(prefix + "ape");
  w.norm = bind.vector(prefix + "norm.weight");
  return w;
}

IndexerWeights bind_indexer(Binder& bind, const std::string& prefix) {
  IndexerWeights w;
  w.query_up = bind.weight(prefix + "wq_b.weight");
  w.heads = bind.weight(prefix + "weights_proj.weight");
  if (bind.has(prefix + "compressor.wkv.weight"))
    w.compressor = bind_compressor(bind, prefix + "compressor.");
  if (bind.has(prefix + "wk.weight")) {
    w.key = bind.weight(prefix + "wk.weight");
    w.key_norm = bind.vector(prefix + "k_norm.weight");
  }
  return w;
}

FeedForwardWeights bind_feed_forward(Binder& bind, const std::string& prefix) {
  FeedForwardWeights w;
  w.router = bind.weight(prefix + "gate.weight");
  if (bind.has(prefix + "gate.bias")) w.bias_E = bind.vector(prefix + "gate.bias");
  if (bind.has(prefix + "gate.bias_vl")) w.visual_bias_E = bind.vector(prefix + "gate.bias_vl");
  if (bind.has(prefix + "gate.tid2eid")) w.table = bind.table(prefix + "gate.tid2eid");
  for (int64_t e = 0; bind.has(prefix + "experts." + std::to_string(e) + ".w1.weight"); ++e) {
    const std::string expert = prefix + "experts." + std::to_string(e) + ".";
    w.experts.gate.push_back(bind.weight(expert + "w1.weight"));
    w.experts.down.push_back(bind.weight(expert + "w2.weight"));
    w.experts.up.push_back(bind.weight(expert + "w3.weight"));
  }
  w.shared_gate = bind.weight(prefix + "shared_experts.w1.weight");
  w.shared_down = bind.weight(prefix + "shared_experts.w2.weight");
  w.shared_up = bind.weight(prefix + "shared_experts.w3.weight");
  return w;
}

LayerWeights bind_layer(Binder& bind, const ModelConfig& config, Ops& ops,
                        const std::string& prefix, int64_t ratio) {
  LayerWeights w;
  w.attention_mix = bind_mix(bind, prefix + "hc_attn");
  w.feed_forward_mix = bind_mix(bind, prefix + "hc_ffn");
  w.attention_norm = bind.vector(prefix + "attn_norm.weight");
  w.feed_forward_norm = bind.vector(prefix + "ffn_norm.weight");
  w.attention = bind_attention(bind, prefix + "attn.");
  if (bind.has(prefix + "attn.compressor.wkv.weight"))
    w.compressor = bind_compressor(bind, prefix + "attn.compressor.");
  if (bind.has(prefix + "attn.indexer.wq_b.weight"))
    w.indexer = bind_indexer(bind, prefix + "attn.indexer.");
  w.feed_forward = bind_feed_forward(bind, prefix + "ffn.");
  if (bind.has(prefix + "engram.embed.weight")) {
    w.engram.table = bind.weight(prefix + "engram.embed.weight");
    w.engram.projection = bind.weight(prefix + "engram.wkv.weight");
    w.engram.q_weight_SD = bind.vector(prefix + "engram.q_weight");
    w.engram.k_weight_SD = bind.vector(prefix + "engram.k_weight");
  }
  w.rope = rope_table(config, ratio);
  if (config.visual.drawn()) w.rope.axes = rope_axes(config.visual.rope_pairs);
  w.rope.frequencies = ops.prepare(w.rope.frequencies);
  return w;
}

// Leading rows [first, first + count) of a plain table.
Weight rows_of(const Weight& table, int64_t first, int64_t count) {
  CHECK(!table.quantised(), "a slice of a quantised table");
  Weight rows = table;
  rows.values = table.values.rows(first, count);
  return rows;
}

CodeWeights bind_codes(Binder& bind, const VisualVocabulary& visual, const ModelWeights& model) {
  CodeWeights w;
  for (int64_t g = 0; g < visual.groups; ++g) {
    const int64_t first = visual.first_id + g * visual.codes;
    w.rows.push_back(rows_of(model.embedding, first, visual.codes));
    w.heads.push_back(rows_of(model.head, first, visual.codes));
  }
  w.of_state = bind.weight("codes.of_state.weight");
  w.of_code = bind.weight("codes.of_code.weight");
  w.down = bind.weight("codes.down.weight");
  return w;
}

DraftWeights bind_draft(Binder& bind, const ModelConfig& config, Ops& ops,
                        const std::string& prefix) {
  DraftWeights w;
  w.embedding_projection = bind.weight(prefix + "e_proj.weight");
  w.stream_projection = bind.weight(prefix + "h_proj.weight");
  w.embedding_norm = bind.vector(prefix + "enorm.weight");
  w.stream_norm = bind.vector(prefix + "hnorm.weight");
  w.norm = bind.vector(prefix + "norm.weight");
  w.head_mix = bind_mix(bind, prefix + "hc_head");
  w.block = bind_layer(bind, config, ops, prefix, 0);
  return w;
}

DsparkWeights bind_dspark(Binder& bind, const ModelConfig& config, Ops& ops) {
  DsparkWeights w;
  const auto stage = [](int64_t i) { return "mtp." + std::to_string(i) + "."; };
  w.fuse = bind.weight(stage(0) + "main_proj.weight");
  w.fuse_norm = bind.vector(stage(0) + "main_norm.weight");
  for (int64_t i = 0; i < config.draft.layers; ++i)
    w.blocks.push_back(bind_layer(bind, config, ops, stage(i), 0));
  const std::string last = stage(config.draft.layers - 1), markov = last + "markov_head.";
  const bool v4 = config.family == Family::v4;
  if (v4) w.head_mix = bind_mix(bind, last + "hc_head");
  w.norm = bind.vector(last + "norm.weight");
  w.markov_rows = bind.weight(markov + (v4 ? "markov_w1.weight" : "embed.weight"));
  const std::string head = markov + (v4 ? "markov_w2.weight" : "head.weight");
  w.markov_head = config.visual.drawn() ? bind.sliced(head) : bind.weight(head);
  std::tie(w.confidence_state, w.confidence_token) =
      bind.split_inputs(last + "confidence_head.proj.weight", config.width);
  if (!bind.error() && config.visual.drawn())
    w.markov_head = rows_of(w.markov_head, 0, config.text_vocab());
  return w;
}

// The draft head, as far as somebody drafts.  A head that is not as the configuration says costs
// the guesses, not the model.
void bind_drafts(Binder& bind, const ModelConfig& config, Ops& ops, const ModelOptions& options,
                 ModelWeights& w) {
  const int64_t stages = config.draft.layers;
  if (stages == 0) return;
  const bool extra_token = config.draft.block == 0;
  for (int64_t i = 0; extra_token && i < stages; ++i)  // trained along with the model
    w.drafts.push_back(bind_draft(bind, config, ops, "mtp." + std::to_string(i) + "."));
  if (!options.drafts || bind.error()) return;
  if (extra_token && stages > 1)
    w.draft_problem = "num_nextn_predict_layers is " + std::to_string(stages) +
                      ", expected 1: how several extra-token blocks follow each other is not known";
  if (extra_token) return;
  w.dspark = bind_dspark(bind, config, ops);
  if (const std::optional<Error> error = bind.take_error()) {
    w.dspark = {};
    w.draft_problem = error->message;
  }
}

Affine bind_affine(Binder& bind, const std::string& name) {
  return {bind.weight(name + ".weight"), bind.vector(name + ".bias")};
}

VisionBlockWeights bind_vision_block(Binder& bind, const std::string& prefix) {
  VisionBlockWeights w;
  w.attention_norm = bind.vector(prefix + "norm1.weight");
  w.feed_forward_norm = bind.vector(prefix + "norm2.weight");
  const std::vector<Weight> three = bind.parts(prefix + "attn.wqkv.weight", 3);
  const std::vector<Tensor> biases = bind.vector_parts(prefix + "attn.wqkv.bias", 3);
  w.query = {three[0], biases[0]};
  w.key = {three[1], biases[1]};
  w.value = {three[2], biases[2]};
  w.out = bind_affine(bind, prefix + "attn.wo");
  const std::vector<Weight> two = bind.parts(prefix + "mlp.w1.weight", 2);
  w.gate = two[0];
  w.up = two[1];
  w.down = bind.weight(prefix + "mlp.w2.weight");
  return w;
}

VisionWeights bind_vision(Binder& bind, const VisionConfig& config) {
  VisionWeights w;
  w.patch = bind_affine(bind, "vision.patch_embed.proj");
  for (int64_t i = 0; i < config.layers; ++i)
    w.blocks.push_back(bind_vision_block(bind, "vision.blocks." + std::to_string(i) + "."));
  w.norm = bind.vector("vision.norm.weight");
  w.cell = {bind.channels_last("aligner.w1.weight", config.downsample * config.downsample),
            bind.vector("aligner.w1.bias")};
  w.align = bind_affine(bind, "aligner.w2");
  w.start = bind.vector("image_start");
  w.newline = bind.vector("image_newline");
  w.end = bind.vector("image_end");
  return w;
}

}  // namespace

Result<ModelWeights> bind_weights(const ModelConfig& config, const WeightSource& source, Ops& ops,
                                  const ModelOptions& options) {
  Binder bind(config, source, ops, options);
  ModelWeights w;
  const bool drawn = config.visual.drawn();
  w.embedding = drawn ? bind.sliced("embed.weight") : bind.weight("embed.weight");
  w.head = drawn ? bind.sliced("head.weight") : bind.weight("head.weight");
  w.norm = bind.vector("norm.weight");
  if (config.family == Family::v4) w.head_mix = bind_mix(bind, "hc_head");
  const std::vector<EngramHash> hashes = engram_hashes(config.engram);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    w.layers.push_back(bind_layer(bind, config, ops, prefix, config.ratio(layer)));
    const int64_t engram = config.engram_index(layer);
    if (engram >= 0) w.layers.back().engram.hash = hashes[static_cast<size_t>(engram)];
  }
  bind_drafts(bind, config, ops, options, w);
  if (config.vision.layers > 0) w.vision = bind_vision(bind, config.vision);
  if (bind.error()) return *bind.error();
  w.text_head = w.head;
  if (drawn) {
    w.text_head = rows_of(w.head, 0, config.text_vocab());
    w.codes = bind_codes(bind, config.visual, w);
    if (bind.error()) return *bind.error();
  }
  return w;
}

std::vector<int64_t> rope_axes(const std::vector<int64_t>& pairs) {
  std::vector<int64_t> axes, left = pairs;
  while (std::any_of(left.begin(), left.end(), [](int64_t count) { return count > 0; }))
    for (size_t axis = 0; axis < left.size(); ++axis)
      if (left[axis]-- > 0) axes.push_back(static_cast<int64_t>(axis));
  return axes;
}

RopeTable rope_table(const ModelConfig& config, int64_t ratio) {
  const int64_t width = config.rope_width;
  const double base = ratio == 0 ? config.rope_theta : config.compress_rope_theta;
  const RopeScaling& scaling = config.rope_scaling;
  // The channel whose wave turns `turns` times over the original context.
  auto channel = [&](double turns) {
    return static_cast<double>(width) *
           std::log(static_cast<double>(scaling.original_positions) / (turns * 2 * M_PI)) /
           (2 * std::log(base));
  };
  const double low = std::max(std::floor(channel(scaling.beta_fast)), 0.0);
  double high = std::min(std::ceil(channel(scaling.beta_slow)), static_cast<double>(width - 1));
  if (high == low) high += 0.001;  // the official guard against a division by zero
  RopeTable table;
  table.width = width;
  table.frequencies = Tensor::zeros(DType::f32, {width / 2});
  for (int64_t i = 0; i < width / 2; ++i) {
    // Computed in f32 like the published tables.
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(width);
    float frequency = 1.0f / std::pow(static_cast<float>(base), exponent);
    if (ratio > 0) {
      const float ramp =
          static_cast<float>(std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0));
      frequency = frequency / static_cast<float>(scaling.factor) * ramp + frequency * (1 - ramp);
    }
    table.frequencies.data<float>()[i] = frequency;
  }
  return table;
}

}  // namespace hadal
