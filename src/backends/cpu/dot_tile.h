// SPDX-License-Identifier: MIT
// Dot products of a few rows with four others, for the loops over cached rows; the rules of vec.h.
//
// Lane i of a register adds up the terms i, i + lanes, …; then the lanes are folded by one tree: a
// dot product has the same bits in every place of every tile.
#pragma once

#include "backends/cpu/vec.h"

namespace hadal::cpu::HADAL_CPU_ISA {

constexpr int64_t kTileOutputs = 4;

constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// out[m·4 + n] = x[m] · w[n].
template <int64_t M>
inline void dot_tile(const float* const* x, const float* const* w, int64_t width, float* out) {
  Vec held[M][kTileOutputs] = {};
  int64_t k = 0;
  for (; k + kLanes <= width; k += kLanes) {
    Vec values[kTileOutputs];
    for (int64_t n = 0; n < kTileOutputs; ++n) values[n] = load(w[n] + k);
    for (int64_t m = 0; m < M; ++m) {
      const Vec row = load(x[m] + k);
      for (int64_t n = 0; n < kTileOutputs; ++n) held[m][n] = madd(row, values[n], held[m][n]);
    }
  }
  alignas(64) float sums[M * kTileOutputs * kLanes];
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = 0; n < kTileOutputs; ++n) {
      if (k < width)
        held[m][n] =
            madd(load_part(x[m] + k, width - k), load_part(w[n] + k, width - k), held[m][n]);
      store(sums + (m * kTileOutputs + n) * kLanes, held[m][n]);
    }
  for (int64_t m = 0; m < M; ++m)
    store_quad(out + m * kTileOutputs, sum_lanes_of_four(sums + m * kTileOutputs * kLanes));
}

// Its own function for each number of rows: together they would compete for registers.
template <int64_t M, typename Work>
__attribute__((noinline)) void run_tile(const Work& work) {
  work.template run<M>();
}
// Calls work.template run<m>() for a number of rows that is known only at run time.
template <int64_t M, typename Work>
inline void with_tile(int64_t m, const Work& work) {
  if (m == M) {
    run_tile<M>(work);
  } else if constexpr (M > 1) {
    with_tile<M - 1>(m, work);
  }
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
