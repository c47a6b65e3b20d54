// SPDX-License-Identifier: MIT
// The inner loops of bf16.h (see vec_bf16.h for what may be called here).
//
// Few rows (decode) read each weight once: four outputs side by side, 128 inputs a step, up to
// three rows of x at a time while the four outputs lie in the first cache.
//
// Many rows (prefill) turn 32 outputs over their whole depth into BF16, unscaled, in the second
// cache, with the scales of every lane beside them: the same sums, from memory.
// The room's own copy, which any machine must be able to run, is empty.
#if defined(__AVX512BF16__)

#include "backends/cpu/bf16.h"
#include "backends/cpu/vec_bf16.h"
#include "backends/cpu/weight_stream.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

constexpr int64_t kTileRows = 3;        // 3 x 4 sums, 3 x 4 of a span, and the span's weights
constexpr int64_t kMostDirectRows = 8;  // from here on making a panel pays
constexpr int64_t kPanelOutputs = 32;
// Rows of x that meet four outputs after four: half of a first cache of 48 KiB, beside the outputs.
constexpr int64_t kBlockBytes = 24 << 10;
constexpr int64_t kSpanWords = 4;  // registers of a span

constexpr int64_t spans_of(int64_t inputs) {
  return (inputs + kBf16Span - 1) / kBf16Span;
}

// ---- one span of a matrix's row: four registers of words in the order of its activations, and the
// scales of their lanes

// Lane j of every register belongs to block j.
struct Fp4Span {
  static constexpr int64_t kBytes = 64;
  static constexpr int64_t kScales = 1;

  static inline __attribute__((always_inline)) void load(bool whole, const uint8_t* row,
                                                         int64_t inputs, int64_t span,
                                                         Words* words) {
    const int64_t begin = span * kBytes;
    const Words pairs =
        whole ? load_line(row + begin) : load_line_part(row + begin, (inputs + 1) / 2 - begin);
    fp4_words(low_nibbles(pairs), words);
    fp4_words(high_nibbles(pairs), words + 2);
  }
  static inline __attribute__((always_inline)) void scales(uint32_t codes, Floats* out) {
    out[0] = e8m0_of_lanes<0, 1, 2, 3>(codes);
  }
};

// The first two registers hold blocks 0 and 1, the others 2 and 3.
struct E4m3Span {
  static constexpr int64_t kBytes = 128;
  static constexpr int64_t kScales = 2;

  static inline __attribute__((always_inline)) void load(bool whole, const uint8_t* row,
                                                         int64_t inputs, int64_t span,
                                                         Words* words) {
    const int64_t begin = span * kBytes, left = whole ? kBytes : inputs - begin;
    e4m3_words(whole ? load_line(row + begin) : load_line_part(row + begin, left), words);
    e4m3_words(whole ? load_line(row + begin + 64) : load_line_part(row + begin + 64, left - 64),
               words + 2);
  }
  static inline __attribute__((always_inline)) void scales(uint32_t codes, Floats* out) {
    out[0] = e8m0_of_lanes<0, 0, 1, 1>(codes);
    out[1] = e8m0_of_lanes<2, 2, 3, 3>(codes);
  }
};

// Tiles of 128 columns or more: one scale for the whole span.
struct CoarseE4m3Span : E4m3Span {
  static constexpr int64_t kScales = 1;

  static inline __attribute__((always_inline)) void scales(uint32_t codes, Floats* out) {
    out[0] = e8m0_everywhere(codes & 0xff);
  }
};

// Weights that are BF16 already, and have no scales.
struct PlainSpan {
  static constexpr int64_t kBytes = 256;
  static constexpr int64_t kScales = 0;

  static inline __attribute__((always_inline)) void load(bool whole, const uint8_t* row,
                                                         int64_t inputs, int64_t span,
                                                         Words* words) {
    for (int64_t j = 0; j < kSpanWords; ++j) {
      const int64_t begin = span * kBytes + 64 * j;
      words[j] = whole ? load_line(row + begin) : load_line_part(row + begin, 2 * inputs - begin);
    }
  }
};

