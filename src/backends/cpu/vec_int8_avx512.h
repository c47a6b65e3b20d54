// SPDX-License-Identifier: MIT
// vec_int8.h for AVX-512 with VNNI, and with VBMI where the set has it: a line is a register.
#pragma once

#include <immintrin.h>

namespace hadal::cpu::HADAL_CPU_ISA {

typedef __m512i Bytes;
typedef __m512 Floats;

constexpr int64_t kTileRows = 6, kTileLines = 2;  // 6 x 2 whole and 6 x 2 real sums of 32

// ---- memory

inline Bytes load_line(const void* p) {
  return _mm512_loadu_si512(p);
}
// The first n bytes of a line, then zeros.
inline Bytes load_line_part(const void* p, int64_t n) {
  if (n >= 64) return load_line(p);
  if (n <= 0) return _mm512_setzero_si512();
  return _mm512_maskz_loadu_epi8(((__mmask64)1 << n) - 1, p);
}
inline void store_line(void* p, Bytes v) {
  _mm512_storeu_si512(p, v);
}
// volatile: to the compiler, a function that only prefetches has no effect, and its calls go.
inline void prefetch_line(const void* p) {
  asm volatile("prefetcht0 %0" : : "m"(*(const char*)p));
}
inline Bytes four_everywhere(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return _mm512_set1_epi32(four);
}
inline Bytes int_everywhere(int32_t value) {
  return _mm512_set1_epi32(value);
}
// Lane 4j + n is p[j].
inline Bytes spread_ints(const int32_t* p) {
  const Bytes places = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_epi32(places,
                                  _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)p)));
}
inline Floats spread_floats(const float* p) {
  return _mm512_castsi512_ps(spread_ints((const int32_t*)p));
}

// ---- weights as bytes above 128

inline Bytes fp4_bytes(Bytes codes) {
  const Bytes table = _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)kFp4Bytes));
  return _mm512_shuffle_epi8(table, codes);
}
inline Bytes low_nibbles(Bytes pairs) {
  return _mm512_and_si512(pairs, _mm512_set1_epi8(15));
}
inline Bytes high_nibbles(Bytes pairs) {
  return _mm512_and_si512(_mm512_srli_epi16(pairs, 4), _mm512_set1_epi8(15));
}

inline Bytes e4m3_bytes(Bytes codes) {
#if defined(__AVX512VBMI__)
  const Bytes sizes = _mm512_maskz_permutexvar_epi8(
      _mm512_movepi8_mask(_mm512_slli_epi16(codes, 1)), codes, load_line(kE4m3Bytes));
#else
  // Bits 6, 5 and 4 choose a table of 16, the others the place in it.
  const __mmask64 bit6 = _mm512_movepi8_mask(_mm512_slli_epi16(codes, 1));
  const __mmask64 bit5 = _mm512_movepi8_mask(_mm512_slli_epi16(codes, 2));
  const __mmask64 bit4 = _mm512_movepi8_mask(_mm512_slli_epi16(codes, 3));
  const Bytes place = low_nibbles(codes);
  const auto table = [](int part) {
    return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i*)kE4m3Bytes + part));
  };
  Bytes sizes = _mm512_maskz_shuffle_epi8(bit6, table(0), place);
  sizes = _mm512_mask_shuffle_epi8(sizes, bit6 & bit4, table(1), place);
  sizes = _mm512_mask_shuffle_epi8(sizes, bit6 & bit5, table(2), place);
  sizes = _mm512_mask_shuffle_epi8(sizes, bit6 & bit5 & bit4, table(3), place);
#endif
  const Bytes middle = _mm512_set1_epi8((char)kMiddle);
  return _mm512_mask_sub_epi8(_mm512_add_epi8(middle, sizes), _mm512_movepi8_mask(codes), middle,
                              sizes);
}

// ---- sums

