// SPDX-License-Identifier: MIT
// The inner loops of int8.h, compiled once per instruction set (see vec_int8.h for what may be
// called here).
//
// Few rows (decode) read each weight once: four outputs side by side, and 128 inputs a step.  A
// register of sums then holds block j of output n in lane 4j + n, so that one conversion and one
// multiplication serve four outputs.
//
// Many rows (prefill) turn one or two lines of sixteen outputs over their whole depth into a panel
// of bytes in the second cache: sixteen outputs' next four inputs are one line, and meet four bytes
// of a row that are the same in every lane.  Blocks lie in the order in which they are summed:
// those of sum 0 first.  (Where one instruction multiplies two rows with two outputs, a piece is
// eight inputs and two lines.)
//
// Lines are 64 bytes in every instruction set, in as many registers as they need, so sums have one
// order and products the same bits everywhere.  The room's own copy, which any machine must be able
// to run, is empty.
#if defined(HADAL_CPU_ISA)

#include "backends/cpu/int8.h"
#include "backends/cpu/vec_int8.h"
#include "backends/cpu/weight_stream.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

constexpr int64_t kDirectRows = 4;      // and rows of x that it takes at a time
constexpr int64_t kMostDirectRows = 8;  // from here on turning a panel pays (bench/README.md)
constexpr int64_t kPanelOutputs = 16 * kTileLines;
constexpr int64_t kSums = 4;
constexpr int64_t kPieces = kInt8Block / kPieceBytes;  // of a block

constexpr int64_t spans_of(int64_t inputs) {
  return (inputs + kInt8Span - 1) / kInt8Span;
}

// ---- one span of a matrix's row: two lines of bytes above 128, in the order of its activations

struct Fp4Span {
  static constexpr bool kEvenFirst = true;
  static constexpr int64_t kBytes = 64;

  // `whole`: the span has all of its 128 inputs.
  static inline __attribute__((always_inline)) void load(bool whole, const uint8_t* row,
                                                         int64_t inputs, int64_t span,
                                                         Bytes* lines) {
    const int64_t begin = span * kBytes;
    const Bytes pairs =
        whole ? load_line(row + begin) : load_line_part(row + begin, (inputs + 1) / 2 - begin);
    lines[0] = fp4_bytes(low_nibbles(pairs));
    lines[1] = fp4_bytes(high_nibbles(pairs));
  }
  static Bytes dot(const Bytes* lines, Bytes x0, Bytes x1) {
    return add_products(add_products(int_everywhere(0), lines[0], x0), lines[1], x1);
  }
};

struct E4m3Span {
  static constexpr bool kEvenFirst = false;
  static constexpr int64_t kBytes = 128;

  static inline __attribute__((always_inline)) void load(bool whole, const uint8_t* row,
                                                         int64_t inputs, int64_t span,
                                                         Bytes* lines) {
    const int64_t begin = span * kBytes, left = whole ? kBytes : inputs - begin;
    lines[0] = e4m3_bytes(whole ? load_line(row + begin) : load_line_part(row + begin, left));
    lines[1] = e4m3_bytes(whole ? load_line(row + begin + 64)
                                : load_line_part(row + begin + 64, left - 64));
  }
  static Bytes dot(const Bytes* lines, Bytes x0, Bytes x1) {
    return join_blocks(add_products(int_everywhere(0), lines[0], x0),
                       add_products(int_everywhere(0), lines[1], x1));
  }
};

// ---- scales of one span of a row: a byte a block

// One byte a span, four, or any number.
enum class ScaleShape : uint8_t { one, four, any };

inline ScaleShape shape_of(const Matrix& matrix) {
  if (matrix.block_shift >= 7) return ScaleShape::one;
  return matrix.block_shift == 5 ? ScaleShape::four : ScaleShape::any;
}

inline uint32_t any_scales(const Matrix& matrix, const uint8_t* scales, int64_t span) {
  uint8_t four[4] = {};
  for (int64_t j = 0; j < 4; ++j) {
    const int64_t column = span * kInt8Span + j * kInt8Block;
    if (column < matrix.inputs) four[j] = scales[column >> matrix.block_shift];
  }
  uint32_t word;
  __builtin_memcpy(&word, four, sizeof word);
  return word;
}

