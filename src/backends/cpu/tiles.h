// SPDX-License-Identifier: MIT
// Products on the matrix unit of Sapphire Rapids and its successors (AMX, BF16 tiles): exact
// arithmetic at about sixteen times the rate of f32.
//
// A weight is one number of BF16: E2M1 and E4M3 values have two and four bits, and a scale that is
// a power of two moves their exponent only.  So weights are unpacked with their scales in them,
// and a tile adds up the whole depth.  A BF16 weight is read from where it lies.
//
// An activation is one plane of BF16 where that holds all values of a call (the model rounds them
// to E4M3 before quantised products, model-spec §8), and else three planes that add up to all 24
// bits of its f32.  The products are exact; f32 sums run in this order, for each plane:
//
//   tile after tile of 32 inputs, as the format lays them; within a tile (Intel's TDPBF16PS) the
//   even and the odd inputs apart, ascending, then the two sums, then what came before;
//
// and then the planes, the largest first.  Zero planes change nothing, a column of a tile does not
// see its neighbours: a row gives the same bits alone, among others, and in one or three planes.
//
// The unit takes numbers below 2^-126 for zero, inputs as well as products and sums.  That is off
// by less than (inputs · 2^-126 · (1 + |x|max + |w|max)), far below what f32 sums lose.  Weights
// whose scale would leave the range of BF16 (2^-117 … 2^119) are multiplied one by one in f32.
// An infinite BF16 weight gives NaN.
//
// Layout: weights are the first factor, 16 outputs × 32 inputs, rows as they lie in memory.
// Activations are the second, 16 pairs of inputs × up to 16 columns, a column a plane of a row.
// Tested by tests/ops/cpu_tiles_test.cpp.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels.h"

namespace hadal::cpu {

constexpr int64_t kTileInputs = 32;
constexpr int64_t kTileColumns = 16;

// A group of rows of activations as second factors: tile after tile of rows; in it 32 inputs after
// 32 inputs; of these pair after pair; of these a pair of values for each column.  The columns are
// the planes of the first row, of the second row, …
struct TileRows {
  const uint16_t* values = nullptr;
  int64_t rows = 0;
  int64_t planes = 1;  // or 3
  int64_t stride = 0;  // inputs of a column, a whole number of tiles: tile_inputs()

  int64_t rows_of_tile() const { return kTileColumns / planes; }
};

// out[t][o - first] = x[first_row + t] · matrix[o], added if `add`.  The matrix is bf16, or fp4, or
// e4m3 in tiles of 32 columns or a power of two more; scales are E8M0.
struct TileProduct {
  Matrix matrix;
  int64_t first = 0, last = 0;
  TileRows x;
  int64_t first_row = 0, rows = 0;
  Rows out;
  bool add = false;
  NextWeights next;
};

struct TileTable {
  void (*product)(const TileProduct& product, uint8_t* scratch);  // scratch at 64 bytes
  int64_t (*scratch_bytes)(int64_t inputs);
  // The inputs that weights of this format are filled up to with zeros.
  int64_t (*tile_inputs)(Format weights, int64_t inputs);
  // A row in the order of the weights, planes[p] at out + p·stride.  With one plane: whether that
  // holds all.
  bool (*split_row)(const float* x, int64_t width, Format weights, int64_t planes, int64_t stride,
                    uint16_t* out);
  // Up to 16 columns of `inputs` values each, side by side as one tile of rows.
  void (*join_columns)(const uint16_t* const* columns, int64_t count, int64_t inputs,
                       uint16_t* out);
};

// Defined by tile_kernels.cpp.
namespace amx {
extern const TileTable kTileTable;
}

}  // namespace hadal::cpu
