// SPDX-License-Identifier: MIT
// The network: what is drawn in the header, step by step.
#include "model/visual_tokenizer_network.h"

#include <map>

namespace hadal {
namespace {

constexpr float kNormEpsilon = 1e-6f;
constexpr int64_t kHalving = 2;  // pixels of a side that a stage makes one

}  // namespace

// Hands out the tensors of the list by name.
class VisualNetwork::Binder {
 public:
  Binder(std::map<std::string, Weight> tensors, std::string half)
      : tensors_(std::move(tensors)), half_(std::move(half)) {}

  Half bind(size_t stages, const std::vector<int64_t>& blocks) {
    Half half;
    for (size_t stage = 0; stage < stages; ++stage) {
      const std::string prefix = ".stages." + std::to_string(stage);
      Stage& made = half.stages.emplace_back();
      made.entry = layer(prefix + ".entry");
      for (int64_t block = 0; block < blocks[stage]; ++block) {
        const std::string inner = prefix + ".blocks." + std::to_string(block);
        made.blocks.push_back(
            {vector(inner + ".norm.weight"), layer(inner + ".neighbours"), layer(inner + ".out")});
      }
    }
    if (tensors_.contains(half_ + ".mix_here.weight")) {
      half.mix_here = layer(".mix_here");
      half.mix_before = matrix(".mix_before.weight");
    }
    half.norm = vector(".norm.weight");
    half.exit = layer(".exit");
    return half;
  }

 private:
  const Weight& matrix(const std::string& name) const { return tensors_.at(half_ + name); }
  const Tensor& vector(const std::string& name) const { return matrix(name).values; }
  Layer layer(const std::string& name) const {
    return {matrix(name + ".weight"), vector(name + ".bias")};
  }

  std::map<std::string, Weight> tensors_;
  std::string half_;
};

Result<VisualNetwork> VisualNetwork::create(const VisualTokenizerConfig& config,
                                            const VisualTensorSource& source, Ops& ops) {
  std::map<std::string, Weight> tensors;
  for (const VisualTensor& tensor : visual_tensor_list(config)) {
    TRY(Weight weight, source(tensor));
    tensors[tensor.name] =
        tensor.is_matrix() ? ops.prepare(weight) : Weight{ops.prepare(weight.values), {}};
  }
  VisualNetwork network;
  const size_t stages = config.encoder_widths.size();
  network.encoder_ = Binder(tensors, "encoder").bind(stages, config.encoder_blocks);
  network.decoder_ =
      Binder(tensors, "decoder")
          .bind(stages, {config.decoder_blocks.rbegin(), config.decoder_blocks.rend()});
  return network;
}

Tensor VisualNetwork::apply(const Layer& layer, const Tensor& x, Ops& ops) {
  return ops.add_row(ops.linear(x, layer.weight), layer.bias);
}

Tensor VisualNetwork::run(const std::vector<Block>& blocks, Tensor x, Ops& ops) {
  for (const Block& block : blocks) {
    const Tensor normed = ops.rms_norm(x, block.norm, kNormEpsilon);
    const Tensor seen = ops.convolve(normed, block.neighbours.weight, block.neighbours.bias);
    x = ops.add(x, apply(block.out, ops.silu(seen), ops));
  }
  return x;
}

Tensor VisualNetwork::mixed(const Half& half, const Tensor& cells, const Tensor& before, Ops& ops) {
  if (!half.mix_before.defined()) return cells;
  const Tensor here = apply(half.mix_here, ops.silu(cells), ops);
  return ops.add(cells, ops.add(here, ops.linear(ops.silu(before), half.mix_before)));
}

Tensor VisualNetwork::leave(const Half& half, const Tensor& x, Ops& ops) {
  return apply(half.exit, ops.rms_norm(x, half.norm, kNormEpsilon), ops);
}

Tensor VisualNetwork::encode_cells(const Tensor& patches, Ops& ops) const {
  Tensor x = patches;
  for (size_t stage = 0; stage < encoder_.stages.size(); ++stage) {
    if (stage > 0) x = ops.space_to_depth(x, kHalving);
    x = run(encoder_.stages[stage].blocks, apply(encoder_.stages[stage].entry, x, ops), ops);
  }
  return x;
}

Tensor VisualNetwork::encode_codes(const Tensor& cells, const Tensor& cells_before,
                                   Ops& ops) const {
  return leave(encoder_, mixed(encoder_, cells, cells_before, ops), ops);
}

Tensor VisualNetwork::decode_cells(const Tensor& values, Ops& ops) const {
  const Stage& stage = decoder_.stages.front();
  return run(stage.blocks, apply(stage.entry, values, ops), ops);
}

Tensor VisualNetwork::decode_patches(const Tensor& cells, const Tensor& cells_before,
                                     Ops& ops) const {
  Tensor x = mixed(decoder_, cells, cells_before, ops);
  for (size_t stage = 1; stage < decoder_.stages.size(); ++stage) {
    x = ops.depth_to_space(apply(decoder_.stages[stage].entry, x, ops), kHalving);
    x = run(decoder_.stages[stage].blocks, x, ops);
  }
  return leave(decoder_, x, ops);
}

Tensor VisualNetwork::encode(const Tensor& patches, const Tensor& before, Ops& ops) const {
  const Tensor cells = encode_cells(patches, ops);
  return encode_codes(cells, ops.take_rows(cells, before), ops);
}

Tensor VisualNetwork::decode(const Tensor& values, const Tensor& before, Ops& ops) const {
  const Tensor cells = decode_cells(values, ops);
  return decode_patches(cells, ops.take_rows(cells, before), ops);
}

}  // namespace hadal
