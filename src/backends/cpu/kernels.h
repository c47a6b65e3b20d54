// SPDX-License-Identifier: MIT
// The table of inner loops.  kernels.cpp fills one table per instruction set; the verbs call
// through the one that fits the machine.
//
// Kernels run on the calling thread, allocate nothing (`scratch` is lent), and compute each output
// from its own inputs in one fixed order: how the work was cut up is not visible in the bits.
// Between instruction sets bits may differ.
#pragma once

#include <cstdint>

namespace hadal::cpu {

// How a matrix lies in memory, as the inner loops know it.
enum class Format { f32, bf16, f16, e4m3, fp4 };

struct Matrix {
  Format format = Format::f32;
  const uint8_t* values = nullptr;
  int64_t row_bytes = 0;
  int64_t inputs = 0;
  // e4m3 and fp4: scales of [row / block_rows][column >> block_shift], E8M0 bytes or floats.
  const uint8_t* scales = nullptr;
  bool scales_are_floats = false;
  int64_t scale_columns = 0;
  int64_t block_rows = 1;
  int64_t block_shift = 0;
};

// What a thread reads after the weights of a product, and so is fetched at its end: a row of a
// matrix of the same layout, and its scales.
struct NextWeights {
  const uint8_t* values = nullptr;
  const uint8_t* scales = nullptr;
};

// Rows of floats: base + index[t]·stride, or base + t·stride without an index.
struct Rows {
  float* base = nullptr;
  int64_t stride = 0;
  const int64_t* index = nullptr;

  float* row(int64_t t) const { return base + (index != nullptr ? index[t] : t) * stride; }
};

// out[t][o - first] = Σ_i x[t][i] · matrix[o][i] for o in [first, last), added if `add`.
// For fp4, x is packed: see `pack_pairs`.
struct Product {
  Matrix matrix;
  int64_t first = 0, last = 0;
  Rows x, out;
  int64_t rows = 0;
  bool add = false;
};

// One group of the compressor: members' values and scores, already at the right half.
struct Blend {
  const float* const* values = nullptr;
  const float* const* scores = nullptr;
  int64_t members = 0, width = 0;
  float* out = nullptr;
};

enum class Rounding { e4m3, e2m1_power, e2m1_e4m3 };

struct KernelTable {
  const char* name;

  void (*product)(const Product& product, float* scratch);
  int64_t (*product_scratch)(int64_t inputs);  // in floats
  // One row of a matrix as floats; scratch as for a product.
  void (*decode)(const Matrix& matrix, int64_t row, float* out, float* scratch);
  // Even, then odd elements of each block of 32, zeros after the end: x as fp4 products want it.
  void (*pack_pairs)(const float* x, int64_t width, float* out);

  void (*blend)(const Blend& blend);

  // Over rows of `width` floats.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int64_t width, float* out);
  float (*sum_of_squares)(const float* x, int64_t width);
  float (*sum_of_products)(const float* a, const float* b, const float* c, int64_t width);
  // factor · silu(gate) · up
  void (*swiglu)(const float* gate, const float* up, float limit, float factor, int64_t width,
                 float* out);
  void (*hadamard)(float* row, int64_t width);
  void (*round_blocks)(float* row, int64_t width, int64_t block, Rounding rounding);
  // Neighbouring channels as complex numbers: v · cosines + (its neighbour) · sines.
  void (*turn)(float* row, int64_t width, const float* cosines, const float* sines);
  void (*add)(const float* a, const float* b, int64_t width, float* out);
  // out = Σ_j factors[j] · rows[j], j ascending.
  void (*combine)(const float* const* rows, const float* factors, int64_t count, int64_t width,
                  float* out);
};

// Each defined by kernels.cpp, compiled for that set.
namespace portable {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
namespace neon {
extern const KernelTable kTable;
}

}  // namespace hadal::cpu
