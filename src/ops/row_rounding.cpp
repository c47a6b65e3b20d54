// SPDX-License-Identifier: MIT
// Block scales and roundings of cached rows and activations.
#include "ops/row_rounding.h"

#include <algorithm>
#include <cmath>

#include "base/number_formats.h"

namespace hadal {
namespace {

float largest_magnitude(const float* block, int64_t width) {
  float largest = 0;
  for (int64_t i = 0; i < width; ++i) largest = std::max(largest, std::fabs(block[i]));
  return largest;
}

void round_fp8(float* block, int64_t width, RowFormat format) {
  const float scale = row_scale(block, width, format);
  for (int64_t i = 0; i < width; ++i)
    block[i] = e4m3_to_float(float_to_e4m3(block[i] / scale)) * scale;
}

void round_fp4(float* block, int64_t width, RowFormat format) {
  const float scale = row_scale(block, width, format);
  for (int64_t i = 0; i < width; ++i)
    block[i] = kE2m1Values[float_to_e2m1(block[i] / scale)] * scale;
}

template <typename RoundBlock>
void for_blocks(float* row, int64_t width, int64_t block, RowFormat format,
                RoundBlock round_block) {
  for (int64_t i = 0; i < width; i += block)
    round_block(row + i, std::min(block, width - i), format);
}

}  // namespace

float row_scale(const float* block, int64_t width, RowFormat format) {
  const float amax = largest_magnitude(block, width);
  // The smallest amax whose scale is a normal number.
  if (format == RowFormat::fp4_32)
    return power_of_two_at_least(std::max(amax, 6.0f * 0x1p-126f) * (1.0f / 6.0f));
  // The smallest amax whose scale E4M3 can hold.
  if (format == RowFormat::fp4_e4m3_16)
    return e4m3_to_float(float_to_e4m3(std::max(amax, 6.0f * 0x1p-9f) / 6.0f));
  // E4M3: 2^ceil(log2(amax/448)); amax is floored at 1e-4 as in [K4] act_quant.
  return power_of_two_at_least(std::max(amax, 1e-4f) * (1.0f / 448.0f));
}

void round_row(float* row, int64_t width, RowFormat format, int64_t tail) {
  switch (format) {
    case RowFormat::f32:
      return;
    case RowFormat::fp8_64_bf16:
      for (int64_t i = width - tail; i < width; ++i) row[i] = bf16_to_float(float_to_bf16(row[i]));
      return for_blocks(row, width - tail, 64, format, round_fp8);
    case RowFormat::fp8_64_tail:
      return for_blocks(row, width - tail, 64, format, round_fp8);
    case RowFormat::fp8_32:
      return for_blocks(row, width, 32, format, round_fp8);
    case RowFormat::fp8_128:
      return for_blocks(row, width, 128, format, round_fp8);
    case RowFormat::fp4_32:
      return for_blocks(row, width, 32, format, round_fp4);
    case RowFormat::fp4_e4m3_16:
      return for_blocks(row, width, 16, format, round_fp4);
  }
}

}  // namespace hadal
