// SPDX-License-Identifier: MIT
// The fast mode: which weights meet activations of eight bits, and how their rows are kept.
#include "backends/cpu/int8.h"

#include <algorithm>
#include <atomic>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {
namespace {

// Bytes stand for quarters of E4M3 values: a tile whose largest lies far below 448 would lose what
// it holds.  Scales are chosen so that it lies above 224 (model-spec §8.3); half of that is
// allowed.
constexpr uint8_t kLeastLargest = 0x6e;  // 112

bool fills_its_tiles(const Weight& w, int64_t tile_row) {
  const int64_t first = tile_row * w.block_rows, width = w.inputs();
  const int64_t last = std::min(first + w.block_rows, w.outputs());
  for (int64_t column = 0; column < width; column += w.block_columns) {
    const int64_t end = std::min(column + w.block_columns, width);
    uint8_t largest = 0;
    for (int64_t row = first; row < last; ++row) {
      const uint8_t* codes = w.values.raw() + row * width;
      for (int64_t i = column; i < end; ++i)
        largest = std::max(largest, static_cast<uint8_t>(codes[i] & 0x7f));
    }
    if (largest != 0 && largest < kLeastLargest) return false;
  }
  return true;
}

}  // namespace

Weight CpuOps::prepare(const Weight& weight) {
  if (weight.values.dtype() != DType::f8_e4m3 || !rounds_to_int8(weight)) return weight;
  std::atomic<bool> filled = true;
  split_rows(weight.scales.size(0), weight.block_rows * weight.inputs(),
             [&](int64_t begin, int64_t end) {
               for (int64_t row = begin; row < end && filled; ++row)
                 if (!fills_its_tiles(weight, row)) filled = false;
             });
  if (!filled) kept_exact_.insert(weight.values.raw());
  return weight;
}

// Published formats: FP4 in blocks of 32, E4M3 in tiles of 32 columns or more, E8M0 scales.
bool CpuOps::rounds_to_int8(const Weight& weight) const {
  if (int8_ == nullptr || !weight.quantised()) return false;
  if (weight.scales.dtype() != DType::f8_e8m0 || weight.block_columns < kInt8Block) return false;
  const std::optional<Matrix> matrix = matrix_of(weight);
  return matrix && (matrix->format == Format::fp4 || matrix->format == Format::e4m3) &&
         !kept_exact_.contains(weight.values.raw());
}

ProductRows CpuOps::int8_rows(const Weight& weight, const float* x, int64_t rows) {
  const int64_t width = weight.inputs();
  const int64_t stride = (width + kInt8Span - 1) / kInt8Span * kInt8Span;
  const int64_t blocks = stride / kInt8Block;
  const Tensor values = Tensor::empty(DType::i8, {rows, stride});
  const Tensor scales = Tensor::empty(DType::f32, {rows, blocks});
  const Tensor corrections = Tensor::empty(DType::i32, {rows, blocks});
  const Int8Rows whole{values.data<int8_t>(), scales.data<float>(), corrections.data<int32_t>(),
                       stride};
  const Format format = matrix_of(weight)->format;
  split_rows(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) int8_->round_row(x + t * width, width, format, t, whole);
  });
  return {.rows = {}, .whole = whole, .held = {values, scales, corrections}};
}

void CpuOps::multiply_int8_here(const Weight& weight, const ProductRows& x,
                                const Piece& piece) const {
  uint8_t* scratch = workspace().lines(Workspace::kernel, int8_->scratch_bytes(weight.inputs()));
  Int8Product product{.matrix = *matrix_of(weight),
                      .first = piece.first,
                      .last = piece.last,
                      .x = *x.whole,
                      .out = piece.out,
                      .rows = piece.rows,
                      .add = piece.add,
                      .next = next_of_piece(piece)};
  const RowGroup rows = rows_of_piece(x, piece);
  product.x.first_row = rows.first_row;
  product.x.row_step = rows.row_step;
  product.x.index = rows.index;
  int8_->product(product, scratch);
}

}  // namespace hadal::cpu
