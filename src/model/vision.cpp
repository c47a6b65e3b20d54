// SPDX-License-Identifier: MIT
// The encoder and the projector, in the order of §7.3 and §7.4.
//
//   P patches   C width of the encoder   H heads   K head width   N cells   D model width
#include "model/vision.h"

#include <cmath>
#include <string>

#include "model/model.h"

namespace hadal {
namespace {

constexpr float kEncoderNormEpsilon = 1e-6f;  // of the encoder alone; the text model's is another

Tensor rising_ids(int64_t first, int64_t count) {
  Tensor ids = Tensor::empty(DType::i64, {count});
  for (int64_t i = 0; i < count; ++i) ids.data<int64_t>()[i] = first + i;
  return ids;
}

Tensor constant_ids(int64_t count, int64_t value) {
  return Tensor::of_ints({count}, std::vector<int64_t>(static_cast<size_t>(count), value));
}

}  // namespace

RopeTable vision_rope(const VisionConfig& config) {
  RopeTable table;
  table.width = config.width / config.heads;
  table.paired_halves = true;
  const int64_t half = table.width / 2, each = half / 2;  // pairs; of them turned by one axis
  table.frequencies = Tensor::empty(DType::f32, {half});
  for (int64_t i = 0; i < half; ++i) {
    // Computed in f32 like the published table.
    const float exponent = static_cast<float>(2 * (i % each)) / static_cast<float>(half);
    table.frequencies.data<float>()[i] =
        1.0f / std::pow(static_cast<float>(config.rope_theta), exponent);
    table.axes.push_back(i / each);
  }
  return table;
}

Vision::Vision(const VisionConfig& config, VisionWeights weights, Ops& ops)
    : config_(config), weights_(std::move(weights)), rope_(vision_rope(config)), ops_(ops) {
  rope_.frequencies = ops_.prepare(rope_.frequencies);
}

Tensor Vision::affine(const Tensor& x, const Affine& w) const {
  return ops_.add_row(ops_.linear(x, w.weight), w.bias);
}

Tensor Vision::encode(const ImagePlan& plan, const Tensor& patches, Observer* observer) const {
  CHECK(patches.rank() == 2 && patches.size(0) == plan.patches(), shape_text(patches.shape()),
        " for ", plan.patches(), " patches");
  const auto see = [&](const std::string& name, const Tensor& value) {
    if (observer) observer->tensor(-1, name, value);
  };
  const Tensor places_P2 = patch_places(plan);
  Tensor x_PC = affine(patches, weights_.patch);
  see("vision.patch_embed", x_PC);
  for (size_t i = 0; i < weights_.blocks.size(); ++i) {
    x_PC = block(weights_.blocks[i], x_PC, places_P2);
    see("vision.blocks." + std::to_string(i) + ".out", x_PC);
  }
  x_PC = ops_.rms_norm(x_PC, weights_.norm, kEncoderNormEpsilon);
  see("vision.norm", x_PC);
  const Tensor cells_ND = align(plan, x_PC);
  see("aligner", cells_ND);
  return span(plan, cells_ND);
}

Tensor Vision::block(const VisionBlockWeights& w, const Tensor& x_PC,
                     const Tensor& places_P2) const {
  const Tensor seen_PC =
      attention(w, ops_.rms_norm(x_PC, w.attention_norm, kEncoderNormEpsilon), places_P2);
  const Tensor y_PC = ops_.add(x_PC, seen_PC);
  const Tensor z_PC = ops_.rms_norm(y_PC, w.feed_forward_norm, kEncoderNormEpsilon);
  const Tensor hidden = ops_.swiglu(ops_.linear(z_PC, w.gate), ops_.linear(z_PC, w.up), 0);
  return ops_.add(y_PC, ops_.linear(hidden, w.down));
}

// Every patch sees every patch of its image.
Tensor Vision::attention(const VisionBlockWeights& w, const Tensor& x_PC,
                         const Tensor& places_P2) const {
  const int64_t patches = x_PC.size(0), width = rope_.width;
  const Shape heads = {patches, config_.heads, width};
  const auto turned = [&](const Affine& projection) {
    return ops_.rope(affine(x_PC, projection).reshaped(heads), places_P2, rope_, Turn::forward);
  };
  const float scale = 1 / std::sqrt(static_cast<float>(width));
  const Tensor out_PHK =
      ops_.attend_all(turned(w.query), turned(w.key), affine(x_PC, w.value).reshaped(heads),
                      constant_ids(patches, 0), constant_ids(patches, patches), scale);
  return affine(out_PHK.reshaped({patches, config_.width}), w.out);
}

// The grid, padded with zeros to whole cells; every cell to one row of the language model's width.
Tensor Vision::align(const ImagePlan& plan, const Tensor& x_PC) const {
  const int64_t side = config_.downsample;
  const int64_t rows = plan.token_rows * side, columns = plan.token_columns * side;
  std::vector<int64_t> places;
  for (int64_t y = 0; y < plan.patch_rows; ++y)
    for (int64_t x = 0; x < plan.patch_columns; ++x) places.push_back(y * columns + x);
  Tensor grid = ops_.make_pool(rows * columns, config_.width);
  ops_.write_rows(grid, Tensor::of_ints({plan.patches()}, places), x_PC);
  const Tensor cells = ops_.space_to_depth(grid.reshaped({1, rows, columns, config_.width}), side);
  const Tensor hidden =
      ops_.gelu(affine(cells.reshaped({plan.cells(), side * side * config_.width}), weights_.cell));
  return affine(hidden, weights_.align);
}

// The cells between the learned rows that mark where an image and its lines begin and end.
Tensor Vision::span(const ImagePlan& plan, const Tensor& cells_ND) const {
  const int64_t cells = plan.cells(), width = cells_ND.size(1);
  const int64_t start = cells, newline = cells + 1, end = cells + 2;
  Tensor rows = ops_.make_pool(cells + 3, width);
  ops_.write_rows(rows, rising_ids(0, cells), cells_ND);
  const auto write = [&](int64_t row, const Tensor& vector) {
    ops_.write_rows(rows, rising_ids(row, 1), vector.reshaped({1, width}));
  };
  write(start, weights_.start);
  write(newline, weights_.newline);
  write(end, weights_.end);
  std::vector<int64_t> order = {start};
  for (int64_t y = 0; y < plan.token_rows; ++y) {
    for (int64_t x = 0; x < plan.token_columns; ++x) order.push_back(y * plan.token_columns + x);
    order.push_back(newline);
  }
  order.push_back(end);
  return ops_.to_host(ops_.take_rows(rows, Tensor::of_ints({plan.span()}, order)));
}

}  // namespace hadal