// What a span's scales are kept in.
template <typename Span>
struct SpanScales {
  Floats of[Span::kScales > 0 ? Span::kScales : 1];
};

// The codes of the four blocks of a span.
template <typename Span>
inline __attribute__((always_inline)) uint32_t span_codes(bool whole, const Matrix& matrix,
                                                          const uint8_t* scales, int64_t span) {
  if constexpr (Span::kBytes == 128 && Span::kScales == 1)
    return scales[span * kBf16Span >> matrix.block_shift];
  uint32_t word;
  if (whole && matrix.block_shift == 5) {
    __builtin_memcpy(&word, scales + 4 * span, sizeof word);
    return word;
  }
  uint8_t four[4] = {};
  for (int64_t j = 0; j < 4; ++j) {
    const int64_t column = span * kBf16Span + j * 32;
    if (column < matrix.inputs) four[j] = scales[column >> matrix.block_shift];
  }
  __builtin_memcpy(&word, four, sizeof word);
  return word;
}

template <typename Span>
inline __attribute__((always_inline)) SpanScales<Span> span_scales(bool whole, const Matrix& matrix,
                                                                   const uint8_t* scales,
                                                                   int64_t span) {
  SpanScales<Span> out;
  if constexpr (Span::kScales > 0)
    Span::scales(span_codes<Span>(whole, matrix, scales, span), out.of);
  return out;
}

// sum + the products of a span, scaled; panel_tile() adds in the same order.
template <typename Span>
inline __attribute__((always_inline)) Floats add_span(Floats sum, const Words* words,
                                                      const uint16_t* x,
                                                      const SpanScales<Span>& scales) {
  if constexpr (Span::kScales == 0) {
    for (int64_t j = 0; j < kSpanWords; ++j)
      sum = add_products(sum, words[j], load_line(x + 32 * j));
    return sum;
  } else {
    constexpr int64_t kEach = kSpanWords / Span::kScales;
    for (int64_t i = 0; i < Span::kScales; ++i) {
      Floats part = float_everywhere(0);
      for (int64_t j = i * kEach; j < (i + 1) * kEach; ++j)
        part = add_products(part, words[j], load_line(x + 32 * j));
      sum = madd_floats(part, scales.of[i], sum);
    }
    return sum;
  }
}

inline void write_outputs(const Bf16Product& p, int64_t t, int64_t o, int64_t count,
                          const Floats* sums) {
  float values[kOutputs];
  store_folded(values, sums);
  float* out = p.out.row(t) + (o - p.first);
  if (p.add)
    for (int64_t n = 0; n < count; ++n) out[n] += values[n];
  else
    for (int64_t n = 0; n < count; ++n) out[n] = values[n];
}

// ---- few rows -----------------------------------------------------------------------------------

// One span of output `n` of four, of M rows.
template <typename Span, int64_t M>
inline __attribute__((always_inline)) void step(bool whole, const Matrix& matrix,
                                                const FourRows& rows, const uint16_t* const* x,
                                                int64_t s, int64_t n, Floats (*sums)[kOutputs]) {
  Words words[kSpanWords];
  Span::load(whole, rows.values[n], matrix.inputs, s, words);
  const SpanScales<Span> scales = span_scales<Span>(whole, matrix, rows.scales[n], s);
  for (int64_t m = 0; m < M; ++m)
    sums[m][n] = add_span<Span>(sums[m][n], words, x[m] + s * kBf16Span, scales);
}