inline __attribute__((always_inline)) uint32_t span_scales(bool whole, ScaleShape shape,
                                                           const Matrix& matrix,
                                                           const uint8_t* scales, int64_t span) {
  if (shape == ScaleShape::one) return scales[span * kInt8Span >> matrix.block_shift] * 0x01010101u;
  if (!whole || shape == ScaleShape::any) return any_scales(matrix, scales, span);
  uint32_t word;
  __builtin_memcpy(&word, scales + 4 * span, sizeof word);
  return word;
}

inline void write_outputs(const Int8Product& p, int64_t t, int64_t o, int64_t count,
                          const float* values) {
  float* out = p.out.row(t) + (o - p.first);
  if (p.add)
    for (int64_t n = 0; n < count; ++n) out[n] += values[n];
  else
    for (int64_t n = 0; n < count; ++n) out[n] = values[n];
}

// ---- few rows -----------------------------------------------------------------------------------

// Rows of x that meet the matrix.
template <int64_t M>
struct Inputs {
  const int8_t* values[M];
  const float* scales[M];
  const int32_t* corrections[M];

  Inputs(const Int8Rows& x, int64_t first_row) {
    const int64_t blocks = x.stride / kInt8Block;
    for (int64_t m = 0; m < M; ++m) {
      const int64_t place = x.place(first_row + m);
      values[m] = x.values + place * x.stride;
      scales[m] = x.scales + place * blocks;
      corrections[m] = x.corrections + place * blocks;
    }
  }
};

// Adds one span of four outputs of M rows.  The same span of the next four is fetched meanwhile:
// rows are too short for the machine to see the stream by itself.
template <typename Span, int64_t M>
inline __attribute__((always_inline)) void add_span(bool whole, ScaleShape shape,
                                                    const Matrix& matrix, const FourRows& rows,
                                                    const Inputs<M>& x, int64_t s, Floats* sums) {
  Bytes dots[M][kOutputs];
  uint32_t codes[kOutputs];
  for (int64_t n = 0; n < kOutputs; ++n) {
    rows.fetch<Span::kBytes>(s, n);
    Bytes lines[2];
    Span::load(whole, rows.values[n], matrix.inputs, s, lines);
    for (int64_t m = 0; m < M; ++m)
      dots[m][n] = Span::dot(lines, load_line(x.values[m] + s * kInt8Span),
                             load_line(x.values[m] + s * kInt8Span + 64));
    codes[n] = span_scales(whole, shape, matrix, rows.scales[n], s);
  }
  const Floats scales = e8m0_of_four(codes[0], codes[1], codes[2], codes[3]);
  for (int64_t m = 0; m < M; ++m) {
    const Bytes exact = add_ints(fold_four(dots[m][0], dots[m][1], dots[m][2], dots[m][3]),
                                 spread_ints(x.corrections[m] + 4 * s));
    sums[m] = madd_floats(as_floats(exact), scales * spread_floats(x.scales[m] + 4 * s), sums[m]);
  }
}

// All outputs of M rows.
template <typename Span, int64_t M, ScaleShape shape>
__attribute__((noinline)) void direct_rows(const Int8Product& p, int64_t first_row) {
  const Matrix& matrix = p.matrix;
  const Inputs<M> x(p.x, first_row);
  const int64_t whole_spans = matrix.inputs / kInt8Span;
  for (int64_t o = p.first; o < p.last; o += kOutputs) {
    fetch_scales(p, o);
    const FourRows rows(p, o);
    Floats sums[M];
    for (int64_t m = 0; m < M; ++m) sums[m] = float_everywhere(0);
    for (int64_t s = 0; s < whole_spans; ++s)
      add_span<Span, M>(true, shape, matrix, rows, x, s, sums);
    if (whole_spans < spans_of(matrix.inputs))
      add_span<Span, M>(false, shape, matrix, rows, x, whole_spans, sums);
    for (int64_t m = 0; m < M; ++m) {
      float outputs[kOutputs];
      store_folded(outputs, sums[m]);
      write_outputs(p, first_row + m, o, smaller(kOutputs, p.last - o), outputs);
    }
  }
}

template <typename Span, int64_t M>
void direct_rows(const Int8Product& p, int64_t first_row) {
  switch (shape_of(p.matrix)) {
    case ScaleShape::one:
      return direct_rows<Span, M, ScaleShape::one>(p, first_row);
    case ScaleShape::four:
      return direct_rows<Span, M, ScaleShape::four>(p, first_row);
    case ScaleShape::any:
      return direct_rows<Span, M, ScaleShape::any>(p, first_row);
  }
}

