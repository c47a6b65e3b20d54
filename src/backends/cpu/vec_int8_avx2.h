// SPDX-License-Identifier: MIT
// vec_int8.h for AVX2, with AVX-VNNI where the set has it: a line is two registers.
#pragma once

#include <immintrin.h>

namespace hadal::cpu::HADAL_CPU_ISA {

struct Bytes {
  __m256i low, high;
};
struct Floats {
  __m256 low, high;
};

#if defined(__AVXVNNI__)
constexpr int64_t kTileRows = 6, kTileLines = 1;  // 6 x 2 sums, 2 of weights and 1 of x: 15 of 16
#else
constexpr int64_t kTileRows = 4, kTileLines = 1;  // 4 x 2 sums, 2 of weights and their sizes
#endif

inline Floats operator+(Floats a, Floats b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Floats operator*(Floats a, Floats b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

// ---- memory

inline Bytes load_line(const void* p) {
  return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)p + 1)};
}
// The first n bytes of a line, then zeros.
inline Bytes load_line_part(const void* p, int64_t n) {
  if (n >= 64) return load_line(p);
  alignas(64) uint8_t part[64] = {};
  if (n > 0) __builtin_memcpy(part, p, (size_t)n);
  return load_line(part);
}
inline void store_line(void* p, Bytes v) {
  _mm256_storeu_si256((__m256i*)p, v.low);
  _mm256_storeu_si256((__m256i*)p + 1, v.high);
}
// volatile: to the compiler, a function that only prefetches has no effect, and its calls go.
inline void prefetch_line(const void* p) {
  asm volatile("prefetcht0 %0" : : "m"(*(const char*)p));
}
inline Bytes int_everywhere(int32_t value) {
  const __m256i v = _mm256_set1_epi32(value);
  return {v, v};
}
inline Bytes four_everywhere(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return int_everywhere(four);
}
// Lane 4j + n is p[j].
inline Bytes spread_ints(const int32_t* p) {
  const __m256i four = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
  return {_mm256_permutevar8x32_epi32(four, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)),
          _mm256_permutevar8x32_epi32(four, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3))};
}
inline Floats spread_floats(const float* p) {
  const Bytes bits = spread_ints((const int32_t*)p);
  return {_mm256_castsi256_ps(bits.low), _mm256_castsi256_ps(bits.high)};
}

// ---- weights as bytes above the middle

inline __m256i same_halves(const uint8_t* sixteen) {
  return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)sixteen));
}
inline Bytes fp4_bytes(Bytes codes) {
  const __m256i table = same_halves(kFp4Bytes);
  return {_mm256_shuffle_epi8(table, codes.low), _mm256_shuffle_epi8(table, codes.high)};
}
inline __m256i low_nibbles(__m256i pairs) {
  return _mm256_and_si256(pairs, _mm256_set1_epi8(15));
}
inline Bytes low_nibbles(Bytes pairs) {
  return {low_nibbles(pairs.low), low_nibbles(pairs.high)};
}
inline Bytes high_nibbles(Bytes pairs) {
  return {low_nibbles(_mm256_srli_epi16(pairs.low, 4)),
          low_nibbles(_mm256_srli_epi16(pairs.high, 4))};
}

// kE4m3Bytes for look-ups in a row: a place beyond a part's end finds 0 in it, a place before its
// begin finds this part's byte as well as its own, so each part holds what then makes it right.
struct E4m3Parts {
  alignas(64) uint8_t bytes[64] = {};
};
constexpr E4m3Parts e4m3_parts() {
  E4m3Parts parts;
  for (int i = 0; i < 64; ++i)
    parts.bytes[i] = (uint8_t)(kE4m3Bytes[i] ^ (i < 48 ? kE4m3Bytes[i + 16] : 0));
  return parts;
}
inline constexpr E4m3Parts kE4m3Parts = e4m3_parts();

inline __m256i e4m3_bytes(__m256i codes) {
  // Codes 64 … 127 become places 0x70 … 0xaf, those below 64 0xb0 …: from 0x80 on a look-up is 0.
  const __m256i size = _mm256_and_si256(codes, _mm256_set1_epi8(0x7f));
  __m256i place =
      _mm256_add_epi8(_mm256_xor_si256(size, _mm256_set1_epi8(0x40)), _mm256_set1_epi8(0x70));
  __m256i sizes = _mm256_setzero_si256();
  for (int part = 0; part < 4; ++part) {
    sizes = _mm256_xor_si256(sizes,
                             _mm256_shuffle_epi8(same_halves(kE4m3Parts.bytes + 16 * part), place));
    place = _mm256_sub_epi8(place, _mm256_set1_epi8(16));
  }
  return _mm256_add_epi8(_mm256_sign_epi8(sizes, codes), _mm256_set1_epi8((char)kMiddle));
}
inline Bytes e4m3_bytes(Bytes codes) {
  return {e4m3_bytes(codes.low), e4m3_bytes(codes.high)};
}

// ---- sums

// Each lane of `sum` gets four products of weights' bytes and signed bytes.
inline __m256i add_products(__m256i sum, __m256i weights, __m256i x) {
#if defined(__AVXVNNI__)
  return _mm256_dpbusd_avx_epi32(sum, weights, x);
#else
  // The sign of the weight goes to x.  Two products in 16 bits: 2 · 120 · 127 stays below 2^15.
  const __m256i pairs =
      _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(x, weights));
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  asm("" : "+x"(sum));  // one after the other: GCC would keep all products and add them by a tree
  return sum;
