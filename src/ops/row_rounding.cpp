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

// Block scale 2^ceil(log2(amax/448)); amax is floored at 1e-4 as in [K4] act_quant.
void round_fp8(float* block, int64_t width) {
  const float amax = std::max(largest_magnitude(block, width), 1e-4f);
  const float scale = power_of_two_at_least(amax * (1.0f / 448.0f));
  for (int64_t i = 0; i < width; ++i)
    block[i] = e4m3_to_float(float_to_e4m3(block[i] / scale)) * scale;
}

void round_fp4(float* block, int64_t width, float scale) {
  for (int64_t i = 0; i < width; ++i)
    block[i] = kE2m1Values[float_to_e2m1(block[i] / scale)] * scale;
}

// Floor 6·2^-126: the smallest amax whose scale is a normal number.
void round_fp4_power(float* block, int64_t width) {
  const float amax = std::max(largest_magnitude(block, width), 6.0f * 0x1p-126f);
  round_fp4(block, width, power_of_two_at_least(amax * (1.0f / 6.0f)));
}

// Floor 6·2^-9: the smallest amax whose scale E4M3 can hold.
void round_fp4_e4m3(float* block, int64_t width) {
  const float amax = std::max(largest_magnitude(block, width), 6.0f * 0x1p-9f);
  round_fp4(block, width, e4m3_to_float(float_to_e4m3(amax / 6.0f)));
}

template <typename RoundBlock>
void for_blocks(float* row, int64_t width, int64_t block, RoundBlock round_block) {
  for (int64_t i = 0; i < width; i += block) round_block(row + i, std::min(block, width - i));
}

}  // namespace

void round_row(float* row, int64_t width, RowFormat format, int64_t tail) {
  switch (format) {
    case RowFormat::f32:
      return;
    case RowFormat::fp8_64_tail:
      return for_blocks(row, width - tail, 64, round_fp8);
    case RowFormat::fp8_32:
      return for_blocks(row, width, 32, round_fp8);
    case RowFormat::fp8_128:
      return for_blocks(row, width, 128, round_fp8);
    case RowFormat::fp4_32:
      return for_blocks(row, width, 32, round_fp4_power);
    case RowFormat::fp4_e4m3_16:
      return for_blocks(row, width, 16, round_fp4_e4m3);
  }
}

}  // namespace hadal
