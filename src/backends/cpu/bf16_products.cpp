// SPDX-License-Identifier: MIT
// Products in BF16: which weights and rows take them.
#include "backends/cpu/bf16.h"

#include <atomic>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {

namespace {

constexpr int64_t kLeastBlock = 32;

}  // namespace

// Published formats: FP4 in blocks of 32, E4M3 in tiles of 32 columns or more, E8M0 scales; and
// BF16 where activations may be rounded.
bool CpuOps::takes_bf16(const Weight& weight) const {
  if (bf16_ == nullptr) return false;
  const std::optional<Matrix> matrix = matrix_of(weight);
  if (!matrix) return false;
  if (matrix->format == Format::bf16) return int8_ != nullptr;
  if (matrix->format != Format::fp4 && matrix->format != Format::e4m3) return false;
  return !matrix->scales_are_floats && weight.block_columns >= kLeastBlock;
}

// A row is refused alone, but all rows of a call are rounded to E4M3 or none is, so that whom a row
// shares its call with cannot be seen in its bits.
std::optional<ProductRows> CpuOps::bf16_rows(const Weight& weight, const float* x, int64_t rows) {
  if (!takes_bf16(weight)) return std::nullopt;
  const std::optional<Matrix> matrix = matrix_of(weight);
  const int64_t width = weight.inputs();
  const int64_t stride = (width + kBf16Span - 1) / kBf16Span * kBf16Span;
  const Tensor values = Tensor::empty(DType::bf16, {rows, stride});
  std::atomic<bool> all = true;
  split_rows(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end && all; ++t)
      if (!bf16_->pack_row(x + t * width, width, matrix->format,
                           values.data<uint16_t>() + t * stride))
        all = false;
  });
  if (!all) return std::nullopt;
  return ProductRows{
      .rows = {}, .halves = Bf16Rows{values.data<uint16_t>(), stride}, .held = {values}};
}

void CpuOps::multiply_bf16_here(const Weight& weight, const ProductRows& x,
                                const Piece& piece) const {
  uint8_t* scratch = workspace().lines(Workspace::kernel, bf16_->scratch_bytes(weight.inputs()));
  Bf16Product product{.matrix = *matrix_of(weight),
                      .first = piece.first,
                      .last = piece.last,
                      .x = *x.halves,
                      .out = piece.out,
                      .rows = piece.rows,
                      .add = piece.add,
                      .next = next_of_piece(piece)};
  const RowGroup rows = rows_of_piece(x, piece);
  product.x.first_row = rows.first_row;
  product.x.row_step = rows.row_step;
  product.x.index = rows.index;
  bf16_->product(product, scratch);
}

}  // namespace hadal::cpu
