// SPDX-License-Identifier: MIT
// Vec: the floats of one register, for the instruction set that this file is compiled for.
//
// Intrinsics live in vec*.h and key_lanes.h alone.  kernels.cpp is compiled once per set, each time
// with another HADAL_CPU_ISA, and everything here lands in that set's namespace.  No inline
// function of the standard library or of other rooms may be used here or there: the linker keeps
// one copy of such a function, and it might keep one that the machine cannot run.
//
// Plain arithmetic is written with operators; only madd() fuses, and only where the set can.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif
// Every 64-bit ARM has NEON; the portable loops do without.
#if defined(__aarch64__) && defined(HADAL_CPU_ISA)
#define HADAL_NEON
#include <arm_neon.h>
#endif

#ifndef HADAL_CPU_ISA
#define HADAL_CPU_ISA portable
#endif

namespace hadal::cpu::HADAL_CPU_ISA {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
constexpr int64_t kTileRows = 4;  // 4 x 4 accumulators of 32 registers
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
constexpr int64_t kTileRows = 3;  // 3 x 4 accumulators, 3 rows and 1 weight fill 16 registers
#elif defined(HADAL_NEON)
constexpr int64_t kLanes = 4;
constexpr int64_t kTileRows = 4;  // 4 x 4 accumulators of 32 registers
#else
constexpr int64_t kLanes = 4;
constexpr int64_t kTileRows = 2;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef uint16_t ShortVec __attribute__((vector_size(kLanes * 2)));
typedef uint8_t ByteVec __attribute__((vector_size(kLanes)));
typedef float Quad __attribute__((vector_size(16)));

// ---- bits and broadcasts

inline Vec broadcast(float value) {
  return Vec{} + value;
}
inline IntVec broadcast_int(int32_t value) {
  return IntVec{} + value;
}
inline IntVec bits_of(Vec v) {
  return (IntVec)v;
}
inline Vec floats_of(IntVec v) {
  return (Vec)v;
}

// ---- memory

inline Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline IntVec load_shorts(const uint16_t* p) {
  ShortVec v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, IntVec);
}
inline IntVec load_bytes(const uint8_t* p) {
  ByteVec v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, IntVec);
}
inline void store(float* p, Vec v) {
  __builtin_memcpy(p, &v, sizeof v);
}
// Asks for a line of memory that is read soon.
inline void fetch(const void* p) {
  __builtin_prefetch(p);
}
inline void store_quad(float* p, Quad v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// The first n < kLanes floats, then zeros.
inline Vec load_part(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  Vec v = {};
  __builtin_memcpy(&v, p, (size_t)n * sizeof(float));
  return v;
#endif
}
inline void store_part(float* p, Vec v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#else
  __builtin_memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

// ---- arithmetic

inline Vec madd(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(HADAL_NEON)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

// A NaN in `v` stays; the limit is never NaN.
inline Vec at_most(Vec v, Vec limit) {
  return v > limit ? limit : v;
}
inline Vec at_least(Vec v, Vec limit) {
  return v < limit ? limit : v;
}
// The larger; a NaN in `b` is passed over.
inline Vec larger(Vec a, Vec b) {
  return b > a ? b : a;
}
inline Vec magnitude(Vec v) {
  return floats_of(bits_of(v) & 0x7fffffff);
}
inline Vec with_sign_of(Vec positive, Vec sign) {
  return floats_of(bits_of(positive) | (bits_of(sign) & (int32_t)0x80000000));
}

inline Vec square_root(Vec v) {
#if defined(__AVX512F__)
  return _mm512_sqrt_ps(v);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(v);
#elif defined(HADAL_NEON)
  return (Vec)vsqrtq_f32((float32x4_t)v);
#else
  for (int64_t i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// p · 2^n for whole n in [-151, 128], also where the result is subnormal or infinite.
inline Vec times_power_of_two(Vec p, Vec n) {
#if defined(__AVX512F__)
  return _mm512_scalef_ps(p, n);
#else
  const IntVec whole = __builtin_convertvector(n, IntVec);
  const IntVec half = whole >> 1;
  return p * floats_of((half + 127) << 23) * floats_of((whole - half + 127) << 23);
#endif
}

// e^x within 2 units in the last place: x = n·ln2 + r, a polynomial in r, times 2^n (Cephes expf).
inline Vec exponential(Vec x) {
  x = at_most(at_least(x, broadcast(-104.0f)), broadcast(89.0f));  // beyond: 0 and infinity
  const Vec round = broadcast(12582912.0f);                        // 1.5 · 2^23
  Vec n = madd(x, broadcast(1.44269504088896341f), round) - round;
  n = n == n ? n : broadcast(0.0f);
  Vec r = madd(n, broadcast(-0.693359375f), x);
  r = madd(n, broadcast(2.12194440e-4f), r);
  Vec p = broadcast(1.9875691500e-4f);
  p = madd(p, r, broadcast(1.3981999507e-3f));
  p = madd(p, r, broadcast(8.3334519073e-3f));
  p = madd(p, r, broadcast(4.1665795894e-2f));
  p = madd(p, r, broadcast(1.6666665459e-1f));
  p = madd(p, r, broadcast(5.0000001201e-1f));
  p = madd(p, r * r, r) + 1.0f;
  return times_power_of_two(p, n);
}

// ---- sums over lanes
//
// One tree for every sum: lane i meets lane i + half, until four are left; of those 0 meets 2,
// 1 meets 3, and the two sums meet.

#if defined(__AVX512F__)
inline Quad fold(Vec v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
#elif defined(__AVX2__)
inline Quad fold(Vec v) {
  return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
#else
inline Quad fold(Vec v) {
  return v;
}
#endif

inline float sum_lanes(Vec v) {
  const Quad q = fold(v);
  return (q[0] + q[2]) + (q[1] + q[3]);
}

// The sums of four registers that lie one after the other.
inline Quad sum_lanes_of_four(const float* v) {
  const Quad a = fold(load(v)), b = fold(load(v + kLanes));
  const Quad c = fold(load(v + 2 * kLanes)), d = fold(load(v + 3 * kLanes));
  const Quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) +
                  __builtin_shufflevector(a, b, 2, 6, 3, 7);  // a0+a2, b0+b2, a1+a3, b1+b3
  const Quad cd =
      __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

#if defined(__AVX512F__)
// Halves of a and b meet: [a0+a2, a1+a3, b0+b2, b1+b3] in blocks of four lanes.
inline Vec fold_halves(Vec a, Vec b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}
// Blocks 0 and 1, 2 and 3 of a, then of b, meet.
inline Vec fold_blocks(Vec a, Vec b) {
  return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}
// The sums of a 4 x 4 tile, row by row, by the same tree as sum_lanes.
inline Vec sum_lanes_of_tile(const float* tile) {
  Vec column[4];
  for (int64_t n = 0; n < 4; ++n) {
    const float* v = tile + n * kLanes;
    column[n] = fold_blocks(fold_halves(load(v), load(v + 4 * kLanes)),
                            fold_halves(load(v + 8 * kLanes), load(v + 12 * kLanes)));
  }
  const Vec ab = _mm512_add_ps(_mm512_unpacklo_ps(column[0], column[1]),
                               _mm512_unpackhi_ps(column[0], column[1]));
  const Vec cd = _mm512_add_ps(_mm512_unpacklo_ps(column[2], column[3]),
                               _mm512_unpackhi_ps(column[2], column[3]));
  const __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  const __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
  return _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
}
#endif

// Requires: no NaN.
inline float largest_lane(Vec v) {
#if defined(__AVX512F__)
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const Quad q = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
#elif defined(__AVX2__)
  const Quad q = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
#else
  const Quad q = v;
#endif
  const float even = q[0] > q[2] ? q[0] : q[2], odd = q[1] > q[3] ? q[1] : q[3];
  return even > odd ? even : odd;
}

// Lanes 0 and 1 change places, 2 and 3, and so on.
inline Vec swap_neighbours(Vec v) {
#if defined(__AVX512F__)
  return _mm512_permute_ps(v, 0xb1);
#elif defined(__AVX2__)
  return _mm256_permute_ps(v, 0xb1);
#else
  return __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
}

// ---- stored formats, kLanes values at a time

inline Vec widen_bf16(const uint16_t* p) {
#if defined(__AVX512F__)
  const __m256i codes = _mm256_loadu_si256((const __m256i*)p);
  return (Vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16);
#elif defined(__AVX2__)
  const __m128i codes = _mm_loadu_si128((const __m128i*)p);
  return (Vec)_mm256_slli_epi32(_mm256_cvtepu16_epi32(codes), 16);
#else
  return floats_of(load_shorts(p) << 16);
#endif
}

inline Vec widen_f16(const uint16_t* p) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
#elif defined(__AVX2__)
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#elif defined(HADAL_NEON)
  return (Vec)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
#else
  // Exponent and mantissa into place, then the bias by a product, which makes subnormals right.
  const IntVec half = load_shorts(p);
  const IntVec magnitude_bits = half & 0x7fff;
  const Vec scaled = floats_of(magnitude_bits << 13) * 0x1p112f;
  const Vec special = floats_of((magnitude_bits << 13) | 0x7f800000);
  const Vec value = magnitude_bits >= 0x7c00 ? special : scaled;
  return floats_of(bits_of(value) | ((half & 0x8000) << 16));
#endif
}

// E4M3 values times 2^-8: read as f16, whose bias is larger by 8, subnormals come out right.
// Scales are therefore kept times 2^8.
constexpr float kE4m3ScaleFactor = 256.0f;
#if defined(__AVX2__)
inline __m128i e4m3_as_f16(__m128i words) {  // eight codes, sign-extended to words
  const __m128i half = _mm_and_si128(_mm_slli_epi16(words, 7), _mm_set1_epi16((short)0xbfff));
  const __m128i all_ones = _mm_set1_epi16(0x3f80);
  return _mm_or_si128(half, _mm_cmpeq_epi16(_mm_and_si128(half, all_ones), all_ones));
}
#endif
inline Vec widen_e4m3(const uint8_t* p) {
#if defined(__AVX512F__)
  const __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p));
  const __m256i half =
      _mm256_and_si256(_mm256_slli_epi16(words, 7), _mm256_set1_epi16((short)0xbfff));
  const __m256i all_ones = _mm256_set1_epi16(0x3f80);
  const __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(half, all_ones), all_ones);
  return _mm512_cvtph_ps(_mm256_or_si256(half, nan));
#elif defined(__AVX2__)
  return _mm256_cvtph_ps(e4m3_as_f16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i*)p))));
