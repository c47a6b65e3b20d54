// SPDX-License-Identifier: MIT
// The matrix unit's instructions and the unpacking of weights, for tile_kernels.cpp: AMX with BF16,
// and AVX-512 with VBMI.  As in vec.h, nothing here may be an inline function of another room.
//
// The instructions are written as assembly with a clobber of memory: the compilers' own names for
// them do not say that they read what was stored just before.
#pragma once

#include "backends/cpu/vec_int8.h"

namespace hadal::cpu::HADAL_CPU_ISA {

typedef __m512i Words;  // 32 BF16 values

// ---- tiles: eight registers of 16 rows of up to 64 bytes

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

inline void use_shapes(const TileShapes& shapes) {
  asm volatile("ldtilecfg %0" ::"m"(shapes));
}
// Tiles that hold nothing cost nothing when threads change.
inline void release_tiles() {
  asm volatile("tilerelease");
}
template <int tile>
inline void clear_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(tile));
}
template <int tile>
inline void load_tile(const void* rows, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
inline void store_tile(void* rows, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(stride), "i"(tile) : "memory");
}
template <int sum, int weights, int activations>
inline void add_tile_products() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(weights), "i"(activations));
}

// Into the second cache, which holds the lines of many rows.
inline void prefetch_far(const void* p) {
  _mm_prefetch((const char*)p, _MM_HINT_T1);
}

// ---- weights with their scales

// E2M1's values times 2^125 by code, twice; a scale takes exponents away, and zero stays zero.
constexpr uint8_t kLargestFp4Scale = 252;
alignas(64) constexpr uint16_t kFp4Words[32] = {
    0,      0x7d80, 0x7e00, 0x7e40, 0x7e80, 0x7ec0, 0x7f00, 0x7f40, 0,      0xfd80, 0xfe00,
    0xfe40, 0xfe80, 0xfec0, 0xff00, 0xff40, 0,      0x7d80, 0x7e00, 0x7e40, 0x7e80, 0x7ec0,
    0x7f00, 0x7f40, 0,      0xfd80, 0xfe00, 0xfe40, 0xfe80, 0xfec0, 0xff00, 0xff40};

// 128 codes in four registers: register j has inputs 4i + j.  `less` are the exponents to take away
// from each of the four blocks.
inline void fp4_words(Words codes, const uint16_t* less, Words* out) {
  const Words table = load_line(kFp4Words);
  int64_t four;
  __builtin_memcpy(&four, less, sizeof four);
  const Words places = _mm512_inserti64x4(
      _mm512_castsi256_si512(_mm256_setr_m128i(_mm_set1_epi16(0x0100), _mm_set1_epi16(0x0302))),
      _mm256_setr_m128i(_mm_set1_epi16(0x0504), _mm_set1_epi16(0x0706)), 1);
  const Words taken = _mm512_shuffle_epi8(_mm512_set1_epi64(four), places);
  const auto scaled = [&](Words places_of_codes) {
    return _mm512_subs_epu16(_mm512_permutexvar_epi16(places_of_codes, table), taken);
  };
  out[0] = scaled(codes);  // look-ups use the low five bits alone
  out[1] = scaled(_mm512_srli_epi16(codes, 4));
  out[2] = scaled(_mm512_srli_epi16(codes, 8));
  out[3] = scaled(_mm512_srli_epi16(codes, 12));
}

// E4M3's subnormals 0, 2^-9 … 7·2^-9 as BF16, less the 120 exponents that scales are kept above.
alignas(64) constexpr uint16_t kE4m3Subnormals[32] = {0,      0xff00, 0xff80, 0xffc0,
                                                      0x0000, 0x0020, 0x0040, 0x0060};

// `codes`: a code in the lower byte of each word; `words`: right but for subnormals and NaN.
inline Words e4m3_specials(Words words, Words codes, Words scale) {
  const Words magnitude = _mm512_and_si512(codes, _mm512_set1_epi16(0x7f));
  const Words value = _mm512_maskz_add_epi16(
      _mm512_test_epi16_mask(magnitude, magnitude),
      _mm512_permutexvar_epi16(magnitude, load_line(kE4m3Subnormals)), scale);
  const Words sign =
      _mm512_and_si512(_mm512_slli_epi16(codes, 8), _mm512_set1_epi16((short)0x8000));
  words = _mm512_mask_mov_epi16(words, _mm512_testn_epi16_mask(codes, _mm512_set1_epi16(0x78)),
                                _mm512_or_si512(value, sign));
  return _mm512_mask_mov_epi16(words, _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7f)),
                               _mm512_set1_epi16(0x7fc0));
}

// 64 codes in two registers: the even inputs, then the odd ones.  Exponent and mantissa move to
// their places, the scale comes on top; `scale` is of the first 32 inputs in the lower half.
inline void e4m3_words(Words codes, Words scale, Words* out) {
  const Words kept = _mm512_set1_epi16((short)0x87f0);  // the sign's copies and foreign bits go
  const Words even = _mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 4);
  out[0] = _mm512_add_epi16(_mm512_and_si512(even, kept), scale);
  out[1] = _mm512_add_epi16(_mm512_and_si512(_mm512_srai_epi16(codes, 4), kept), scale);
  // Zero, the 14 smallest values of 254, and NaN: seldom in 64 weights.  Magnitudes below 8 and 127
  // are, doubled and less 16, the bytes from 0xee on.
  const Words doubled = _mm512_sub_epi8(_mm512_add_epi8(codes, codes), _mm512_set1_epi8(16));
  if (__builtin_expect(_mm512_cmpge_epu8_mask(doubled, _mm512_set1_epi8((char)0xee)) != 0, 0)) {
    out[0] = e4m3_specials(out[0], codes, scale);
    out[1] = e4m3_specials(out[1], _mm512_srli_epi16(codes, 8), scale);
  }
}
inline Words words_everywhere(const uint16_t* pair) {
  int32_t two;
  __builtin_memcpy(&two, pair, sizeof two);
  return _mm512_set1_epi32(two);
}
// pair[0] in the lower half, pair[1] in the upper one.
inline Words words_of_halves(const uint16_t* pair) {
  const Words places = _mm512_inserti64x4(_mm512_set1_epi16(0x0100), _mm256_set1_epi16(0x0302), 1);
  return _mm512_shuffle_epi8(words_everywhere(pair), places);
}

