// SPDX-License-Identifier: MIT
// Rows of quantised weights as a stream, for the loops that meet them with a few rows: four outputs
// side by side, and what is read after them fetched meanwhile.  The rules of vec.h; includers have
// prefetch_line().
//
// Rows are too short for the machine to see the stream by itself, and where a part of a product
// ends the thread goes on in another matrix, or farther down in this one.
#pragma once

#include "backends/cpu/kernels.h"

namespace hadal::cpu::HADAL_CPU_ISA {

constexpr int64_t kOutputs = 4;        // side by side
constexpr int64_t kBytesAhead = 4096;  // that weights are fetched ahead (bench/README.md)

constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline const uint8_t* scale_row(const Matrix& matrix, int64_t row) {
  return matrix.scales + row / matrix.block_rows * matrix.scale_columns;
}

// How far ahead of four outputs weights are fetched: whole fours, and kBytesAhead at the least.
inline int64_t outputs_ahead(const Matrix& matrix) {
  return (kBytesAhead / (kOutputs * matrix.row_bytes) + 1) * kOutputs;
}

// How far ahead of one output: as many bytes, in whole rows.
inline int64_t rows_ahead(const Matrix& matrix) {
  return matrix.row_bytes < kBytesAhead ? kBytesAhead / matrix.row_bytes : 1;
}

template <int64_t bytes>
inline __attribute__((always_inline)) void fetch(const uint8_t* begin) {
  for (int64_t at = 0; at < bytes; at += 64) prefetch_line(begin + at);
}

// Where the row of weights lies that is read in the turn of output `o` of a product: its own, or
// behind its last one that of what is next.
template <typename AnyProduct>
inline const uint8_t* values_at(const AnyProduct& p, int64_t o) {
  if (o >= p.last && p.next.values != nullptr)
    return p.next.values + (o - p.last) * p.matrix.row_bytes;
  return p.matrix.values + o * p.matrix.row_bytes;
}
template <typename AnyProduct>
inline const uint8_t* scales_at(const AnyProduct& p, int64_t o) {
  if (o >= p.last && p.next.scales != nullptr)
    return p.next.scales + (o - p.last) / p.matrix.block_rows * p.matrix.scale_columns;
  return scale_row(p.matrix, o);
}

// Four outputs from `o` on; those behind the last one repeat it.
struct FourRows {
  const uint8_t *values[kOutputs], *scales[kOutputs];
  const uint8_t* next;  // the values that are fetched meanwhile

  template <typename AnyProduct>
  FourRows(const AnyProduct& p, int64_t o) : next(values_at(p, o + outputs_ahead(p.matrix))) {
    for (int64_t n = 0; n < kOutputs; ++n) {
      const int64_t row = smaller(o + n, p.last - 1);
      values[n] = p.matrix.values + row * p.matrix.row_bytes;
      scales[n] = scale_row(p.matrix, row);
    }
  }

  // The part of them that belongs to span `s` of output `n`.
  template <int64_t span_bytes>
  __attribute__((always_inline)) void fetch(int64_t s, int64_t n) const {
    cpu::HADAL_CPU_ISA::fetch<span_bytes>(next + (s * kOutputs + n) * span_bytes);
  }
};

// The scales of the outputs that are so far ahead.
template <typename AnyProduct>
inline void fetch_scales(const AnyProduct& p, int64_t o) {
  const Matrix& matrix = p.matrix;
  const uint8_t* begin = scales_at(p, o + outputs_ahead(matrix));
  const int64_t rows = (kOutputs + matrix.block_rows - 1) / matrix.block_rows;
  for (int64_t at = 0; at < rows * matrix.scale_columns; at += 64) prefetch_line(begin + at);
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