// Outputs o … o + 3 of rows t … t + M - 1: side by side, but those without scales one after the
// other, as they lie in memory (bench/README.md).  What is read next is fetched meanwhile: rows are
// too short for the machine to see the stream by itself.
template <typename Span, int64_t M>
__attribute__((noinline)) void direct_tile(const Bf16Product& p, const FourRows& rows, int64_t o,
                                           int64_t t) {
  const uint16_t* x[M];
  for (int64_t m = 0; m < M; ++m) x[m] = p.x.row(t + m);
  Floats sums[M][kOutputs];
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = 0; n < kOutputs; ++n) sums[m][n] = float_everywhere(0);
  const int64_t whole_spans = p.matrix.inputs / kBf16Span;
  const bool has_part = whole_spans < spans_of(p.matrix.inputs);
  if constexpr (Span::kScales == 0) {
    for (int64_t n = 0; n < kOutputs; ++n) {
      const uint8_t* next = values_at(p, o + n + rows_ahead(p.matrix));
      for (int64_t s = 0; s < whole_spans; ++s) {
        fetch<Span::kBytes>(next + s * Span::kBytes);
        step<Span, M>(true, p.matrix, rows, x, s, n, sums);
      }
      if (has_part) step<Span, M>(false, p.matrix, rows, x, whole_spans, n, sums);
    }
  } else {
    for (int64_t s = 0; s < whole_spans; ++s)
      for (int64_t n = 0; n < kOutputs; ++n) {
        rows.fetch<Span::kBytes>(s, n);
        step<Span, M>(true, p.matrix, rows, x, s, n, sums);
      }
    for (int64_t n = 0; has_part && n < kOutputs; ++n)
      step<Span, M>(false, p.matrix, rows, x, whole_spans, n, sums);
  }
  for (int64_t m = 0; m < M; ++m)
    write_outputs(p, t + m, o, smaller(kOutputs, p.last - o), sums[m]);
}

template <typename Span>
void direct_product(const Bf16Product& p) {
  for (int64_t o = p.first; o < p.last; o += kOutputs) {
    fetch_scales(p, o);
    const FourRows rows(p, o);
    for (int64_t t = 0; t < p.rows; t += kTileRows) switch (smaller(kTileRows, p.rows - t)) {
        case 1:
          direct_tile<Span, 1>(p, rows, o, t);
          break;
        case 2:
          direct_tile<Span, 2>(p, rows, o, t);
          break;
        default:
          direct_tile<Span, 3>(p, rows, o, t);
      }
  }
}

// ---- many rows ----------------------------------------------------------------------------------

// 32 outputs: of each, span after span, its words and then the scales of their lanes.
template <typename Span>
struct Panel {
  static constexpr int64_t kSpanBytes = 64 * (kSpanWords + Span::kScales);
  uint8_t* bytes;
  int64_t spans;

  // An odd number of lines, so that outputs do not fall into the same cache sets.
  int64_t stride() const { return (spans * (kSpanWords + Span::kScales) | 1) * 64; }
  uint8_t* span(int64_t n, int64_t s) const { return bytes + n * stride() + s * kSpanBytes; }
};

template <typename Span>
void make_panel(const Bf16Product& p, int64_t o, const Panel<Span>& panel) {
  for (int64_t n = 0; n < smaller(kPanelOutputs, p.last - o); ++n) {
    const uint8_t* row = p.matrix.values + (o + n) * p.matrix.row_bytes;
    const uint8_t* codes = scale_row(p.matrix, o + n);
    for (int64_t s = 0; s < panel.spans; ++s) {
      const bool whole = (s + 1) * kBf16Span <= p.matrix.inputs;
      Words words[kSpanWords];
      Span::load(whole, row, p.matrix.inputs, s, words);
      const SpanScales<Span> scales = span_scales<Span>(whole, p.matrix, codes, s);
      __builtin_memcpy(panel.span(n, s), words, sizeof words);
      __builtin_memcpy(panel.span(n, s) + sizeof words, scales.of, Span::kScales * sizeof(Floats));
    }
  }
}