// ---- scales: E8M0 codes as words

// Up to 32 codes; those that are missing are 1.
inline Words scale_codes(const uint8_t* codes, int64_t count) {
  const __mmask32 there = count >= 32 ? 0xffffffffu : (1u << count) - 1;
  return _mm512_cvtepu8_epi16(_mm256_mask_loadu_epi8(_mm256_set1_epi8(127), there, codes));
}
inline bool all_between(Words codes, int16_t least, int16_t most) {
  return (_mm512_cmplt_epi16_mask(codes, _mm512_set1_epi16(least)) |
          _mm512_cmpgt_epi16_mask(codes, _mm512_set1_epi16(most))) == 0;
}
// What fp4_words takes away, and what e4m3_words adds.
inline Words fp4_exponents(Words codes) {
  return _mm512_slli_epi16(_mm512_sub_epi16(_mm512_set1_epi16(kLargestFp4Scale), codes), 7);
}
inline Words e4m3_exponents(Words codes) {
  return _mm512_slli_epi16(_mm512_sub_epi16(codes, _mm512_set1_epi16(7)), 7);
}

// ---- activations

// What BF16 holds of 16 floats; a NaN stays one.
inline Floats upper_part(Floats x) {
  const Words bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32((int)0xffff0000));
  return _mm512_castsi512_ps(_mm512_mask_or_epi32(bits, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q),
                                                  bits, _mm512_set1_epi32(0x00400000)));
}
// x without its upper part, which is exact; nothing is left of what is not finite.
inline Floats lower_part(Floats x, Floats upper) {
  const __mmask16 finite = _mm512_cmp_ps_mask(
      _mm512_abs_ps(x), _mm512_castsi512_ps(_mm512_set1_epi32(0x7f800000)), _CMP_LT_OQ);
  return _mm512_maskz_sub_ps(finite, x, upper);
}
inline Words join_upper_parts(Floats a, Floats b) {
  const Words odd = _mm512_add_epi32(
      _mm512_set1_epi32(0x00030001),
      _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                         _mm512_set1_epi32(0x00040004)));
  return _mm512_permutex2var_epi16(_mm512_castps_si512(a), odd, _mm512_castps_si512(b));
}
inline bool any_part(Floats v) {
  return _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ) != 0;
}
inline Floats either_part(Floats a, Floats b) {
  return _mm512_or_ps(a, b);
}

// 64 values: the even ones, then the odd ones.
inline void part_words(const Words* in, Words* out) {
  const Words step = _mm512_set1_epi32(0x00040004);
  const Words lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const Words even =
      _mm512_add_epi32(_mm512_set1_epi32(0x00020000), _mm512_mullo_epi32(lanes, step));
  out[0] = _mm512_permutex2var_epi16(in[0], even, in[1]);
  out[1] = _mm512_permutex2var_epi16(in[0], _mm512_add_epi16(even, _mm512_set1_epi16(1)), in[1]);
}
// 128 values: register j gets those at 4i + j.
inline void part_words_by_four(const Words* in, Words* out) {
  alignas(64) static constexpr uint16_t kPlaces[32] = {0,  4,  8,  12, 16, 20, 24, 28, 1,  5,  9,
                                                       13, 17, 21, 25, 29, 2,  6,  10, 14, 18, 22,
                                                       26, 30, 3,  7,  11, 15, 19, 23, 27, 31};
  Words parted[4];
  for (int i = 0; i < 4; ++i) parted[i] = _mm512_permutexvar_epi16(load_line(kPlaces), in[i]);
  const Words low = _mm512_shuffle_i32x4(parted[0], parted[1], 0x44);
  const Words low_end = _mm512_shuffle_i32x4(parted[2], parted[3], 0x44);
  const Words high = _mm512_shuffle_i32x4(parted[0], parted[1], 0xee);
  const Words high_end = _mm512_shuffle_i32x4(parted[2], parted[3], 0xee);
  out[0] = _mm512_shuffle_i32x4(low, low_end, 0x88);
  out[1] = _mm512_shuffle_i32x4(low, low_end, 0xdd);
  out[2] = _mm512_shuffle_i32x4(high, high_end, 0x88);
  out[3] = _mm512_shuffle_i32x4(high, high_end, 0xdd);
}

inline Words words_of_zero() {
  return _mm512_setzero_si512();
}

// ---- floats of a finished tile

inline Floats load_floats(const void* p) {
  return _mm512_loadu_ps(p);
}
inline Floats add_floats(Floats a, Floats b) {
  return _mm512_add_ps(a, b);
}
inline Floats floats_of_words(Words v) {
  return _mm512_castsi512_ps(v);
}
// Only lanes of `mask`.
inline void store_floats(float* p, Floats v, uint32_t mask) {
  _mm512_mask_storeu_ps(p, (__mmask16)mask, v);
}
inline Floats load_lanes(const float* p, uint32_t mask) {
  return _mm512_maskz_loadu_ps((__mmask16)mask, p);
}
// The first `count` words of 32 bits.
inline void store_words(void* p, Words v, int64_t count) {
  _mm512_mask_storeu_epi32(p, (__mmask16)((1u << count) - 1), v);
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