#elif defined(HADAL_NEON)
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  const int16x4_t words = vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))));
  const uint16x4_t half = vand_u16(vreinterpret_u16_s16(vshl_n_s16(words, 7)), vdup_n_u16(0xbfff));
  const uint16x4_t all_ones = vdup_n_u16(0x3f80);
  const uint16x4_t nan = vceq_u16(vand_u16(half, all_ones), all_ones);
  return (Vec)vcvt_f32_f16(vreinterpret_f16_u16(vorr_u16(half, nan)));
#else
  const IntVec code = load_bytes(p);
  const IntVec magnitude_bits = code & 0x7f;
  Vec value = floats_of(magnitude_bits << 20) * 0x1p112f;  // 2^120 less the 2^8 of the scale
  value = magnitude_bits == 0x7f ? floats_of(broadcast_int(0x7fc00000)) : value;
  return floats_of(bits_of(value) | ((code & 0x80) << 24));
#endif
}

// E8M0 scales, kLanes at a time.  2^-127 is subnormal and 255 is NaN.
inline Vec widen_e8m0(const uint8_t* p) {
  const IntVec code = load_bytes(p);
  IntVec bits = code << 23;
  bits = code == 0 ? broadcast_int(0x00400000) : bits;
  bits = code == 0xff ? broadcast_int(0x7fc00000) : bits;
  return floats_of(bits);
}

