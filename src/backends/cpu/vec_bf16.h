// SPDX-License-Identifier: MIT
// Registers of 32 BF16 values for the products of bf16_kernels.cpp: AVX-512 with BF16 and VBMI.
// As in vec.h, nothing here may be an inline function of another room.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace hadal::cpu::HADAL_CPU_ISA {

typedef __m512i Words;  // 32 BF16 values, or 64 bytes
typedef __m512 Floats;

// ---- memory

inline Words load_line(const void* p) {
  return _mm512_loadu_si512(p);
}
// The first n bytes of a line, then zeros.
inline Words load_line_part(const void* p, int64_t n) {
  if (n >= 64) return load_line(p);
  if (n <= 0) return _mm512_setzero_si512();
  return _mm512_maskz_loadu_epi8(((__mmask64)1 << n) - 1, p);
}
inline void store_line(void* p, Words v) {
  _mm512_storeu_si512(p, v);
}
inline Floats load_floats(const void* p) {
  return _mm512_loadu_ps(p);
}
// volatile: to the compiler, a function that only prefetches has no effect, and its calls go.
inline void prefetch_line(const void* p) {
  asm volatile("prefetcht0 %0" : : "m"(*(const char*)p));
}

// ---- weights as BF16: tables of the upper and the lower byte by code

struct ByteTables {
  alignas(64) uint8_t high[128] = {}, low[128] = {};
};

// The magnitudes of E4M3's codes 0 … 127; 127 is NaN.
constexpr ByteTables e4m3_tables() {
  ByteTables tables;
  for (int code = 1; code < 128; ++code) {
    int exponent = code >> 3, mantissa = code & 7;
    if (exponent == 0) {  // mantissa · 2^-9: shifted until the first bit is the hidden one
      exponent = 1;
      while ((mantissa & 8) == 0) {
        mantissa <<= 1;
        --exponent;
      }
    }
    const int bits = code == 127 ? 0x7fc0 : (exponent + 120) << 7 | (mantissa & 7) << 4;
    tables.high[code] = (uint8_t)(bits >> 8);
    tables.low[code] = (uint8_t)bits;
  }
  return tables;
}
inline constexpr ByteTables kE4m3Tables = e4m3_tables();

// E2M1 by code: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.
alignas(16) constexpr uint8_t kFp4High[16] = {0x00, 0x3f, 0x3f, 0x3f, 0x40, 0x40, 0x40, 0x40,
                                              0x80, 0xbf, 0xbf, 0xbf, 0xc0, 0xc0, 0xc0, 0xc0};
alignas(16) constexpr uint8_t kFp4Low[16] = {0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0,
                                             0x00, 0x00, 0x80, 0xc0, 0x00, 0x40, 0x80, 0xc0};

// 64 bytes above and 64 below -> two registers of words: in each 128-bit lane, bytes 0 … 7, then 8
// … 15.
inline void join_bytes(Words high, Words low, Words* out) {
  out[0] = _mm512_unpacklo_epi8(low, high);
  out[1] = _mm512_unpackhi_epi8(low, high);
}

inline void e4m3_words(Words codes, Words* out) {
  const Words high = _mm512_permutex2var_epi8(load_line(kE4m3Tables.high), codes,
                                              load_line(kE4m3Tables.high + 64));
  const Words low =
      _mm512_permutex2var_epi8(load_line(kE4m3Tables.low), codes, load_line(kE4m3Tables.low + 64));
  // high | (codes & sign)
  join_bytes(_mm512_ternarylogic_epi32(high, codes, _mm512_set1_epi8((char)0x80), 0xf8), low, out);
}

// 64 codes, one a byte.
inline void fp4_words(Words codes, Words* out) {
  const Words high = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)kFp4High));
  const Words low = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)kFp4Low));
  join_bytes(_mm512_shuffle_epi8(high, codes), _mm512_shuffle_epi8(low, codes), out);
}
inline Words low_nibbles(Words pairs) {
  return _mm512_and_si512(pairs, _mm512_set1_epi8(15));
}
inline Words high_nibbles(Words pairs) {
  return _mm512_and_si512(_mm512_srli_epi16(pairs, 4), _mm512_set1_epi8(15));
}

