// SPDX-License-Identifier: MIT
// vec_int8.h for NEON, with products of bytes (dotprod) and of squares of bytes (i8mm) where the
// set has them: a line is four registers.
#pragma once

#include <arm_neon.h>

namespace hadal::cpu::HADAL_CPU_ISA {

struct Bytes {
  int32x4_t part[4];
};
struct Floats {
  float32x4_t part[4];
};

constexpr int64_t kTileRows = 6, kTileLines = 1;  // 6 x 4 sums, 4 of weights and 1 of x of 32

inline Floats operator+(Floats a, Floats b) {
  for (int i = 0; i < 4; ++i) a.part[i] = vaddq_f32(a.part[i], b.part[i]);
  return a;
}
inline Floats operator*(Floats a, Floats b) {
  for (int i = 0; i < 4; ++i) a.part[i] = vmulq_f32(a.part[i], b.part[i]);
  return a;
}

// ---- memory

inline Bytes load_line(const void* p) {
  Bytes v;
  for (int i = 0; i < 4; ++i)
    v.part[i] = vreinterpretq_s32_u8(vld1q_u8((const uint8_t*)p + 16 * i));
  return v;
}
// The first n bytes of a line, then zeros.
inline Bytes load_line_part(const void* p, int64_t n) {
  if (n >= 64) return load_line(p);
  alignas(64) uint8_t part[64] = {};
  if (n > 0) __builtin_memcpy(part, p, (size_t)n);
  return load_line(part);
}
inline void store_line(void* p, Bytes v) {
  for (int i = 0; i < 4; ++i) vst1q_u8((uint8_t*)p + 16 * i, vreinterpretq_u8_s32(v.part[i]));
}
// volatile: to the compiler, a function that only prefetches has no effect, and its calls go.
inline void prefetch_line(const void* p) {
  asm volatile("prfm pldl1keep, [%0]" : : "r"(p));
}
inline Bytes int_everywhere(int32_t value) {
  const int32x4_t v = vdupq_n_s32(value);
  return {{v, v, v, v}};
}
inline Bytes four_everywhere(const int8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return int_everywhere(four);
}
// Lane 4j + n is p[j].
inline Bytes spread_ints(const int32_t* p) {
  return {{vdupq_n_s32(p[0]), vdupq_n_s32(p[1]), vdupq_n_s32(p[2]), vdupq_n_s32(p[3])}};
}
inline Floats spread_floats(const float* p) {
  return {{vdupq_n_f32(p[0]), vdupq_n_f32(p[1]), vdupq_n_f32(p[2]), vdupq_n_f32(p[3])}};
}

// ---- weights as signed bytes

template <typename Change>
inline Bytes change_bytes(Bytes v, const Change& change) {
  for (int i = 0; i < 4; ++i)
    v.part[i] = vreinterpretq_s32_u8(change(vreinterpretq_u8_s32(v.part[i])));
  return v;
}
inline Bytes fp4_bytes(Bytes codes) {
  const uint8x16_t table = vld1q_u8(kFp4Bytes);
  return change_bytes(codes, [table](uint8x16_t v) { return vqtbl1q_u8(table, v); });
}
inline Bytes low_nibbles(Bytes pairs) {
  return change_bytes(pairs, [](uint8x16_t v) { return vandq_u8(v, vdupq_n_u8(15)); });
}
inline Bytes high_nibbles(Bytes pairs) {
  return change_bytes(pairs, [](uint8x16_t v) { return vshrq_n_u8(v, 4); });
}
inline Bytes e4m3_bytes(Bytes codes) {
  const uint8x16x4_t table = {{vld1q_u8(kE4m3Bytes), vld1q_u8(kE4m3Bytes + 16),
                               vld1q_u8(kE4m3Bytes + 32), vld1q_u8(kE4m3Bytes + 48)}};
  return change_bytes(codes, [&table](uint8x16_t v) {
    // Places 0 … 63; the sizes below 64 become 64 …, where a look-up finds 0.
    const uint8x16_t place = veorq_u8(vandq_u8(v, vdupq_n_u8(0x7f)), vdupq_n_u8(0x40));
    const int8x16_t sizes = vreinterpretq_s8_u8(vqtbl4q_u8(table, place));
    const uint8x16_t negative = vcltzq_s8(vreinterpretq_s8_u8(v));
    return vreinterpretq_u8_s8(vbslq_s8(negative, vnegq_s8(sizes), sizes));
  });
}

// ---- sums

// Each lane of `sum` gets four products of weights' bytes and signed bytes.
inline int32x4_t add_products(int32x4_t sum, int32x4_t weights, int32x4_t x) {
  const int8x16_t a = vreinterpretq_s8_s32(weights), b = vreinterpretq_s8_s32(x);
#if defined(__ARM_FEATURE_DOTPROD)
  return vdotq_s32(sum, a, b);
#else
  // Two products in 16 bits: 2 · 120 · 127 stays below 2^15.
  const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
  return vpadalq_s16(sum, vpaddq_s16(low, high));
#endif
}
inline Bytes add_products(Bytes sum, Bytes weights, Bytes x) {
  for (int i = 0; i < 4; ++i) sum.part[i] = add_products(sum.part[i], weights.part[i], x.part[i]);
  return sum;
}
inline Bytes add_ints(Bytes a, Bytes b) {
  for (int i = 0; i < 4; ++i) a.part[i] = vaddq_s32(a.part[i], b.part[i]);
  return a;
}
// Two lines of two blocks each (eight lanes a block) -> four lanes a block.
inline Bytes join_blocks(Bytes a, Bytes b) {
  return {{vaddq_s32(a.part[0], a.part[1]), vaddq_s32(a.part[2], a.part[3]),
           vaddq_s32(b.part[0], b.part[1]), vaddq_s32(b.part[2], b.part[3])}};
}
// Four lines n of four blocks j of four lanes: lane 4j + n is the sum of line n's block j.
inline Bytes fold_four(Bytes a, Bytes b, Bytes c, Bytes d) {
  for (int i = 0; i < 4; ++i)
    a.part[i] = vpaddq_s32(vpaddq_s32(a.part[i], b.part[i]), vpaddq_s32(c.part[i], d.part[i]));
  return a;
}
inline Floats as_floats(Bytes ints) {
  Floats v;
  for (int i = 0; i < 4; ++i) v.part[i] = vcvtq_f32_s32(ints.part[i]);
  return v;
}
inline Floats madd_floats(Floats a, Floats b, Floats c) {
  for (int i = 0; i < 4; ++i) c.part[i] = vfmaq_f32(c.part[i], a.part[i], b.part[i]);
  return c;
}
inline Floats float_everywhere(float value) {
  const float32x4_t v = vdupq_n_f32(value);
  return {{v, v, v, v}};
}
// The blocks' sums 0 … 3 of lanes 4j + n, together: (0 + 2) + (1 + 3).
inline void store_folded(float* out, Floats v) {
  vst1q_f32(out, vaddq_f32(vaddq_f32(v.part[0], v.part[2]), vaddq_f32(v.part[1], v.part[3])));
}

// ---- scales

// Lane 4j + n from byte j of word n: 2^(code - 127); 2^-127 counts as 0, and 255 is infinite.
inline Floats e8m0_of_four(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  const uint32x4_t words = {a, b, c, d}, byte = vdupq_n_u32(0x7f800000);
  return {{vreinterpretq_f32_u32(vandq_u32(vshlq_n_u32(words, 23), byte)),
           vreinterpretq_f32_u32(vandq_u32(vshlq_n_u32(words, 15), byte)),
           vreinterpretq_f32_u32(vandq_u32(vshlq_n_u32(words, 7), byte)),
           vreinterpretq_f32_u32(vandq_u32(vshrq_n_u32(words, 1), byte))}};
}

// ---- sixteen rows become pieces of every row

#if defined(__ARM_FEATURE_MATMUL_INT8)
// A piece is eight bytes of sixteen rows: two lines, rows 0 … 7 and 8 … 15.
inline void turn_pieces(Bytes* rows) {
  int64x2_t out[16][4];
  for (int pair = 0; pair < 8; ++pair)
    for (int c = 0; c < 4; ++c) {
      const int64x2_t even = vreinterpretq_s64_s32(rows[2 * pair].part[c]);
      const int64x2_t odd = vreinterpretq_s64_s32(rows[2 * pair + 1].part[c]);
      out[4 * c + pair / 4][pair % 4] = vtrn1q_s64(even, odd);
      out[4 * c + 2 + pair / 4][pair % 4] = vtrn2q_s64(even, odd);
    }
  for (int i = 0; i < 16; ++i)
    for (int r = 0; r < 4; ++r) rows[i].part[r] = vreinterpretq_s32_s64(out[i][r]);
}

// Sums of two rows and sixteen outputs: in each register two outputs of the one, then of the other.
struct Squares {
  int32x4_t part[8];
};
// The eight bytes of a piece meet those of two rows.
inline void add_squares(Squares& sums, const uint8_t* piece, const int8_t* a, const int8_t* b) {
  const int8x16_t rows = vcombine_s8(vld1_s8(a), vld1_s8(b));
  for (int i = 0; i < 8; ++i)
    sums.part[i] = vmmlaq_s32(sums.part[i], rows, vld1q_s8((const int8_t*)piece + 16 * i));
}
// Those of the first or the second row.
inline Bytes row_of(const Squares& sums, int64_t second) {
  Bytes v;
  for (int i = 0; i < 4; ++i) {
    const int64x2_t a = vreinterpretq_s64_s32(sums.part[2 * i]);
    const int64x2_t b = vreinterpretq_s64_s32(sums.part[2 * i + 1]);
    v.part[i] = vreinterpretq_s32_s64(second != 0 ? vtrn2q_s64(a, b) : vtrn1q_s64(a, b));
  }
  return v;
}
#else
// A piece is four bytes of sixteen rows: a line.
inline void turn_pieces(Bytes* rows) {
  int32x4_t out[16][4];
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 4; ++c) {
      const int32x4_t row[4] = {rows[4 * r].part[c], rows[4 * r + 1].part[c],
                                rows[4 * r + 2].part[c], rows[4 * r + 3].part[c]};
      const int64x2_t even_low = vreinterpretq_s64_s32(vtrn1q_s32(row[0], row[1]));
      const int64x2_t odd_low = vreinterpretq_s64_s32(vtrn2q_s32(row[0], row[1]));
      const int64x2_t even_high = vreinterpretq_s64_s32(vtrn1q_s32(row[2], row[3]));
      const int64x2_t odd_high = vreinterpretq_s64_s32(vtrn2q_s32(row[2], row[3]));
      out[4 * c][r] = vreinterpretq_s32_s64(vtrn1q_s64(even_low, even_high));
      out[4 * c + 1][r] = vreinterpretq_s32_s64(vtrn1q_s64(odd_low, odd_high));
      out[4 * c + 2][r] = vreinterpretq_s32_s64(vtrn2q_s64(even_low, even_high));
      out[4 * c + 3][r] = vreinterpretq_s32_s64(vtrn2q_s64(odd_low, odd_high));
    }
  for (int i = 0; i < 16; ++i)
    for (int r = 0; r < 4; ++r) rows[i].part[r] = out[i][r];
}
#endif