inline float widen_e8m0_one(uint8_t code) {
  const uint32_t bits = code == 0 ? 0x00400000u : code == 0xff ? 0x7fc00000u : (uint32_t)code << 23;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// A block of 32 packed E2M1 codes times its scale: the even elements, then the odd ones.
constexpr int64_t kFp4Block = 32;
constexpr int64_t kFp4Vectors = kFp4Block / kLanes;

alignas(64) constexpr float kFp4Values[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
                                              4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
                                              -2.0f, -3.0f, -4.0f, -6.0f};

#if defined(HADAL_NEON)
// The upper bytes of E2M1 values as f16; the lower ones are 0.
alignas(16) constexpr uint8_t kFp4Halves[16] = {0x00, 0x38, 0x3c, 0x3e, 0x40, 0x42, 0x44, 0x46,
                                                0x80, 0xb8, 0xbc, 0xbe, 0xc0, 0xc2, 0xc4, 0xc6};
inline void widen_fp4_codes(uint8x16_t codes, float scale, Vec* out) {
  const uint8x16_t high = vqtbl1q_u8(vld1q_u8(kFp4Halves), codes);
  const float16x8_t halves[2] = {vreinterpretq_f16_u16(vshll_n_u8(vget_low_u8(high), 8)),
                                 vreinterpretq_f16_u16(vshll_high_n_u8(high, 8))};
  for (int64_t i = 0; i < 2; ++i) {
    out[2 * i] = (Vec)vcvt_f32_f16(vget_low_f16(halves[i])) * scale;
    out[2 * i + 1] = (Vec)vcvt_high_f32_f16(halves[i]) * scale;
  }
}
#endif

inline void widen_fp4(const uint8_t* p, float scale, Vec* out) {
#if defined(__AVX512F__)
  const Vec table = load(kFp4Values) * scale;
  const __m512i pairs = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
  out[0] = _mm512_permutexvar_ps(pairs, table);  // uses the low four bits alone
  out[1] = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), table);