#endif
}
inline Bytes add_products(Bytes sum, Bytes weights, Bytes x) {
  return {add_products(sum.low, weights.low, x.low), add_products(sum.high, weights.high, x.high)};
}
inline Bytes add_ints(Bytes a, Bytes b) {
  return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)};
}
// Two lines of two blocks each (eight lanes a block) -> four lanes a block.
inline __m256i join_blocks(Bytes line) {
  return _mm256_add_epi32(_mm256_permute2x128_si256(line.low, line.high, 0x20),
                          _mm256_permute2x128_si256(line.low, line.high, 0x31));
}
inline Bytes join_blocks(Bytes a, Bytes b) {
  return {join_blocks(a), join_blocks(b)};
}
// Four registers n of four blocks j of four lanes: lane 4j + n is the sum of register n's block j.
inline __m256i fold_four(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  const __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
  return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}
inline Bytes fold_four(Bytes a, Bytes b, Bytes c, Bytes d) {
  return {fold_four(a.low, b.low, c.low, d.low), fold_four(a.high, b.high, c.high, d.high)};
}
inline Floats as_floats(Bytes ints) {
  return {_mm256_cvtepi32_ps(ints.low), _mm256_cvtepi32_ps(ints.high)};
}
inline Floats madd_floats(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline Floats float_everywhere(float value) {
  const __m256 v = _mm256_set1_ps(value);
  return {v, v};
}
// The blocks' sums 0 … 3 of lanes 4j + n, together: (0 + 2) + (1 + 3).
inline void store_folded(float* out, Floats v) {
  const __m256 half = _mm256_add_ps(v.low, v.high);
  _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

// ---- scales

// 2^(code - 127) of eight codes; 2^-127 counts as 0, and 255 is infinite.
inline __m256 e8m0_floats(__m128i codes) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu8_epi32(codes), 23));
}
// Lane 4j + n from byte j of word n.
inline Floats e8m0_of_four(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const __m128i by_row = _mm_setr_epi32((int)a, (int)b, (int)c, (int)d);
  const __m128i turn = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m128i codes = _mm_shuffle_epi8(by_row, turn);
  return {e8m0_floats(codes), e8m0_floats(_mm_srli_si128(codes, 8))};
}

// ---- sixteen rows become pieces of every row: a piece is four bytes of each, a line

// Eight rows of eight.
inline void turn_eight(const __m256i* rows, __m256i* out) {
  __m256i pairs[8], quads[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quads[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    quads[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    quads[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    quads[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int c = 0; c < 4; ++c) {
    out[c] = _mm256_permute2x128_si256(quads[c], quads[4 + c], 0x20);
    out[4 + c] = _mm256_permute2x128_si256(quads[c], quads[4 + c], 0x31);
  }
}
inline void turn_pieces(Bytes* rows) {
  __m256i in[4][8], out[4][8];  // rows 0 … 7: pieces 0 … 7, and 8 …; rows 8 …: the same
  for (int i = 0; i < 8; ++i) {
    in[0][i] = rows[i].low;
    in[1][i] = rows[i].high;
    in[2][i] = rows[8 + i].low;
    in[3][i] = rows[8 + i].high;
  }
  for (int part = 0; part < 4; ++part) turn_eight(in[part], out[part]);
  for (int i = 0; i < 8; ++i) {
    rows[i] = {out[0][i], out[2][i]};
    rows[8 + i] = {out[1][i], out[3][i]};
  }
}

// ---- activations

inline __m128i halves_max(__m256i v) {
  return _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
// Bits of the largest magnitude of 32 floats; a NaN is larger than infinity.
inline uint32_t largest_bits(const float* x) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i)
    largest = _mm256_max_epu32(
        largest, _mm256_and_si256(_mm256_loadu_si256((const __m256i*)(x + 8 * i)), mask));
  __m128i four = halves_max(largest);
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0xb1));
  return (uint32_t)_mm_cvtsi128_si32(four);
}
// round(x · factor), ties to even, of 16 floats below 128 in size; returns the sum.
inline int32_t round_sixteen(const float* x, float factor, int8_t* out) {
  const __m256 by = _mm256_set1_ps(factor);
  const __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), by));
  const __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), by));
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
  _mm_storeu_si128((__m128i*)out, _mm_packs_epi16(_mm256_castsi256_si128(words),
                                                  _mm256_extracti128_si256(words, 1)));
  const __m256i sum = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return _mm_cvtsi128_si32(four);
}
// Even bytes of 32, then odd ones.
inline void part_pairs(const int8_t* block, int8_t* even, int8_t* odd) {
  const __m128i low = _mm_loadu_si128((const __m128i*)block);
  const __m128i high = _mm_loadu_si128((const __m128i*)(block + 16));
  const __m128i mask = _mm_set1_epi16(0xff);
  _mm_storeu_si128((__m128i*)even,
                   _mm_packus_epi16(_mm_and_si128(low, mask), _mm_and_si128(high, mask)));
  _mm_storeu_si128((__m128i*)odd,
                   _mm_packus_epi16(_mm_srli_epi16(low, 8), _mm_srli_epi16(high, 8)));
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