template <typename Span>
void direct_product(const Int8Product& p) {
  for (int64_t t = 0; t < p.rows; t += kDirectRows) switch (smaller(kDirectRows, p.rows - t)) {
      case 1:
        direct_rows<Span, 1>(p, t);
        break;
      case 2:
        direct_rows<Span, 2>(p, t);
        break;
      case 3:
        direct_rows<Span, 3>(p, t);
        break;
      default:
        direct_rows<Span, 4>(p, t);
    }
}

// ---- many rows ----------------------------------------------------------------------------------

// For sum j, span s and piece q of a block the bytes of every output, sixteen after sixteen; for
// every block of the same order their scales.
struct Panel {
  uint8_t* bytes;
  float* scales;
  int64_t spans;

  int64_t block(int64_t j, int64_t s) const { return j * spans + s; }
  uint8_t* piece(int64_t block, int64_t q, int64_t line) const {
    return bytes + ((block * kPieces + q) * kTileLines + line) * 16 * kPieceBytes;
  }
  float* scale(int64_t block) const { return scales + block * kPanelOutputs; }
};

// Where a block's pieces begin in a span: all even inputs lie before the odd ones, or every input
// in its place.
template <typename Span>
inline int64_t piece_place(int64_t j, int64_t q) {
  constexpr int64_t kHalf = kPieces / 2;
  if (Span::kEvenFirst) return q / kHalf * 64 + 16 * j + q % kHalf * kPieceBytes;
  return kInt8Block * j + kPieceBytes * q;
}

template <typename Span>
void turn_span(const Matrix& matrix, const uint8_t* const* rows, const Panel& panel, int64_t s,
               int64_t line) {
  Bytes lines[2][16];
  for (int64_t n = 0; n < 16; ++n) {
    Bytes both[2];
    Span::load((s + 1) * kInt8Span <= matrix.inputs, rows[n], matrix.inputs, s, both);
    lines[0][n] = both[0];
    lines[1][n] = both[1];
  }
  turn_pieces(lines[0]);
  turn_pieces(lines[1]);
  for (int64_t j = 0; j < kSums; ++j)
    for (int64_t q = 0; q < kPieces; ++q) {
      const int64_t place = piece_place<Span>(j, q) / 4;
      uint8_t* piece = panel.piece(panel.block(j, s), q, line);
      for (int64_t i = 0; i < kPieceBytes / 4; ++i)
        store_line(piece + 64 * i, lines[place / 16][place % 16 + i]);
    }
}

template <typename Span>
void make_panel(const Int8Product& p, int64_t o, const Panel& panel) {
  const Matrix& matrix = p.matrix;
  const uint8_t *rows[kPanelOutputs], *scales[kPanelOutputs];
  for (int64_t n = 0; n < kPanelOutputs; ++n) {
    const int64_t row = smaller(o + n, p.last - 1);
    rows[n] = matrix.values + row * matrix.row_bytes;
    scales[n] = scale_row(matrix, row);
  }
  for (int64_t s = 0; s < panel.spans; ++s) {
    uint32_t codes[kPanelOutputs];
    const bool all = (s + 1) * kInt8Span <= matrix.inputs;
    for (int64_t n = 0; n < kPanelOutputs; ++n)
      codes[n] = span_scales(all, shape_of(matrix), matrix, scales[n], s);
    for (int64_t n = 0; n < kPanelOutputs; n += 4) {
      float four[16];
      const Floats widened = e8m0_of_four(codes[n], codes[n + 1], codes[n + 2], codes[n + 3]);
      __builtin_memcpy(four, &widened, sizeof four);
      for (int64_t j = 0; j < kSums; ++j)
        for (int64_t i = 0; i < 4; ++i) panel.scale(panel.block(j, s))[n + i] = four[4 * j + i];
    }
    for (int64_t line = 0; line < kTileLines; ++line)
      turn_span<Span>(matrix, rows + 16 * line, panel, s, line);
  }
}

