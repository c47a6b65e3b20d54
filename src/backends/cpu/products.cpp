// SPDX-License-Identifier: MIT
// Matrix products on the pool: which layout the kernels see, and who computes which outputs.
#include <algorithm>
#include <bit>

#include "backends/cpu/cpu_verbs.h"
#include "ops/weight_rows.h"

namespace hadal::cpu {
namespace {

constexpr int64_t kFp4Block = 32;        // inputs that share an FP4 scale
constexpr int64_t kWidestRegister = 16;  // floats; a scale covers whole registers
constexpr int64_t kTileOutputs = 4;
constexpr int64_t kPanelOutputs = 32;  // with many rows, a thread decodes this many at a time

std::optional<Format> format_of(const Weight& weight) {
  switch (weight.values.dtype()) {
    case DType::f32:
      return Format::f32;
    case DType::bf16:
      return Format::bf16;
    case DType::f16:
      return Format::f16;
    case DType::f8_e4m3:
      return Format::e4m3;
    case DType::i8:
      return Format::fp4;
    default:
      return std::nullopt;
  }
}

// Whether scales lie as the inner loops expect them.
bool scales_fit(const Weight& weight, Format format) {
  if (format != Format::e4m3 && format != Format::fp4) return !weight.quantised();
  if (!weight.quantised()) return false;
  const DType type = weight.scales.dtype();
  if (type != DType::f8_e8m0 && type != DType::f32) return false;
  if (format == Format::fp4) return weight.block_columns == kFp4Block;
  return std::has_single_bit(static_cast<uint64_t>(weight.block_columns)) &&
         weight.block_columns >= kWidestRegister;
}

}  // namespace

std::optional<Matrix> matrix_of(const Weight& weight) {
  const std::optional<Format> format = format_of(weight);
  if (!format || !scales_fit(weight, *format)) return std::nullopt;
  Matrix matrix;
  matrix.format = *format;
  matrix.values = weight.values.raw();
  matrix.row_bytes = weight.values.size(-1) * element_bytes(weight.values.dtype());
  matrix.inputs = weight.inputs();
  if (weight.quantised()) {
    matrix.scales = weight.scales.raw();
    matrix.scales_are_floats = weight.scales.dtype() == DType::f32;
    matrix.scale_columns = weight.scales.size(-1);
    matrix.block_rows = weight.block_rows;
    matrix.block_shift = std::countr_zero(static_cast<uint64_t>(weight.block_columns));
  }
  return matrix;
}

RowGroup rows_of_piece(const ProductRows& x, const Piece& piece) {
  RowGroup rows = x.groups[piece.group];
  rows.rows = piece.rows;
  if (rows.index != nullptr)
    rows.index += piece.first_row;
  else
    rows.first_row += piece.first_row * rows.row_step;
  return rows;
}

NextWeights next_of_piece(const Piece& piece) {
  if (piece.next == nullptr) return {};
  const Matrix next = *matrix_of(*piece.next);
  return {next.values + piece.next_first * next.row_bytes,
          next.scales == nullptr
              ? nullptr
              : next.scales + piece.next_first / next.block_rows * next.scale_columns};
}

void CpuOps::pack_rows(const float* x, int64_t rows, int64_t width, float* out, int64_t stride) {
  split_rows(rows, width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      kernels_.pack_pairs(x + t * width, width, out + t * stride);
  });
}

ProductRows CpuOps::product_rows(const Weight& weight, const float* x, int64_t rows) {
  return product_rows(weight, x, rows, {{.rows = rows}});
}