// M rows × 4 outputs.
template <typename Span, int64_t M>
__attribute__((noinline)) void panel_tile(const Bf16Product& p, const Panel<Span>& panel, int64_t o,
                                          int64_t n, int64_t t) {
  const int64_t outputs = smaller(kOutputs, smaller(kPanelOutputs, p.last - o) - n);
  const uint16_t* x[M];
  for (int64_t m = 0; m < M; ++m) x[m] = p.x.row(t + m);
  const uint8_t* w[kOutputs];
  for (int64_t i = 0; i < kOutputs; ++i) w[i] = panel.span(n + smaller(i, outputs - 1), 0);
  Floats sums[M][kOutputs];
  for (int64_t m = 0; m < M; ++m)
    for (int64_t i = 0; i < kOutputs; ++i) sums[m][i] = float_everywhere(0);
  for (int64_t s = 0; s < panel.spans; ++s) {
    const int64_t at = s * Panel<Span>::kSpanBytes;
    // Adds lines [first, first + count) of the span.
    const auto add_lines = [&](int64_t first, int64_t count, Floats(*to)[kOutputs])
        __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int64_t j = first; j < first + count; ++j) {
        Words rows[M];
        for (int64_t m = 0; m < M; ++m) rows[m] = load_line(x[m] + s * kBf16Span + 32 * j);
        for (int64_t i = 0; i < kOutputs; ++i) {
          const Words words = load_line(w[i] + at + 64 * j);
          for (int64_t m = 0; m < M; ++m) to[m][i] = add_products(to[m][i], words, rows[m]);
        }
      }
    };
    if constexpr (Span::kScales == 0) add_lines(0, kSpanWords, sums);
#pragma GCC unroll 2
    for (int64_t scale = 0; scale < Span::kScales; ++scale) {
      constexpr int64_t kEach = kSpanWords / (Span::kScales > 0 ? Span::kScales : 1);
      Floats parts[M][kOutputs];
      for (int64_t m = 0; m < M; ++m)
        for (int64_t i = 0; i < kOutputs; ++i) parts[m][i] = float_everywhere(0);
      add_lines(scale * kEach, kEach, parts);
      for (int64_t i = 0; i < kOutputs; ++i) {
        const Floats factor = load_floats(w[i] + at + 64 * (kSpanWords + scale));
        for (int64_t m = 0; m < M; ++m) sums[m][i] = madd_floats(parts[m][i], factor, sums[m][i]);
      }
    }
  }
  for (int64_t m = 0; m < M; ++m) write_outputs(p, t + m, o + n, outputs, sums[m]);
}

template <typename Span>
void panel_product(const Bf16Product& p, uint8_t* scratch) {
  const Panel<Span> panel{scratch, spans_of(p.matrix.inputs)};
  const int64_t row_bytes = panel.spans * kBf16Span * 2;
  const int64_t tiles = kBlockBytes / (kTileRows * row_bytes);
  const int64_t block = kTileRows * (tiles > 0 ? tiles : 1);
  for (int64_t o = p.first; o < p.last; o += kPanelOutputs) {
    make_panel<Span>(p, o, panel);
    const int64_t outputs = smaller(kPanelOutputs, p.last - o);
    // Weights of the next panel come while this one is met.
    const uint8_t* next = values_at(p, o + kPanelOutputs);
    const int64_t bytes = kPanelOutputs * p.matrix.row_bytes;
    int64_t fetched = 0;
    for (int64_t begin = 0; begin < p.rows; begin += block) {
      const int64_t end = smaller(begin + block, p.rows);
      for (int64_t n = 0; n < outputs; n += kOutputs) {
        const int64_t done = begin * outputs + (end - begin) * (n + kOutputs);
        for (const int64_t due = smaller(bytes * done / (p.rows * outputs), bytes); fetched < due;
             fetched += 64)
          prefetch_line(next + fetched);
        for (int64_t t = begin; t < end; t += kTileRows) switch (smaller(kTileRows, end - t)) {
            case 1:
              panel_tile<Span, 1>(p, panel, o, n, t);
              break;
            case 2:
              panel_tile<Span, 2>(p, panel, o, n, t);
              break;
            default:
              panel_tile<Span, 3>(p, panel, o, n, t);
          }
      }
    }
  }
}