// Adds the products of one block.
#if defined(__ARM_FEATURE_MATMUL_INT8)
template <typename Span, int64_t M>
inline void add_block(const Inputs<M>& x, const uint8_t* pieces, int64_t j, int64_t s,
                      Bytes (*whole)[kTileLines]) {
  constexpr int64_t kPairs = (M + 1) / 2;
  Squares sums[kPairs] = {};
  for (int64_t q = 0; q < kPieces; ++q) {
    const int64_t place = s * kInt8Span + piece_place<Span>(j, q);
    for (int64_t pair = 0; pair < kPairs; ++pair) {
      const int64_t first = 2 * pair, second = smaller(first + 1, M - 1);
      add_squares(sums[pair], pieces + q * 16 * kPieceBytes, x.values[first] + place,
                  x.values[second] + place);
    }
  }
  for (int64_t m = 0; m < M; ++m) whole[m][0] = add_ints(whole[m][0], row_of(sums[m / 2], m % 2));
}
#else
template <typename Span, int64_t M>
inline __attribute__((always_inline)) void add_block(const Inputs<M>& x, const uint8_t* pieces,
                                                     int64_t j, int64_t s,
                                                     Bytes (*whole)[kTileLines]) {
#pragma GCC unroll 8
  for (int64_t q = 0; q < kPieces; ++q) {
    Bytes weights[kTileLines];
    for (int64_t line = 0; line < kTileLines; ++line)
      weights[line] = load_line(pieces + (q * kTileLines + line) * 64);
    const int64_t place = s * kInt8Span + piece_place<Span>(j, q);
    for (int64_t m = 0; m < M; ++m) {
      const Bytes four = four_everywhere(x.values[m] + place);
      for (int64_t line = 0; line < kTileLines; ++line)
        whole[m][line] = add_products(whole[m][line], weights[line], four);
    }
  }
}
#endif

// M rows × the outputs of a panel.
template <typename Span, int64_t M>
__attribute__((noinline)) void panel_tile(const Int8Product& p, const Panel& panel,
                                          int64_t first_row, int64_t o) {
  const Inputs<M> x(p.x, first_row);
  alignas(64) Floats done[kSums][M][kTileLines];
  for (int64_t j = 0; j < kSums; ++j) {
    Floats sums[M][kTileLines];
    for (int64_t m = 0; m < M; ++m)
      for (int64_t line = 0; line < kTileLines; ++line) sums[m][line] = float_everywhere(0);
    for (int64_t s = 0; s < panel.spans; ++s) {
      const int64_t block = panel.block(j, s), at = 4 * s + j;
      Bytes whole[M][kTileLines];
      for (int64_t m = 0; m < M; ++m)
        for (int64_t line = 0; line < kTileLines; ++line)
          whole[m][line] = int_everywhere(x.corrections[m][at]);
      add_block<Span, M>(x, panel.piece(block, 0, 0), j, s, whole);
      Floats scales[kTileLines];
      __builtin_memcpy(scales, panel.scale(block), sizeof scales);
      for (int64_t m = 0; m < M; ++m) {
        const Floats x_scale = float_everywhere(x.scales[m][at]);
        for (int64_t line = 0; line < kTileLines; ++line)
          sums[m][line] =
              madd_floats(as_floats(whole[m][line]), scales[line] * x_scale, sums[m][line]);
      }
    }
    for (int64_t m = 0; m < M; ++m)
      for (int64_t line = 0; line < kTileLines; ++line) done[j][m][line] = sums[m][line];
  }
  for (int64_t m = 0; m < M; ++m) {
    float outputs[kPanelOutputs];
    for (int64_t line = 0; line < kTileLines; ++line) {
      const Floats sum =
          (done[0][m][line] + done[2][m][line]) + (done[1][m][line] + done[3][m][line]);
      __builtin_memcpy(outputs + 16 * line, &sum, sizeof sum);
    }
    write_outputs(p, first_row + m, o, smaller(kPanelOutputs, p.last - o), outputs);
  }
}

template <typename Span, int64_t M = kTileRows>
void panel_rows(const Int8Product& p, const Panel& panel, int64_t first_row, int64_t o,
                int64_t rows) {
  if (rows == M) return panel_tile<Span, M>(p, panel, first_row, o);
  if constexpr (M > 1) panel_rows<Span, M - 1>(p, panel, first_row, o, rows);
}

