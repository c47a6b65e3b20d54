// SPDX-License-Identifier: MIT
// Rows of a cache in the bytes that the published kernels hold (model-spec §3.7).
//
//   PackedRow packed({512, RowFormat::fp8_64_bf16, 64});   // 584 bytes a row
//   packed.pack(row, bytes);                               // rounds as round_row() does
//   packed.unpack(bytes, row);                             // the same values as round_row() gives
//
//   E4M3 formats    a code a value │ the tail, BF16 or f32 │ a scale (E8M0) a block │ pad to 8
//   fp4_32          two codes a byte, even channels low    │ a scale (E8M0) a block
//   fp4_e4m3_16     the same                               │ a scale (E4M3) a block
//
//   V4 rows 584 (448 + 128 + 7 + 1), V4.1 windows 528 (512 + 16), V4.1 compressed rows 288
//   (256 + 32), index keys 68 (64 + 4).  A row of zero bytes is zero.  Any thread.
#pragma once

#include <cstdint>

#include "ops/ops.h"

namespace hadal {

class PackedRow {
 public:
  explicit PackedRow(const RowLayout& layout);

  // Both `layout.width` floats.
  void pack(const float* row, uint8_t* packed) const;
  void unpack(const uint8_t* packed, float* row) const;
  // Bytes of a file may be anything: whether all numbers are finite and below 2^30.
  bool holds_numbers(const uint8_t* packed) const;

  RowLayout layout;
  bool fp4 = false;         // else E4M3
  int64_t block = 0;        // values that share a scale
  int64_t values = 0;       // with codes: width less the tail
  int64_t tail = 0;         // values after them …
  int64_t tail_offset = 0;  // … at this byte
  int64_t scales = 0;       // blocks
  int64_t scale_offset = 0;
  int64_t bytes = 0;

 private:
  float scale_of(const uint8_t* packed, int64_t block) const;
};

// Bytes of one row of a pool, packed or as floats.
int64_t row_bytes(const RowLayout& layout, bool packed);

}  // namespace hadal
