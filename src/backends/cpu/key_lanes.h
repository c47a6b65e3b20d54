// SPDX-License-Identifier: MIT
// Packed index keys in registers: vec.h for bytes, with the same rules, and with intrinsics as
// well.
//
// A register holds four channels of kLanes keys: lane j, of 32 bits, is four of key j's channels.
// Codes become whole numbers without a sign, twice the E2M1 value plus 12; products with four
// signed bytes of a query are summed in 32 bits, where none can overflow.
#pragma once

#include "backends/cpu/vec.h"

namespace hadal::cpu::HADAL_CPU_ISA {

constexpr int64_t kKeyBytes = 4 * kLanes;
typedef uint8_t KeyVec __attribute__((vector_size(kKeyBytes)));

// Twice each E2M1 value, plus 12, by code.
alignas(64) constexpr uint8_t kKeyValues[16] = {12, 13, 14, 15, 16, 18, 20, 24,
                                                12, 11, 10, 9,  8,  6,  4,  0};

inline KeyVec load_keys(const uint8_t* p) {
  KeyVec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store_keys(uint8_t* p, KeyVec v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// The numbers of the low nibbles.
inline KeyVec key_values(KeyVec codes) {
#if defined(__AVX512BW__)
  const __m512i table = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)kKeyValues));
  return (KeyVec)_mm512_shuffle_epi8(table, _mm512_and_si512((__m512i)codes, _mm512_set1_epi8(15)));
#elif defined(__AVX2__)
  const __m256i table = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)kKeyValues));
  return (KeyVec)_mm256_shuffle_epi8(table, _mm256_and_si256((__m256i)codes, _mm256_set1_epi8(15)));
#elif defined(HADAL_NEON)
  return (KeyVec)vqtbl1q_u8(vld1q_u8(kKeyValues), vandq_u8((uint8x16_t)codes, vdupq_n_u8(15)));
#else
  for (int64_t i = 0; i < kKeyBytes; ++i) codes[i] = kKeyValues[codes[i] & 15];
  return codes;
#endif
}
inline KeyVec high_nibbles(KeyVec codes) {
  return codes >> 4;
}

// Sums under way: of 32 bits with VNNI, else of 16, which hold a block of 32 channels.
#if defined(__AVX512VNNI__)
typedef __m512i KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  int32_t four;
  __builtin_memcpy(&four, query, sizeof four);
  return _mm512_dpbusd_epi32(sums, (__m512i)keys, _mm512_set1_epi32(four));
}
inline IntVec whole_sums(KeySums sums) {
  return (IntVec)sums;
}
#elif defined(__AVXVNNI__)
typedef __m256i KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  int32_t four;
  __builtin_memcpy(&four, query, sizeof four);
  return _mm256_dpbusd_avx_epi32(sums, (__m256i)keys, _mm256_set1_epi32(four));
}
inline IntVec whole_sums(KeySums sums) {
  return (IntVec)sums;
}
#elif defined(__AVX512BW__)
typedef __m512i KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  int32_t four;
  __builtin_memcpy(&four, query, sizeof four);
  return _mm512_add_epi16(sums, _mm512_maddubs_epi16((__m512i)keys, _mm512_set1_epi32(four)));
}
inline IntVec whole_sums(KeySums sums) {
  return (IntVec)_mm512_madd_epi16(sums, _mm512_set1_epi16(1));
}
#elif defined(__AVX2__)
typedef __m256i KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  int32_t four;
  __builtin_memcpy(&four, query, sizeof four);
  return _mm256_add_epi16(sums, _mm256_maddubs_epi16((__m256i)keys, _mm256_set1_epi32(four)));
}
inline IntVec whole_sums(KeySums sums) {
  return (IntVec)_mm256_madd_epi16(sums, _mm256_set1_epi16(1));
}
#elif defined(HADAL_NEON)
inline int8x16_t four_of(const int8_t* query) {
  int32_t four;
  __builtin_memcpy(&four, query, sizeof four);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
#if defined(__ARM_FEATURE_DOTPROD)
typedef int32x4_t KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  return vdotq_s32(sums, (int8x16_t)keys, four_of(query));
}
inline IntVec whole_sums(KeySums sums) {
  return (IntVec)sums;
}
#else
typedef int16x8_t KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  const int8x16_t values = (int8x16_t)keys, four = four_of(query);
  const int16x8_t low = vmull_s8(vget_low_s8(values), vget_low_s8(four));
  return vaddq_s16(sums, vpaddq_s16(low, vmull_high_s8(values, four)));
}
inline IntVec whole_sums(KeySums sums) {
  return (IntVec)vpaddlq_s16(sums);
}
#endif
#else
typedef IntVec KeySums;
inline KeySums meet(KeySums sums, KeyVec keys, const int8_t* query) {
  for (int64_t lane = 0; lane < kLanes; ++lane)
    for (int64_t i = 0; i < 4; ++i) sums[lane] += (int32_t)keys[4 * lane + i] * query[i];
  return sums;
}
inline IntVec whole_sums(KeySums sums) {
  return sums;
}
#endif

#if defined(__AVX512F__)
// Sixteen rows of sixteen words become sixteen columns.
inline void turn_words(const uint8_t* const* rows, int64_t offset, uint8_t* out) {
  __m512i a[16], b[16];
  for (int64_t i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(rows[i] + offset);
  for (int64_t i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int64_t i = 0; i < 16; i += 4) {
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
  // a[4r + c] holds, in blocks of four lanes k, column 4k + c of rows 4r … 4r + 3.
  for (int64_t c = 0; c < 4; ++c) {
    const __m512i low01 = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88);
    const __m512i high01 = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd);
    const __m512i low23 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
    const __m512i high23 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
    const __m512i columns[4] = {
        _mm512_shuffle_i32x4(low01, low23, 0x88), _mm512_shuffle_i32x4(high01, high23, 0x88),
        _mm512_shuffle_i32x4(low01, low23, 0xdd), _mm512_shuffle_i32x4(high01, high23, 0xdd)};
    for (int64_t k = 0; k < 4; ++k) _mm512_storeu_si512(out + (4 * k + c) * 64, columns[k]);
  }
}
#endif

// out[word][key], `words` words of four bytes of kLanes keys.
inline void turn_keys(const uint8_t* const* keys, int64_t words, uint8_t* out) {
  int64_t word = 0;
#if defined(__AVX512F__)
  for (; word + 16 <= words; word += 16) turn_words(keys, 4 * word, out + word * kKeyBytes);
#endif
  for (; word < words; ++word)
    for (int64_t key = 0; key < kLanes; ++key)
      __builtin_memcpy(out + word * kKeyBytes + 4 * key, keys[key] + 4 * word, 4);
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
