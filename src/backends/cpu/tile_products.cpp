// SPDX-License-Identifier: MIT
// Exact products in tiles: which weights take them, and activations as columns of tiles.
#include "backends/cpu/tiles.h"

#include <algorithm>
#include <atomic>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {

// BF16, and the published formats: FP4 in blocks of 32, E4M3 in tiles of 32 columns or more, E8M0
// scales.
bool CpuOps::takes_tiles(const Weight& weight) const {
  if (tiles_ == nullptr) return false;
  const std::optional<Matrix> matrix = matrix_of(weight);
  if (!matrix) return false;
  if (matrix->format == Format::bf16) return true;
  if (matrix->format != Format::fp4 && matrix->format != Format::e4m3) return false;
  return !matrix->scales_are_floats && weight.block_columns >= kTileInputs;
}

// Columns [row][plane][stride] in the order of the format's tiles; nothing when one plane was asked
// for and does not hold all.
std::optional<Tensor> CpuOps::split_columns(const float* x, int64_t rows, int64_t width,
                                            Format format, int64_t planes) {
  const int64_t stride = tiles_->tile_inputs(format, width);
  const Tensor columns = Tensor::empty(DType::bf16, {rows, planes, stride});
  std::atomic<bool> whole = true;
  split_rows(rows, planes * stride, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end && (whole || planes > 1); ++t)
      if (!tiles_->split_row(x + t * width, width, format, planes, stride,
                             columns.data<uint16_t>() + t * planes * stride))
        whole = false;
  });
  if (planes == 1 && !whole) return std::nullopt;
  return columns;
}

// Rounded activations fill one plane, others need three: a row's bits are the same either way.
ProductRows CpuOps::tile_rows(const Weight& weight, const float* x, int64_t rows,
                              const std::vector<RowGroup>& groups) {
  const Format format = matrix_of(weight)->format;
  const int64_t width = weight.inputs();
  std::optional<Tensor> columns;
  if (format != Format::bf16) columns = split_columns(x, rows, width, format, 1);
  if (!columns) columns = split_columns(x, rows, width, format, 3);
  return joined_columns(*columns, groups);
}

// The columns of every group side by side, tile after tile.
ProductRows CpuOps::joined_columns(const Tensor& columns, const std::vector<RowGroup>& groups) {
  const int64_t planes = columns.size(1), stride = columns.size(2);
  int64_t rows = 0;
  for (const RowGroup& group : groups) rows += group.rows;
  const Tensor joined = Tensor::empty(DType::bf16, {rows * planes, stride});
  struct Part {
    const RowGroup* group;
    int64_t first_row;  // of the group
    uint16_t* out;
  };
  std::vector<Part> parts;
  ProductRows out{.rows = {}, .held = {joined}};
  uint16_t* at = joined.data<uint16_t>();
  for (const RowGroup& group : groups) {
    const TileRows tiles{at, group.rows, planes, stride};
    for (int64_t row = 0; row < group.rows; row += tiles.rows_of_tile())
      parts.push_back({&group, row, at + row * planes * stride});
    out.tiles.push_back(tiles);
    at += group.rows * planes * stride;
  }
  const int64_t rows_of_tile = kTileColumns / planes;
  split_rows(
      static_cast<int64_t>(parts.size()), kTileColumns * stride, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const Part& part = parts[static_cast<size_t>(i)];
          const RowGroup& group = *part.group;
          const int64_t count = std::min(rows_of_tile, group.rows - part.first_row);
          const uint16_t* side_by_side[kTileColumns] = {};
          for (int64_t c = 0; c < count * planes; ++c) {
            const int64_t t = part.first_row + c / planes;
            const int64_t row =
                group.index != nullptr ? group.index[t] : group.first_row + t * group.row_step;
            side_by_side[c] = columns.data<uint16_t>() + (row * planes + c % planes) * stride;
          }
          tiles_->join_columns(side_by_side, count * planes, stride, part.out);
        }
      });
  return out;
}

void CpuOps::multiply_tiles_here(const Weight& weight, const ProductRows& x,
                                 const Piece& piece) const {
  uint8_t* scratch = workspace().lines(Workspace::kernel, tiles_->scratch_bytes(weight.inputs()));
  TileProduct product{.matrix = *matrix_of(weight),
                      .first = piece.first,
                      .last = piece.last,
                      .x = x.tiles[piece.group],
                      .first_row = piece.first_row,
                      .rows = piece.rows,
                      .out = piece.out,
                      .add = piece.add,
                      .next = next_of_piece(piece)};
  tiles_->product(product, scratch);
}

}  // namespace hadal::cpu
