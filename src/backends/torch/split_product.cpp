// SPDX-License-Identifier: MIT
// Packing into tiles, and the loop over them.
// Compiled for processors that have tiles: as in kernel_vectors.h, nothing of the C++ library may
// be included here.
#include "backends/torch/split_product.h"

#ifdef __AMX_BF16__
#include <immintrin.h>
#endif

namespace hadal {

namespace {

constexpr int64_t kSide = 16;           // rows of a tile, and its 32-bit columns
constexpr int64_t kDepth = 32;          // BF16 along the inner axis
constexpr int64_t kTileBytes = 1024;    // of BF16, or of f32 sums
constexpr int64_t kPanel = 2 * kSide;   // rows or columns that are multiplied at once
constexpr int64_t kInnerAtOnce = 1024;  // so that packed factors stay in the second cache
// High and low parts of two tiles, one after the other.
constexpr int64_t kPanelStep = 4 * kTileBytes;

inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline int64_t round_up(int64_t value, int64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

int64_t split_scratch(int64_t columns, int64_t inner) {
  const int64_t steps = round_up(smaller(inner, kInnerAtOnce), kDepth) / kDepth;
  const int64_t panels = round_up(columns, kPanel) / kPanel + 1;  // and one of the first factor
  return panels * steps * kPanelStep + 4 * kTileBytes;
}

#ifdef __AMX_BF16__

namespace {

struct alignas(64) TileShape {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

void begin_tiles() {
  TileShape shape;
  for (int tile = 0; tile < 8; ++tile) {
    shape.bytes[tile] = 64;
    shape.rows[tile] = kSide;
  }
  _tile_loadconfig(&shape);
}

// 32 BF16: those of `first`, then those of `second`; and what is left of both.
struct Parts {
  __m512i high, low;
};

inline __m512 widened(__m256i half) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

inline Parts split(__m512 first, __m512 second) {
  const __m512i high = (__m512i)_mm512_cvtne2ps_pbh(second, first);
  const __m512 rest_first = _mm512_sub_ps(first, widened(_mm512_castsi512_si256(high)));
  const __m512 rest_second = _mm512_sub_ps(second, widened(_mm512_extracti64x4_epi64(high, 1)));
  return {high, (__m512i)_mm512_cvtne2ps_pbh(rest_second, rest_first)};
}

inline __mmask16 first_lanes(int64_t count) {
  return count >= kSide ? 0xFFFF : static_cast<__mmask16>((1U << (count > 0 ? count : 0)) - 1);
}

// Rows and columns of sixteen registers of sixteen 32-bit numbers change places.
void transpose(__m512i* r) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
      r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
    }
  for (int i = 0; i < 16; i += 8)
    for (int j = 0; j < 4; ++j) {
      t[i + j] = _mm512_shuffle_i32x4(r[i + j], r[i + j + 4], 0x88);
      t[i + j + 4] = _mm512_shuffle_i32x4(r[i + j], r[i + j + 4], 0xdd);
    }
  for (int j = 0; j < 8; ++j) {
    r[j] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0x88);
    r[j + 8] = _mm512_shuffle_i32x4(t[j], t[j + 8], 0xdd);
  }
}

// A factor seen from its outer axis (rows of a, columns of b): element [outer][inner].
struct Source {
  const float* data;
  int64_t outer, inner;  // steps
};

// One tile of 16 outer by 32 inner elements, of which `outers` and `inners` exist.  `by_outer`: a
// tile of a, whose rows are outer; else one of b, whose rows are pairs of inner.
void pack(const Source& source, int64_t outers, int64_t inners, bool by_outer, uint8_t* high,
          uint8_t* low) {
  __m512i highs[kSide], lows[kSide];
  const bool rows_are_outer = source.inner == 1;
  if (rows_are_outer) {
    const __mmask16 first = first_lanes(inners), second = first_lanes(inners - kSide);
    for (int64_t i = 0; i < kSide; ++i) {
      const float* from = source.data + i * source.outer;
      const bool is_there = i < outers;
      const Parts parts = is_there ? split(_mm512_maskz_loadu_ps(first, from),
                                           _mm512_maskz_loadu_ps(second, from + kSide))
                                   : Parts{_mm512_setzero_si512(), _mm512_setzero_si512()};
      highs[i] = parts.high;
      lows[i] = parts.low;
    }
  } else {
    // Lanes of the first row and of the second, in turns.
    alignas(64) static constexpr uint16_t kTurns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                        21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                        11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i turns = _mm512_load_si512(kTurns);
    const __mmask16 there = first_lanes(outers);
    for (int64_t pair = 0; pair < kSide; ++pair) {
      const float* from = source.data + 2 * pair * source.inner;
      const __mmask16 one = 2 * pair < inners ? there : 0, two = 2 * pair + 1 < inners ? there : 0;
      const Parts parts =
          split(_mm512_maskz_loadu_ps(one, from), _mm512_maskz_loadu_ps(two, from + source.inner));
      highs[pair] = _mm512_permutexvar_epi16(turns, parts.high);
      lows[pair] = _mm512_permutexvar_epi16(turns, parts.low);
    }
  }
  if (rows_are_outer != by_outer) {
    transpose(highs);
    transpose(lows);
  }
  for (int64_t i = 0; i < kSide; ++i) {
    _mm512_store_si512(high + i * 64, highs[i]);
    _mm512_store_si512(low + i * 64, lows[i]);
  }
}

// Two tiles side by side along the outer axis, over the whole inner axis.
void pack_panel(const Source& source, int64_t outers, int64_t inners, bool by_outer, uint8_t* out) {
  for (int64_t k = 0; k < inners; k += kDepth, out += kPanelStep)
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t first = half * kSide;
      const Source at{source.data + first * source.outer + k * source.inner, source.outer,
                      source.inner};
      pack(at, outers - first, inners - k, by_outer, out + half * kTileBytes,
           out + (2 + half) * kTileBytes);
    }
}

// Sums of one panel of a and one of b: tiles 0 to 3.
void multiply_panels(const uint8_t* a, const uint8_t* b, int64_t steps, bool coarse) {
  for (int64_t step = 0; step < steps; ++step, a += kPanelStep, b += kPanelStep) {
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + kTileBytes, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    if (coarse) continue;
    _tile_loadd(6, b + 2 * kTileBytes, 64);
    _tile_loadd(7, b + 3 * kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    _tile_loadd(4, a + 2 * kTileBytes, 64);
    _tile_loadd(5, a + 3 * kTileBytes, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + kTileBytes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

// The four tiles of sums to a block of out, of which rows × columns exist.
void put_sums(uint8_t* sums, float* out, int64_t out_row, int64_t rows, int64_t columns, bool add) {
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + kTileBytes, 64);
  _tile_stored(2, sums + 2 * kTileBytes, 64);
  _tile_stored(3, sums + 3 * kTileBytes, 64);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t half = 0; half < 2 && half * kSide < columns; ++half) {
      const __mmask16 there = first_lanes(columns - half * kSide);
      float* to = out + i * out_row + half * kSide;
      __m512 value = _mm512_load_ps(sums + (i / kSide * 2 + half) * kTileBytes + i % kSide * 64);
      if (add) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(there, to));
      _mm512_mask_storeu_ps(to, there, value);
    }
}

}  // namespace

void multiply_split(const SplitProduct& p) {
  begin_tiles();
  for (int64_t k = 0; k < p.inner; k += kInnerAtOnce) {
    const int64_t inners = smaller(kInnerAtOnce, p.inner - k);
    const int64_t steps = round_up(inners, kDepth) / kDepth;
    const int64_t panel_bytes = steps * kPanelStep;
    uint8_t* const sums = p.scratch;
    uint8_t* const panel_a = sums + 4 * kTileBytes;
    uint8_t* const panels_b = panel_a + panel_bytes;
    for (int64_t n = 0; n < p.columns; n += kPanel)
      pack_panel({p.b.data + k * p.b.row + n * p.b.column, p.b.column, p.b.row}, p.columns - n,
                 inners, false, panels_b + n / kPanel * panel_bytes);
    for (int64_t m = 0; m < p.rows; m += kPanel) {
      pack_panel({p.a.data + m * p.a.row + k * p.a.column, p.a.row, p.a.column}, p.rows - m, inners,
                 true, panel_a);
      for (int64_t n = 0; n < p.columns; n += kPanel) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        multiply_panels(panel_a, panels_b + n / kPanel * panel_bytes, steps, p.coarse);
        put_sums(sums, p.out + m * p.out_row + n, p.out_row, smaller(kPanel, p.rows - m),
                 smaller(kPanel, p.columns - n), p.add || k > 0);
      }
    }
  }
  _tile_release();
}

#else

void multiply_split(const SplitProduct&) {}

#endif

}  // namespace hadal
