// SPDX-License-Identifier: MIT
// The small number formats of the published checkpoints, one value at a time.
//
//   bf16, f16        16-bit floats
//   E4M3 (fn)        bias 7, no infinity, largest 448, 0x7F and 0xFF are NaN
//   E8M0             a power of two, 2^(b-127); 0xFF is NaN
//   E2M1             codes 0..7 = 0 .5 1 1.5 2 3 4 6, bit 3 is the sign
//
// All roundings are to nearest, ties to even, as the official kernels do (model-spec 8.3).
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace hadal {

inline float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline uint16_t float_to_bf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  bits += 0x7fffu + ((bits >> 16) & 1u);
  return static_cast<uint16_t>(bits >> 16);
}

inline float f16_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: mantissa · 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

inline float e4m3_to_float(uint8_t code) {
  const int exponent = (code >> 3) & 15;
  const int mantissa = code & 7;
  float magnitude;
  if ((code & 0x7f) == 0x7f)
    magnitude = std::bit_cast<float>(0x7fc00000u);
  else if (exponent == 0)
    magnitude = std::ldexp(static_cast<float>(mantissa), -9);
  else
    magnitude = std::bit_cast<float>(static_cast<uint32_t>(exponent + 120) << 23 |
                                     static_cast<uint32_t>(mantissa) << 20);
  return (code & 0x80) ? -magnitude : magnitude;
}

// Saturates at ±448; NaN gives 0x7F.
inline uint8_t float_to_e4m3(float value) {
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  float magnitude = std::fabs(value);
  if (std::isnan(magnitude)) return static_cast<uint8_t>(sign | 0x7f);
  if (magnitude >= 448.0f) return static_cast<uint8_t>(sign | 0x7e);
  if (magnitude < 0.015625f)  // below the smallest normal, 2^-6: steps of 2^-9
    return static_cast<uint8_t>(sign | static_cast<uint8_t>(std::nearbyint(magnitude * 512.0f)));
  uint32_t bits = std::bit_cast<uint32_t>(magnitude);
  bits += 0x7ffffu + ((bits >> 20) & 1u);
  const uint32_t code = (bits >> 20) - (120u << 3);
  return static_cast<uint8_t>(sign | (code > 0x7e ? 0x7e : code));
}

inline float e8m0_to_float(uint8_t code) {
  if (code == 0xff) return std::bit_cast<float>(0x7fc00000u);
  if (code == 0) return std::ldexp(1.0f, -127);
  return std::bit_cast<float>(static_cast<uint32_t>(code) << 23);
}

inline constexpr std::array<float, 16> kE2m1Values = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
                                                      4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
                                                      -2.0f, -3.0f, -4.0f, -6.0f};

// Saturates at ±6.
inline uint8_t float_to_e2m1(float value) {
  const float magnitude = std::fabs(value);
  // Half-way points between neighbours; a tie goes to the even code.
  uint8_t code = 0;
  if (magnitude <= 0.25f)
    code = 0;
  else if (magnitude < 0.75f)
    code = 1;
  else if (magnitude <= 1.25f)
    code = 2;
  else if (magnitude < 1.75f)
    code = 3;
  else if (magnitude <= 2.5f)
    code = 4;
  else if (magnitude < 3.5f)
    code = 5;
  else if (magnitude <= 5.0f)
    code = 6;
  else
    code = 7;
  return static_cast<uint8_t>(code | (std::signbit(value) ? 8 : 0));
}

// 2^ceil(log2(x)) for a positive normal x, from the bits: the exponent, plus one if any mantissa
// bit is set (how the official kernels choose a power-of-two scale).
inline float power_of_two_at_least(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t exponent = (bits >> 23) + ((bits & 0x7fffffu) != 0 ? 1u : 0u);
  return std::bit_cast<float>(exponent << 23);
}

}  // namespace hadal