// ---- sums

inline Floats float_everywhere(float value) {
  return _mm512_set1_ps(value);
}
// Each lane of `sum` gets two products.
inline Floats add_products(Floats sum, Words a, Words b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
inline Floats madd_floats(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
// The lanes of four registers together, in four floats.
inline void store_folded(float* out, const Floats* v) {
  const Floats ab = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
  const Floats cd = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
  const Floats all = _mm512_add_ps(
      _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
      _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))));
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

// ---- scales: 2^(code - 127), and 255 is NaN

// One code in every 32 bits.  0 is the subnormal 2^-127: like NaN it has the mantissa's first bit.
inline Floats e8m0_floats(Words codes) {
  const __mmask16 special = _mm512_testn_epi32_mask(_mm512_add_epi32(codes, _mm512_set1_epi32(1)),
                                                    _mm512_set1_epi32(0xfe));
  const Words bits = _mm512_slli_epi32(codes, 23);
  return _mm512_castsi512_ps(
      _mm512_mask_or_epi32(bits, special, bits, _mm512_set1_epi32(0x00400000)));
}
// Byte p of `codes` for the 128-bit lanes whose place is p.
template <uint32_t a, uint32_t b, uint32_t c, uint32_t d>
inline Floats e8m0_of_lanes(uint32_t codes) {
  constexpr uint32_t none = 0x80808000u;  // the other three bytes of a lane become zero
  const Words places = _mm512_inserti64x4(
      _mm512_castsi256_si512(
          _mm256_setr_m128i(_mm_set1_epi32((int)(a | none)), _mm_set1_epi32((int)(b | none)))),
      _mm256_setr_m128i(_mm_set1_epi32((int)(c | none)), _mm_set1_epi32((int)(d | none))), 1);
  return e8m0_floats(_mm512_shuffle_epi8(_mm512_set1_epi32((int)codes), places));
}
inline Floats e8m0_everywhere(uint32_t code) {
  return e8m0_floats(_mm512_set1_epi32((int)code));
}

// ---- activations

// 32 floats without their lower halves; `lost` collects bits that this drops, and values that
// products of BF16 would take for zero.
inline Words upper_halves(const float* x, Words* lost) {
  const Words a = load_line(x), b = load_line(x + 16);
  const Words low = _mm512_set1_epi32(0xffff), exponent = _mm512_set1_epi32(0x7f800000),
              rest = _mm512_set1_epi32(0x007fffff);
  *lost = _mm512_or_si512(*lost, _mm512_and_si512(_mm512_or_si512(a, b), low));
  *lost = _mm512_mask_or_epi32(*lost, _mm512_testn_epi32_mask(a, exponent), *lost,
                               _mm512_and_si512(a, rest));
  *lost = _mm512_mask_or_epi32(*lost, _mm512_testn_epi32_mask(b, exponent), *lost,
                               _mm512_and_si512(b, rest));
  return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(_mm512_srli_epi32(a, 16))),
                            _mm512_cvtepi32_epi16(_mm512_srli_epi32(b, 16)), 1);
}
// 32 floats, each rounded to the nearest BF16, halves to even.
inline Words nearest_words(const float* x) {
  return (Words)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
}
inline bool any_bit(Words v) {
  return _mm512_test_epi32_mask(v, v) != 0;
}
// out[i] = a or b at places[i]: b's places begin at 32.
inline Words choose_words(Words a, Words b, const uint16_t* places) {
  return _mm512_permutex2var_epi16(a, load_line(places), b);
}
inline Words lower_of_first_upper_of_second(Words a, Words b) {
  return _mm512_mask_blend_epi16(0xffff0000u, a, b);
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