// ---- activations

// Bits of the largest magnitude of 32 floats; a NaN is larger than infinity.
inline uint32_t largest_bits(const float* x) {
  uint32x4_t largest = vdupq_n_u32(0);
  for (int i = 0; i < 8; ++i)
    largest = vmaxq_u32(
        largest, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + 4 * i)), vdupq_n_u32(0x7fffffff)));
  return vmaxvq_u32(largest);
}
// round(x · factor), ties to even, of 16 floats below 128 in size; returns the sum.
inline int32_t round_sixteen(const float* x, float factor, int8_t* out) {
  int32x4_t whole[4];
  for (int i = 0; i < 4; ++i) whole[i] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4 * i), factor));
  const int16x8_t low = vmovn_high_s32(vmovn_s32(whole[0]), whole[1]);
  const int16x8_t high = vmovn_high_s32(vmovn_s32(whole[2]), whole[3]);
  vst1q_s8(out, vmovn_high_s16(vmovn_s16(low), high));
  return vaddvq_s16(vaddq_s16(low, high));
}
// Even bytes of 32, then odd ones.
inline void part_pairs(const int8_t* block, int8_t* even, int8_t* odd) {
  const int8x16x2_t parted = vld2q_s8(block);
  vst1q_s8(even, parted.val[0]);
  vst1q_s8(odd, parted.val[1]);
}

}  // namespace hadal::cpu::HADAL_CPU_ISA
