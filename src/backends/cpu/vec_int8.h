// SPDX-License-Identifier: MIT
// Lines of 64 bytes for the products of int8_kernels.cpp: in one register, two or four, as the set
// has them.  As in vec.h, nothing here may be an inline function of another room.
//
// Every set's file defines the same names with the same meaning:
//
//   Bytes    64 bytes, or 16 whole numbers of 32 bits
//   Floats   16 floats
//   kTileRows, kTileLines   rows of x, and lines of sixteen outputs, whose sums fill the registers
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace hadal::cpu::HADAL_CPU_ISA {

// Weights are kept as bytes above this: where products take one factor without a sign, it is 128.
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int32_t kMiddle = 128;
#else
constexpr int32_t kMiddle = 0;
#endif
constexpr uint8_t above_middle(int value) {
  return (uint8_t)(kMiddle + value);
}

// Bytes of an output in a piece of a panel: 8 where one instruction multiplies two rows with two
// outputs.
#if defined(__ARM_FEATURE_MATMUL_INT8)
constexpr int64_t kPieceBytes = 8;
#else
constexpr int64_t kPieceBytes = 4;
#endif

// Doubled E2M1 values by code.
alignas(64) constexpr uint8_t kFp4Bytes[16] = {
    above_middle(0),  above_middle(1),  above_middle(2),  above_middle(3),
    above_middle(4),  above_middle(6),  above_middle(8),  above_middle(12),
    above_middle(0),  above_middle(-1), above_middle(-2), above_middle(-3),
    above_middle(-4), above_middle(-6), above_middle(-8), above_middle(-12)};

// round(|v| / 4), ties to even, of the E4M3 codes 64 … 127; below 64 it is 0.  127 is NaN, which
// no weight of a checkpoint is; it counts as 120.
alignas(64) constexpr uint8_t kE4m3Bytes[64] = {
    0,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  1,  2,  2,   2,   2,    // 2^1, 2^2
    2,  2,  2,  3,  3,  3,  4,  4,  4,  4,  5,  6,  6,  6,   7,   8,    // 2^3, 2^4
    8,  9,  10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 24, 26,  28,  30,   // 2^5, 2^6
    32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 80, 88, 96, 104, 112, 120,  // 2^7, 2^8
};

}  // namespace hadal::cpu::HADAL_CPU_ISA

#if defined(__AVX512F__)
#include "backends/cpu/vec_int8_avx512.h"
#elif defined(__aarch64__)
#include "backends/cpu/vec_int8_neon.h"
#else
#include "backends/cpu/vec_int8_avx2.h"
#endif