ProductRows CpuOps::product_rows(const Weight& weight, const float* x, int64_t rows,
                                 std::vector<RowGroup> groups) {
  const auto of_all = [&]() -> ProductRows {
    if (rounds_to_int8(weight)) return int8_rows(weight, x, rows);
    if (takes_tiles(weight)) return tile_rows(weight, x, rows, groups);
    if (std::optional<ProductRows> halves = bf16_rows(weight, x, rows)) return std::move(*halves);
    const int64_t width = weight.inputs();
    const std::optional<Matrix> matrix = matrix_of(weight);
    if (!matrix || matrix->format != Format::fp4)
      return {.rows = {const_cast<float*>(x), width, nullptr}};
    const int64_t stride = (width + kFp4Block - 1) / kFp4Block * kFp4Block;
    const Tensor packed = Tensor::empty(DType::f32, {rows, stride});
    pack_rows(x, rows, width, packed.data<float>(), stride);
    return {.rows = {packed.data<float>(), stride, nullptr}, .held = {packed}};
  };
  ProductRows all = of_all();
  all.groups = std::move(groups);
  return all;
}

void CpuOps::multiply_here(const Weight& weight, const ProductRows& x, const Piece& piece) const {
  if (x.whole) return multiply_int8_here(weight, x, piece);
  if (x.halves) return multiply_bf16_here(weight, x, piece);
  if (!x.tiles.empty()) return multiply_tiles_here(weight, x, piece);
  const RowGroup rows = rows_of_piece(x, piece);
  Product product{.matrix = {},
                  .first = piece.first,
                  .last = piece.last,
                  .x = {x.rows.base + rows.first_row * x.rows.stride, rows.row_step * x.rows.stride,
                        rows.index},
                  .out = piece.out,
                  .rows = piece.rows,
                  .add = piece.add};
  const int64_t inputs = weight.inputs();
  float* scratch = workspace().floats(Workspace::kernel, kernels_.product_scratch(inputs));
  if (const std::optional<Matrix> matrix = matrix_of(weight)) {
    product.matrix = *matrix;
    return kernels_.product(product, scratch);
  }
  // A rare layout: some rows at a time become f32.
  float* dense = workspace().floats(Workspace::dense, kTileOutputs * inputs);
  Product some = product;
  some.matrix = Matrix{Format::f32, reinterpret_cast<const uint8_t*>(dense),
                       inputs * static_cast<int64_t>(sizeof(float)), inputs};
  for (int64_t o = product.first; o < product.last; o += kTileOutputs) {
    some.first = 0;
    some.last = std::min(kTileOutputs, product.last - o);
    for (int64_t n = 0; n < some.last; ++n) dequantise_row(weight, o + n, dense + n * inputs);
    some.out.base = product.out.base + (o - product.first);
    kernels_.product(some, scratch);
  }
}

void CpuOps::multiply(const Weight& weight, const ProductRows& x, const Piece& whole) {
  const int64_t outputs = whole.last - whole.first;
  // One row: reading a byte of a weight takes as long as a product.
  const int64_t row_bytes = weight.values.size(-1) * element_bytes(weight.values.dtype());
  if (std::max(whole.rows * weight.inputs(), row_bytes) * outputs < kCostWorthThreads)
    return multiply_here(weight, x, whole);
  // Outputs first: then each weight is decoded by one thread.  Rows only when outputs run out.
  const int64_t grain =
      whole.rows > kTileOutputs || !x.tiles.empty() ? kPanelOutputs : kTileOutputs;
  const int64_t grains = (outputs + grain - 1) / grain;
  const int64_t output_parts = std::min(pool_.parts_wanted(), grains);
  const int64_t row_parts = std::max<int64_t>(
      1, std::min(whole.rows / kPanelOutputs, pool_.parts_wanted() / output_parts));
  pool_.run(output_parts * row_parts, [&](int64_t part) {
    const int64_t o = part % output_parts, r = part / output_parts;
    const int64_t row = whole.rows * r / row_parts;
    Piece piece = whole;
    piece.first = whole.first + grains * o / output_parts * grain;
    piece.last = std::min(whole.last, whole.first + grains * (o + 1) / output_parts * grain);
    piece.rows = whole.rows * (r + 1) / row_parts - row;
    piece.first_row += row;
    piece.out.base += row * whole.out.stride + (piece.first - whole.first);
    multiply_here(weight, x, piece);
  });
}

}  // namespace hadal::cpu