#elif defined(__AVX2__)
  const Vec table = load(kFp4Values) * scale;
  const __m256i sign = _mm256_set1_epi32((int)0x80000000);
  for (int64_t half = 0; half < 2; ++half) {
    const __m256i pairs = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)(p + 8 * half)));
    const __m256i odd = _mm256_srli_epi32(pairs, 4);
    const __m256i even_sign = _mm256_and_si256(_mm256_slli_epi32(pairs, 28), sign);
    const __m256i odd_sign = _mm256_and_si256(_mm256_slli_epi32(odd, 28), sign);
    out[half] = _mm256_xor_ps(_mm256_permutevar8x32_ps(table, pairs), (__m256)even_sign);
    out[2 + half] = _mm256_xor_ps(_mm256_permutevar8x32_ps(table, odd), (__m256)odd_sign);
  }
#elif defined(HADAL_NEON)
  const uint8x16_t pairs = vld1q_u8(p);
  widen_fp4_codes(vandq_u8(pairs, vdupq_n_u8(15)), scale, out);
  widen_fp4_codes(vshrq_n_u8(pairs, 4), scale, out + 4);
#else
  for (int64_t i = 0; i < kFp4Block / 2; ++i) {
    out[i / kLanes][i % kLanes] = kFp4Values[p[i] & 15] * scale;
    out[(kFp4Block / 2 + i) / kLanes][i % kLanes] = kFp4Values[p[i] >> 4] * scale;
  }
#endif
}

// Sixteen of them in their own order.
inline void widen_fp4_in_order(const uint8_t* p, float scale, float* out) {
#if defined(__AVX512F__)
  // Every byte to the low half of eight; its high nibble to the low bits of the upper half.
  const __m512i pairs = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i*)p));
  const __m512i codes = _mm512_or_si512(pairs, _mm512_slli_epi64(pairs, 28));
  store(out, _mm512_permutexvar_ps(codes, load(kFp4Values) * scale));  // the low four bits alone
#elif defined(HADAL_NEON)
  const uint8x8_t pairs = vld1_u8(p);
  const uint8x8x2_t codes = vzip_u8(vand_u8(pairs, vdup_n_u8(15)), vshr_n_u8(pairs, 4));
  Vec values[4];
  widen_fp4_codes(vcombine_u8(codes.val[0], codes.val[1]), scale, values);
  for (int64_t i = 0; i < 4; ++i) store(out + 4 * i, values[i]);
#else
  for (int64_t i = 0; i < 8; ++i) {
    out[2 * i] = kFp4Values[p[i] & 15] * scale;
    out[2 * i + 1] = kFp4Values[p[i] >> 4] * scale;
  }
#endif
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
