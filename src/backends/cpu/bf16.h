// SPDX-License-Identifier: MIT
// Products of quantised weights with activations that BF16 holds exactly: exact arithmetic at twice
// the rate of f32, on processors that multiply BF16 (Cooper Lake, Sapphire Rapids, Zen 4).
//
// The published model rounds activations to E4M3 before every quantised product (model-spec §8).
// Such a value has four bits, an E4M3 weight four and an E2M1 weight two: BF16 holds all of them,
// and their products are exact in f32.  Only the order of sums differs from kernels.cpp:
//
//   in a span of 128 inputs, lane i adds up eight products; times the scale of its block; the spans
//   in ascending order; then the lanes by one tree.
//
// So a row gives the same bits alone and among others, decoded on the fly or from a panel.  Rows
// that BF16 does not hold (no rounding was asked for) take kernels.cpp.
//
// In the fast mode BF16 weights come here, too: their activations are rounded to BF16, and nothing
// is scaled.  Tested by tests/ops/cpu_bf16_test.cpp.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels.h"

namespace hadal::cpu {

constexpr int64_t kBf16Span = 128;  // rows are filled up with zeros to whole spans

// Rows of activations, every span in the order in which the format's weights are decoded.
struct Bf16Rows {
  uint16_t* values = nullptr;  // [row][stride]
  int64_t stride = 0;          // a multiple of 128
  const int64_t* index = nullptr;
  int64_t row_step = 1, first_row = 0;  // row t is first_row + t·row_step without an index

  const uint16_t* row(int64_t t) const {
    return values + (index != nullptr ? index[t] : first_row + t * row_step) * stride;
  }
};

// out[t][o - first] = x[t] · matrix[o], added if `add`.  The matrix is bf16, or fp4, or e4m3 in
// tiles of 32 columns or a power of two more, both with E8M0 scales.
struct Bf16Product {
  Matrix matrix;
  int64_t first = 0, last = 0;
  Bf16Rows x;
  Rows out;
  int64_t rows = 0;
  bool add = false;
  NextWeights next;
};

struct Bf16Table {
  void (*product)(const Bf16Product& product, uint8_t* scratch);  // scratch at 64 bytes
  int64_t (*scratch_bytes)(int64_t inputs);
  // `width` floats as one row for weights of this format.  For BF16 weights they are rounded; else
  // false when BF16 does not hold them all.
  bool (*pack_row)(const float* x, int64_t width, Format weights, uint16_t* out);
};

// Defined by bf16_kernels.cpp.
namespace avx512_bf16 {
extern const Bf16Table kBf16Table;
}

}  // namespace hadal::cpu
