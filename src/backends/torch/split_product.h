// SPDX-License-Identifier: MIT
// Products of f32 matrices by the tile instructions of AMX, which multiply BF16 and add f32.
//
// A factor x is split into two BF16, x ≈ high + low (16 bits of its 24), and
//   a·b ≈ high·high + high·low + low·high          error of a product near 2^-16 of it
// is summed in f32: three tile products, and still several times as fast as f32's own.  With
// `coarse` the high parts alone count (2^-9).  One thread; the order of sums is a function of the
// sizes alone.
#pragma once

#include <cstdint>

namespace hadal {

// out[m][n] = Σ_k a[m][k]·b[k][n], or added to what out holds.  Element [i][j] of a factor lies at
// i·row + j·column; one of the two steps is 1.
struct SplitFactor {
  const float* data;
  int64_t row, column;
};
struct SplitProduct {
  SplitFactor a, b;
  float* out;
  int64_t out_row;
  int64_t rows, columns, inner;
  bool add, coarse;
  uint8_t* scratch;  // split_scratch() bytes at a multiple of 64
};

int64_t split_scratch(int64_t columns, int64_t inner);
// Requires: a processor and a system with AMX and AVX512_BF16 (product.cpp asks both).
void multiply_split(const SplitProduct& product);

}  // namespace hadal