// Each lane of `sum` gets four products of bytes above zero and signed bytes.
inline Bytes add_products(Bytes sum, Bytes unsigned_bytes, Bytes signed_bytes) {
  return _mm512_dpbusd_epi32(sum, unsigned_bytes, signed_bytes);
}
inline Bytes add_ints(Bytes a, Bytes b) {
  return _mm512_add_epi32(a, b);
}
// Two lines of two blocks each (eight lanes a block) -> four lanes a block.
inline Bytes join_blocks(Bytes a, Bytes b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}
// Four registers n of four blocks j of four lanes: lane 4j + n is the sum of register n's block j.
inline Bytes fold_four(Bytes a, Bytes b, Bytes c, Bytes d) {
  const Bytes ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const Bytes cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}
inline Floats as_floats(Bytes ints) {
  return _mm512_cvtepi32_ps(ints);
}
inline Floats madd_floats(Floats a, Floats b, Floats c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline Floats float_everywhere(float value) {
  return _mm512_set1_ps(value);
}
// The blocks' sums 0 … 3 of lanes 4j + n, together: (0 + 2) + (1 + 3).
inline void store_folded(float* out, Floats v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

// ---- scales

// 2^(code - 127) of sixteen codes; 2^-127 counts as 0, and 255 is infinite.
inline Floats e8m0_floats(__m128i codes) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(codes), 23));
}
// Lane 4j + n from byte j of word n.  Words in registers: written to memory and read as one they
// would wait for each other.
inline Floats e8m0_of_four(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const __m128i by_row = _mm_setr_epi32((int)a, (int)b, (int)c, (int)d);
  const __m128i turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return e8m0_floats(_mm_shuffle_epi8(by_row, turn));
}

// ---- sixteen rows become pieces of every row: a piece is four bytes of each, a line

inline void turn_pieces(Bytes* rows) {
  Bytes pairs[16], quads[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    quads[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    quads[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    quads[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    quads[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  // quads[4r + c]: in 128-bit place p, piece 4p + c of rows 4r … 4r + 3.
  for (int c = 0; c < 4; ++c) {
    const Bytes low = _mm512_shuffle_i32x4(quads[c], quads[4 + c], 0x88);
    const Bytes low_odd = _mm512_shuffle_i32x4(quads[c], quads[4 + c], 0xdd);
    const Bytes high = _mm512_shuffle_i32x4(quads[8 + c], quads[12 + c], 0x88);
    const Bytes high_odd = _mm512_shuffle_i32x4(quads[8 + c], quads[12 + c], 0xdd);
    rows[c] = _mm512_shuffle_i32x4(low, high, 0x88);
    rows[8 + c] = _mm512_shuffle_i32x4(low, high, 0xdd);
    rows[4 + c] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
    rows[12 + c] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
  }
}

// ---- activations

// Bits of the largest magnitude of 32 floats; a NaN is larger than infinity.
inline uint32_t largest_bits(const float* x) {
  const Bytes mask = _mm512_set1_epi32(0x7fffffff);
  return _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(load_line(x), mask),
                                                  _mm512_and_si512(load_line(x + 16), mask)));
}
// round(x · factor), ties to even, of 16 floats below 128 in size; returns the sum.
inline int32_t round_sixteen(const float* x, float factor, int8_t* out) {
  const Bytes whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(factor)));
  _mm_storeu_si128((__m128i*)out, _mm512_cvtepi32_epi8(whole));
  return _mm512_reduce_add_epi32(whole);
}
// Even bytes of 32, then odd ones.
inline void part_pairs(const int8_t* block, int8_t* even, int8_t* odd) {
  const __m256i words = _mm256_loadu_si256((const __m256i*)block);
  _mm_storeu_si128((__m128i*)even, _mm256_cvtepi16_epi8(words));
  _mm_storeu_si128((__m128i*)odd, _mm256_cvtepi16_epi8(_mm256_srli_epi16(words, 8)));
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
