// SPDX-License-Identifier: MIT
// Products of quantised weights with activations of eight bits: the fast mode's inner loops.
//
// A row of activations is cut into blocks of 32.  Each block becomes whole numbers of at most 127
// times a power of two; activations that were already rounded to E4M3 keep their upper four
// binades to the bit.  FP4 weights are whole numbers when doubled; E4M3 weights become round(v/4),
// which keeps the upper four binades of a tile to the bit and costs the smaller ones at most half
// a step of their largest.
//
//   x · w = Σ_blocks  scale of x · scale of w · Σ whole products
//
// The inner sums are whole numbers, so they have no order.  Blocks are summed in f32, each by one
// fused multiplication and addition: block b belongs to sum b mod 4, the four meet as (0+2)+(1+3).
// So a row gives the same bits alone and among others, on every number of threads and in every
// instruction set.  Tested by tests/ops/cpu_int8_test.cpp.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels.h"

namespace hadal::cpu {

constexpr int64_t kInt8Block = 32;  // inputs that share a scale
constexpr int64_t kInt8Span = 128;  // rows are filled up with zeros to whole spans

// Rows of activations: of each 32 values a scale, and -128 · their sum for sets that keep weights
// as bytes above 128 (VNNI's products take one factor without a sign), else 0.
struct Int8Rows {
  int8_t* values = nullptr;  // [row][stride]
  float* scales = nullptr;   // [row][stride / 32]
  int32_t* corrections = nullptr;
  int64_t stride = 0;  // a multiple of 128
  const int64_t* index = nullptr;
  int64_t row_step = 1, first_row = 0;  // row t is first_row + t·row_step without an index

  int64_t place(int64_t t) const { return index != nullptr ? index[t] : first_row + t * row_step; }
};

// out[t][o - first] = x[t] · matrix[o], added if `add`.  The matrix is fp4, or e4m3 in tiles of 32
// columns or a power of two more, both with E8M0 scales.
struct Int8Product {
  Matrix matrix;
  int64_t first = 0, last = 0;
  Int8Rows x;
  Rows out;
  int64_t rows = 0;
  bool add = false;
  NextWeights next;
};

struct Int8Table {
  const char* name;
  void (*product)(const Int8Product& product, uint8_t* scratch);  // scratch at 64 bytes
  int64_t (*scratch_bytes)(int64_t inputs);
  // Row `row` of `out` from `width` floats.  A block that is not finite gets the scale NaN.
  void (*round_row)(const float* x, int64_t width, Format weights, int64_t row,
                    const Int8Rows& out);
};

// Each defined by int8_kernels.cpp, compiled for that set.
namespace avx2 {
extern const Int8Table kInt8Table;
}
namespace avx2_vnni {
extern const Int8Table kInt8Table;
}
namespace avx512_vnni {
extern const Int8Table kInt8Table;
}
namespace avx512_vbmi {
extern const Int8Table kInt8Table;
}
namespace neon {
extern const Int8Table kInt8Table;
}
namespace neon_dotprod {
extern const Int8Table kInt8Table;
}
namespace neon_i8mm {
extern const Int8Table kInt8Table;
}

}  // namespace hadal::cpu
