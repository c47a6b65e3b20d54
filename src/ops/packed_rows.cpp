// SPDX-License-Identifier: MIT
// Packing and unpacking of one row.
#include "ops/packed_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/number_formats.h"
#include "ops/row_rounding.h"

namespace hadal {
namespace {

bool has_tail(RowFormat format) {
  return format == RowFormat::fp8_64_tail || format == RowFormat::fp8_64_bf16;
}

int64_t block_of(RowFormat format) {
  switch (format) {
    case RowFormat::fp8_64_tail:
    case RowFormat::fp8_64_bf16:
      return 64;
    case RowFormat::fp8_128:
      return 128;
    case RowFormat::fp4_e4m3_16:
      return 16;
    case RowFormat::fp8_32:
    case RowFormat::fp4_32:
      return 32;
    case RowFormat::f32:
      break;
  }
  CHECK(false, "rows of floats are not packed");
  return 1;
}

uint8_t exponent_code(float power_of_two) {
  return static_cast<uint8_t>(std::bit_cast<uint32_t>(power_of_two) >> 23);
}

}  // namespace

PackedRow::PackedRow(const RowLayout& layout_) : layout(layout_) {
  const RowFormat format = layout.format;
  fp4 = format == RowFormat::fp4_32 || format == RowFormat::fp4_e4m3_16;
  block = block_of(format);
  tail = has_tail(format) ? layout.tail : 0;
  values = layout.width - tail;
  CHECK(values >= 0 && tail >= 0, "a tail of ", tail, " in ", layout.width);
  const int64_t tail_bytes = tail * (format == RowFormat::fp8_64_bf16 ? 2 : 4);
  tail_offset = fp4 ? ceil_div(values, 2) : values;
  scale_offset = tail_offset + tail_bytes;
  scales = ceil_div(values, block);
  bytes = scale_offset + scales;
  if (has_tail(format)) bytes = ceil_div(bytes, 8) * 8;
}

void PackedRow::pack(const float* row, uint8_t* packed) const {
  std::memset(packed, 0, static_cast<size_t>(bytes));
  for (int64_t b = 0; b < scales; ++b) {
    const int64_t begin = b * block, end = std::min(values, begin + block);
    const float scale = row_scale(row + begin, end - begin, layout.format);
    packed[scale_offset + b] =
        layout.format == RowFormat::fp4_e4m3_16 ? float_to_e4m3(scale) : exponent_code(scale);
    for (int64_t i = begin; i < end; ++i)
      if (fp4)
        packed[i / 2] |= static_cast<uint8_t>(float_to_e2m1(row[i] / scale) << (i % 2 * 4));
      else
        packed[i] = float_to_e4m3(row[i] / scale);
  }
  if (layout.format != RowFormat::fp8_64_bf16) {
    std::memcpy(packed + tail_offset, row + values, static_cast<size_t>(tail) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < tail; ++i) {
    const uint16_t bits = float_to_bf16(row[values + i]);
    std::memcpy(packed + tail_offset + 2 * i, &bits, sizeof bits);
  }
}

float PackedRow::scale_of(const uint8_t* packed, int64_t b) const {
  const uint8_t code = packed[scale_offset + b];
  return layout.format == RowFormat::fp4_e4m3_16 ? e4m3_to_float(code) : e8m0_to_float(code);
}

void PackedRow::unpack(const uint8_t* packed, float* row) const {
  for (int64_t b = 0; b < scales; ++b) {
    const float scale = scale_of(packed, b);
    for (int64_t i = b * block; i < std::min(values, (b + 1) * block); ++i)
      row[i] =
          scale * (fp4 ? kE2m1Values[packed[i / 2] >> (i % 2 * 4) & 15] : e4m3_to_float(packed[i]));
  }
  if (layout.format != RowFormat::fp8_64_bf16) {
    std::memcpy(row + values, packed + tail_offset, static_cast<size_t>(tail) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < tail; ++i) {
    uint16_t bits;
    std::memcpy(&bits, packed + tail_offset + 2 * i, sizeof bits);
    row[values + i] = bf16_to_float(bits);
  }
}

bool PackedRow::holds_numbers(const uint8_t* packed) const {
  // The largest codes are 448 and 6; 2^20 times either stays below 2^30.
  constexpr float kLargestScale = 0x1p20f, kLargestValue = 0x1p30f;
  for (int64_t b = 0; b < scales; ++b)
    if (!(std::fabs(scale_of(packed, b)) <= kLargestScale)) return false;
  if (!fp4)
    for (int64_t i = 0; i < values; ++i)
      if ((packed[i] & 0x7f) == 0x7f) return false;
  for (int64_t i = 0; i < tail; ++i) {
    float value;
    if (layout.format == RowFormat::fp8_64_bf16) {
      uint16_t bits;
      std::memcpy(&bits, packed + tail_offset + 2 * i, sizeof bits);
      value = bf16_to_float(bits);
    } else {
      std::memcpy(&value, packed + tail_offset + 4 * i, sizeof value);
    }
    if (!(std::fabs(value) <= kLargestValue)) return false;
  }
  return true;
}

int64_t row_bytes(const RowLayout& layout, bool packed) {
  if (packed && layout.format != RowFormat::f32) return PackedRow(layout).bytes;
  return layout.width * static_cast<int64_t>(sizeof(float));
}

}  // namespace hadal