int64_t scratch_bytes(int64_t inputs) {
  return Panel<E4m3Span>{nullptr, spans_of(inputs)}.stride() * kPanelOutputs;  // the largest
}

template <typename Span>
void product_of(const Bf16Product& p, uint8_t* scratch) {
  if (p.rows <= kMostDirectRows)
    direct_product<Span>(p);
  else
    panel_product<Span>(p, scratch);
}

void product(const Bf16Product& p, uint8_t* scratch) {
  if (p.rows == 0 || p.first >= p.last) return;
  if (p.matrix.format == Format::bf16)
    product_of<PlainSpan>(p, scratch);
  else if (p.matrix.format == Format::fp4)
    product_of<Fp4Span>(p, scratch);
  else if (p.matrix.block_shift >= 7)
    product_of<CoarseE4m3Span>(p, scratch);
  else
    product_of<E4m3Span>(p, scratch);
}

// ---- activations --------------------------------------------------------------------------------

// Where the words of a register come from, in a pair of registers of 32 values each.
struct Places {
  alignas(64) uint16_t of[kSpanWords][32] = {};
};

// Register 2·odd + part holds, in lane j, eight inputs of block j: those at odd + 2·(8·part + i).
// The first pair of blocks is chosen by the lower half, the second by the upper one.
constexpr Places fp4_places() {
  Places places;
  for (int r = 0; r < 4; ++r)
    for (int w = 0; w < 32; ++w)
      places.of[r][w] = (uint16_t)(w / 8 % 2 * 32 + 2 * (r % 2 * 8 + w % 8) + r / 2);
  return places;
}
// Register r holds, in lane j, eight of the sixteen inputs from 64·(r / 2) + 16·j on.
constexpr Places e4m3_places() {
  Places places;
  for (int r = 0; r < 4; ++r)
    for (int w = 0; w < 32; ++w) places.of[r][w] = (uint16_t)(w / 8 * 16 + r % 2 * 8 + w % 8);
  return places;
}
constexpr Places kFp4Places = fp4_places(), kE4m3Places = e4m3_places();

bool pack_row(const float* x, int64_t width, Format weights, uint16_t* out) {
  Words lost = load_line_part(x, 0);
  for (int64_t begin = 0; begin < width; begin += kBf16Span) {
    float last[kBf16Span] = {};
    const float* span = x + begin;
    if (width - begin < kBf16Span) {
      __builtin_memcpy(last, span, (size_t)(width - begin) * sizeof(float));
      span = last;
    }
    if (weights == Format::bf16) {
      for (int64_t j = 0; j < kSpanWords; ++j)
        store_line(out + begin + 32 * j, nearest_words(span + 32 * j));
      continue;
    }
    Words in[kSpanWords];
    for (int64_t j = 0; j < kSpanWords; ++j) in[j] = upper_halves(span + 32 * j, &lost);
    for (int64_t j = 0; j < kSpanWords; ++j) {
      Words words;
      if (weights == Format::fp4)
        words = lower_of_first_upper_of_second(choose_words(in[0], in[1], kFp4Places.of[j]),
                                               choose_words(in[2], in[3], kFp4Places.of[j]));
      else
        words = choose_words(in[j / 2 * 2], in[j / 2 * 2 + 1], kE4m3Places.of[j]);
      store_line(out + begin + 32 * j, words);
    }
  }
  return !any_bit(lost);
}

}  // namespace

const Bf16Table kBf16Table = {product, scratch_bytes, pack_row};

}  // namespace hadal::cpu::HADAL_CPU_ISA

#endif
