// SPDX-License-Identifier: MIT
// From floats to the published formats: what weight_rows.h reads back (model-spec §8.3).
//
//   const auto read = [&](int64_t row, float* out) { dequantise_row(source, row, out); };
//   Encoded made = encode_fp4({outputs, inputs}, read, pool);
//   if (made.bad_row >= 0) …                    // a weight that is no number
//
//   E4M3 in tiles of block_rows x block_columns, E2M1 in blocks of 32 along a row, each under one
//   power of two, which is the one of all with the least squared error.
//
// The same floats give the same bytes on any number of threads.
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"
#include "ops/ops.h"

namespace hadal {

constexpr int64_t kFp4Columns = 32;  // of a row, under one scale

// Writes one row of a matrix as floats.  Called from several threads.
using RowReader = std::function<void(int64_t row, float* out)>;

struct Encoded {
  Weight weight;
  double squared_error = 0, squares = 0;  // of the difference, and of what was given
  int64_t bad_row = -1;                   // a row that holds an infinity or NaN
};

Encoded encode_fp8(const Shape& shape, const RowReader& read, int64_t block_rows,
                   int64_t block_columns, ThreadPool& pool);
// Requires: rows of a multiple of 32.
Encoded encode_fp4(const Shape& shape, const RowReader& read, ThreadPool& pool);

}  // namespace hadal