template <typename Span>
void panel_product(const Int8Product& p, uint8_t* scratch) {
  const int64_t spans = spans_of(p.matrix.inputs);
  const Panel panel{scratch, (float*)(scratch + spans * kInt8Span * kPanelOutputs), spans};
  for (int64_t o = p.first; o < p.last; o += kPanelOutputs) {
    make_panel<Span>(p, o, panel);
    // Weights of the next panel come while this one is met.
    const uint8_t* next = values_at(p, o + kPanelOutputs);
    const int64_t bytes = kPanelOutputs * p.matrix.row_bytes;
    int64_t fetched = 0;
    for (int64_t t = 0; t < p.rows; t += kTileRows) {
      for (const int64_t due = bytes * (t + kTileRows) / p.rows; fetched < smaller(due, bytes);
           fetched += 64)
        prefetch_line(next + fetched);
      panel_rows<Span>(p, panel, t, o, smaller(kTileRows, p.rows - t));
    }
  }
}

int64_t scratch_bytes(int64_t inputs) {
  return spans_of(inputs) * kPanelOutputs * (kInt8Span + kSums * (int64_t)sizeof(float));
}

template <typename Span>
void product_of(const Int8Product& p, uint8_t* scratch) {
  if (p.rows <= kMostDirectRows)
    direct_product<Span>(p);
  else
    panel_product<Span>(p, scratch);
}

void product(const Int8Product& p, uint8_t* scratch) {
  if (p.rows == 0 || p.first >= p.last) return;
  if (p.matrix.format == Format::fp4)
    product_of<Fp4Span>(p, scratch);
  else
    product_of<E4m3Span>(p, scratch);
}

// ---- activations --------------------------------------------------------------------------------

// 1/step and step: the least power of two for which the block's values stay at 127 or below.
struct Step {
  float inverse, step;
};
Step step_of(uint32_t largest) {
  constexpr uint32_t kInfinite = 0x7f800000u;
  constexpr float kLeast = 0x1p-100f;  // smaller blocks count in these: 1/step stays finite
  if (largest >= kInfinite) return {0.0f, __builtin_nanf("")};
  float size;
  __builtin_memcpy(&size, &largest, sizeof size);
  const float wanted = size * (1.0f / 127.0f);
  uint32_t bits;
  __builtin_memcpy(&bits, &wanted, sizeof bits);
  bits = ((bits >> 23) + ((bits & 0x7fffffu) != 0 ? 1u : 0u)) << 23;
  float step;
  __builtin_memcpy(&step, &bits, sizeof step);
  if (!(step >= kLeast)) step = kLeast;
  return {1.0f / step, step};
}

void round_row(const float* x, int64_t width, Format weights, int64_t row, const Int8Rows& out) {
  // What the bytes of weights stand for: doubled E2M1 values, quarters of E4M3 ones.
  const float unit = weights == Format::fp4 ? 0.5f : 4.0f;
  const int64_t blocks = out.stride / kInt8Block;
  int8_t* values = out.values + row * out.stride;
  for (int64_t b = 0; b < blocks; ++b) {
    float last[kInt8Block] = {};
    const float* block = x + b * kInt8Block;
    const int64_t left = width - b * kInt8Block;
    if (left < kInt8Block) {
      if (left > 0) __builtin_memcpy(last, block, (size_t)left * sizeof(float));
      block = last;
    }
    const Step step = step_of(largest_bits(block));
    int8_t whole[kInt8Block];
    int32_t sum = 0;
    if (step.inverse > 0) {
      sum = round_sixteen(block, step.inverse, whole);
      sum += round_sixteen(block + 16, step.inverse, whole + 16);
    } else {
      __builtin_memset(whole, 0, sizeof whole);
    }
    int8_t* span = values + b / 4 * kInt8Span;
    if (weights == Format::fp4)
      part_pairs(whole, span + 16 * (b % 4), span + 64 + 16 * (b % 4));
    else
      __builtin_memcpy(span + kInt8Block * (b % 4), whole, sizeof whole);
    out.scales[row * blocks + b] = step.step * unit;
    out.corrections[row * blocks + b] = -kMiddle * sum;
  }
}

}  // namespace

#define HADAL_TEXT_(name) #name
#define HADAL_TEXT(name) HADAL_TEXT_(name)

const Int8Table kInt8Table = {HADAL_TEXT(HADAL_CPU_ISA), product, scratch_bytes, round_row};

}  // namespace hadal::cpu::HADAL_CPU_ISA

#endif
