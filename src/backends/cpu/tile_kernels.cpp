// SPDX-License-Identifier: MIT
// The inner loops of tiles.h (see vec_tiles.h for what may be called here).
//
// One tile of columns (decode) reads each weight once: 32 outputs go side by side through their
// depth, 64 bytes of each at a time, unpacked into the first cache and multiplied from there.
//
// More columns (prefill) unpack 32 outputs over their whole depth into the second cache, and every
// two tiles of columns go through it: four sums, each factor is used twice.
// The room's own copy, which any machine must be able to run, is empty.
#if defined(__AMX_BF16__)

#include "backends/cpu/tiles.h"
#include "backends/cpu/vec_tiles.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

constexpr int64_t kStripOutputs = 16;  // rows of a tile
constexpr int64_t kStrips = 2;         // side by side
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kLine = 64;
constexpr int64_t kScaleBlock = 32;

constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
constexpr int64_t larger_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}
constexpr int64_t parts(int64_t whole, int64_t part) {
  return (whole + part - 1) / part;
}

// ---- how a line of a row of weights becomes rows of tiles

struct Fp4Line {
  static constexpr int64_t kInputs = 128, kTiles = 4, kScales = 4;
  static constexpr int16_t kLeastScale = 2, kMostScale = kLargestFp4Scale;

  static int64_t bytes(int64_t inputs) { return (inputs + 1) / 2; }
  static Words exponents(Words codes) { return fp4_exponents(codes); }
  static inline __attribute__((always_inline)) void unpack(Words codes, const uint16_t* scales,
                                                           Words* out) {
    fp4_words(codes, scales, out);
  }
  // Where input i lies among those of its line.
  static int64_t place(int64_t i) { return i % 4 * kTileInputs + i / 4; }
  static float value(const uint8_t* row, int64_t i) {
    constexpr float kValues[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    const int code = row[i / 2] >> (i % 2 * 4) & 15;
    return code < 8 ? kValues[code] : -kValues[code - 8];
  }
};

struct E4m3Line {
  static constexpr int64_t kInputs = 64, kTiles = 2, kScales = 2;
  static constexpr int16_t kLeastScale = 10, kMostScale = 246;

  static int64_t bytes(int64_t inputs) { return inputs; }
  static Words exponents(Words codes) { return e4m3_exponents(codes); }
  static inline __attribute__((always_inline)) void unpack(Words codes, const uint16_t* scales,
                                                           Words* out) {
    e4m3_words(codes, words_of_halves(scales), out);
  }
  static int64_t place(int64_t i) { return i % 2 * kTileInputs + i / 2; }
  static float value(const uint8_t* row, int64_t i) {
    const int magnitude = row[i] & 0x7f, exponent = magnitude >> 3, mantissa = magnitude & 7;
    if (magnitude == 0x7f) return __builtin_nanf("");
    const float size = exponent == 0 ? (float)mantissa * 0x1p-9f
                                     : (float)(mantissa + 8) * 0x1p-10f * (float)(1 << exponent);
    return row[i] < 128 ? size : -size;
  }
};

// Blocks of 64 columns or more: one scale for the line.
struct CoarseE4m3Line : E4m3Line {
  static inline __attribute__((always_inline)) void unpack(Words codes, const uint16_t* scales,
                                                           Words* out) {
    e4m3_words(codes, words_everywhere(scales), out);
  }
};

struct Bf16Line {
  static constexpr int64_t kInputs = 32, kTiles = 1, kScales = 0;

  static int64_t bytes(int64_t inputs) { return 2 * inputs; }
  static inline __attribute__((always_inline)) void unpack(Words values, const uint16_t*,
                                                           Words* out) {
    out[0] = values;
  }
};

// ---- strips: 16 outputs of a matrix

struct Strip {
  const uint8_t* values[kStripOutputs];
  const uint16_t* scales[kStripOutputs];  // a word for each 32 inputs
  int64_t outputs = 0;                    // the others repeat the last
  uint32_t lone = 0;                      // outputs with a scale that BF16 does not hold

  uint32_t joint() const { return ((1u << outputs) - 1) & ~lone; }
};

inline const uint8_t* scale_row(const Matrix& matrix, int64_t row) {
  return matrix.scales + row / matrix.block_rows * matrix.scale_columns;
}
int64_t scale_words(int64_t inputs) {
  return parts(inputs, 32 * kScaleBlock) * 32;  // whole registers
}

// False: a scale is beyond what BF16 holds.
template <typename Line>
bool read_scales(const Matrix& matrix, const uint8_t* codes, uint16_t* out) {
  const int64_t blocks = parts(matrix.inputs, kScaleBlock);
  bool fit = true;
  for (int64_t b = 0; b < blocks; b += 32) {
    uint8_t repeated[32];
    for (int64_t i = 0; matrix.block_shift > 5 && i < 32; ++i)
      repeated[i] = codes[smaller(b + i, blocks - 1) >> (matrix.block_shift - 5)];
    const Words words =
        matrix.block_shift > 5 ? scale_codes(repeated, 32) : scale_codes(codes + b, blocks - b);
    fit &= all_between(words, Line::kLeastScale, Line::kMostScale);
    store_line(out + b, Line::exponents(words));
  }
  return fit;
}

template <typename Line>
Strip strip_at(const TileProduct& p, int64_t o, uint16_t* scales) {
  Strip strip;
  strip.outputs = larger_of(smaller(kStripOutputs, p.last - o), 1);
  bool fit = true;
  for (int64_t n = 0; n < kStripOutputs; ++n) {
    const int64_t row = smaller(o + n, p.last - 1);
    strip.values[n] = p.matrix.values + row * p.matrix.row_bytes;
    if constexpr (Line::kScales > 0) {
      const bool same = n > 0 && scale_row(p.matrix, row) == scale_row(p.matrix, row - 1);
      if (n == 0 || (!same && row == o + n)) {
        strip.scales[n] = scales + n * scale_words(p.matrix.inputs);
        fit = read_scales<Line>(p.matrix, scale_row(p.matrix, row),
                                scales + n * scale_words(p.matrix.inputs));
      } else {
        strip.scales[n] = strip.scales[n - 1];
      }
      if (!fit) strip.lone |= 1u << n;
    }
  }
  return strip;
}

// Line s of 16 outputs as rows of tiles.
template <typename Line>
inline __attribute__((always_inline)) void unpack_line(const Strip& strip, int64_t s,
                                                       int64_t row_bytes, const uint8_t* next,
                                                       uint8_t* tiles) {
  const int64_t left = row_bytes - s * kLine;
#pragma GCC unroll 4
  for (int64_t n = 0; n < kStripOutputs; ++n) {
    prefetch_far(next + n * kLine);
    const uint8_t* line = strip.values[n] + s * kLine;
    Words out[Line::kTiles];
    Line::unpack(left >= kLine ? load_line(line) : load_line_part(line, left),
                 Line::kScales > 0 ? strip.scales[n] + s * Line::kScales : nullptr, out);
    for (int64_t j = 0; j < Line::kTiles; ++j)
      store_line(tiles + j * kTileBytes + n * kLine, out[j]);
  }
}

// ---- columns

TileShapes shapes_of(int64_t columns, int64_t other_columns) {
  TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) {
    shapes.rows[tile] = kStripOutputs;
    const bool weights = tile == 4 || tile == 5, other = tile % 2 == 1;
    shapes.row_bytes[tile] = (uint16_t)(weights ? kLine : 4 * (other ? other_columns : columns));
  }
  return shapes;
}

// A tile of rows of x.
struct Columns {
  const uint8_t* values;
  int64_t first_row;  // of the group
  int64_t count, planes;

  Columns(const TileRows& x, int64_t tile)
      : values((const uint8_t*)(x.values + tile * x.rows_of_tile() * x.planes * x.stride)),
        first_row(tile * x.rows_of_tile()),
        count(smaller(x.rows_of_tile(), x.rows - first_row) * x.planes),
        planes(x.planes) {}
  int64_t pair_bytes() const { return 4 * count; }
  const uint8_t* tile(int64_t i) const { return values + i * kStripOutputs * pair_bytes(); }
};

// Outputs o … of the rows of one tile that are asked for.
void write_outputs(const TileProduct& p, const Columns& x, int64_t o, uint32_t lanes,
                   const float* sums) {
  Words columns[kTileColumns];
  if (x.count == 1) {
    columns[0] = load_line(sums);
  } else {
    for (int64_t n = 0; n < kStripOutputs; ++n) columns[n] = load_line(sums + n * kTileColumns);
    turn_pieces(columns);
  }
  const int64_t begin = larger_of(p.first_row, x.first_row);
  const int64_t end = smaller(p.first_row + p.rows, x.first_row + x.count / x.planes);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t column = (row - x.first_row) * x.planes;
    Floats sum = float_everywhere(0);  // so that -0 is 0 with one plane and with three
    for (int64_t plane = 0; plane < x.planes; ++plane)
      sum = add_floats(sum, floats_of_words(columns[column + plane]));
    float* out = p.out.row(row - p.first_row) + (o - p.first);
    if (p.add) sum = add_floats(load_lanes(out, lanes), sum);
    store_floats(out, sum, lanes);
  }
}

// Sums leave the unit by way of memory; a single column lies there as one row.
template <int tile>
inline void finish_tile(const TileProduct& p, const Columns& x, int64_t o, uint32_t lanes,
                        float* sums) {
  store_tile<tile>(sums, x.count == 1 ? 4 : kLine);
  write_outputs(p, x, o, lanes, sums);
}

// ---- outputs whose scales BF16 does not hold, one weight after the other

float e8m0(uint8_t code) {
  const uint32_t bits = code == 0 ? 0x00400000u : code == 0xff ? 0x7fc00000u : (uint32_t)code << 23;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
float activation(const Columns& x, int64_t column, int64_t place) {
  float sum = 0;
  for (int64_t plane = 0; plane < x.planes; ++plane) {
    const int64_t pair = place / 2;
    const uint32_t bits =
        (uint32_t)((const uint16_t*)x.values)[2 * (pair * x.count + column + plane) + place % 2]
        << 16;
    float part;
    __builtin_memcpy(&part, &bits, sizeof part);
    sum += part;
  }
  return sum;
}
template <typename Line>
void write_lone_outputs(const TileProduct& p, const Strip& strip, int64_t o) {
  for (int64_t n = 0; n < strip.outputs; ++n) {
    if ((strip.lone >> n & 1) == 0) continue;
    const uint8_t* codes = scale_row(p.matrix, o + n);
    for (int64_t t = 0; t < p.rows; ++t) {
      const int64_t row = p.first_row + t;
      const Columns x(p.x, row / p.x.rows_of_tile());
      float sum = 0;
      for (int64_t i = 0; i < p.matrix.inputs; ++i)
        sum += Line::value(strip.values[n], i) * e8m0(codes[i >> p.matrix.block_shift]) *
               activation(x, (row - x.first_row) * x.planes,
                          i / Line::kInputs * Line::kInputs + Line::place(i % Line::kInputs));
      float* out = p.out.row(t) + (o + n - p.first);
      *out = p.add ? *out + sum : sum;
    }
  }
}

// ---- scratch

struct Scratch {
  uint8_t* tiles;    // of two strips
  float* sums;       // a tile
  uint16_t* scales;  // of two strips

  static constexpr int64_t kStreamTiles = 2 * kStrips * Fp4Line::kTiles;
  static int64_t tile_count(int64_t inputs) {
    return larger_of(kStreamTiles, kStrips * Fp4Line::kTiles * parts(inputs, Fp4Line::kInputs));
  }
  Scratch(uint8_t* memory, int64_t inputs)
      : tiles(memory),
        sums((float*)(memory + tile_count(inputs) * kTileBytes)),
        scales((uint16_t*)(sums + kStripOutputs * kTileColumns)) {}
};

int64_t scratch_bytes(int64_t inputs) {
  return (Scratch::tile_count(inputs) + 1) * kTileBytes +
         kStrips * kStripOutputs * scale_words(inputs) * (int64_t)sizeof(uint16_t);
}

constexpr int64_t kPairOutputs = kStrips * kStripOutputs;

// The two strips at o; the second one may repeat the last output, and then nobody writes it.
template <typename Line>
struct Pair {
  Strip strips[kStrips];
  const uint8_t* next;  // what is read after them, or these again where nobody knows

  Pair(const TileProduct& p, int64_t o, uint16_t* scales)
      : strips{strip_at<Line>(p, o, scales),
               strip_at<Line>(p, o + kStripOutputs,
                              scales + kStripOutputs * scale_words(p.matrix.inputs))} {
    const int64_t after = o + kPairOutputs;
    const bool ends = after >= p.last;
    next = !ends                      ? p.matrix.values + after * p.matrix.row_bytes
           : p.next.values != nullptr ? p.next.values
                                      : strips[0].values[0];
    const uint8_t* scale = ends ? p.next.scales : scale_row(p.matrix, after);
    if (Line::kScales == 0 || scale == nullptr) return;
    const int64_t bytes = parts(kPairOutputs, p.matrix.block_rows) * p.matrix.scale_columns;
    for (int64_t at = 0; at < bytes; at += kLine) prefetch_far(scale + at);
  }

  // Line s of both, as tiles one after the other.
  void unpack(int64_t s, int64_t row_bytes, uint8_t* first, uint8_t* second) const {
    const uint8_t* ahead = next + s * kPairOutputs * kLine;
    unpack_line<Line>(strips[0], s, row_bytes, ahead, first);
    unpack_line<Line>(strips[1], s, row_bytes, ahead + kStripOutputs * kLine, second);
  }
};

// ---- one tile of columns ------------------------------------------------------------------------

// Tiles 0 and 1 are the sums, 4 and 5 the weights, 6 the activations.
template <typename Line>
inline __attribute__((always_inline)) void add_line(const Columns& x, int64_t s,
                                                    const uint8_t* first, const uint8_t* second,
                                                    int64_t row_step) {
#pragma GCC unroll 4
  for (int64_t j = 0; j < Line::kTiles; ++j) {
    load_tile<6>(x.tile(s * Line::kTiles + j), x.pair_bytes());
    load_tile<4>(first + j * kTileBytes, row_step);
    add_tile_products<0, 4, 6>();
    load_tile<5>(second + j * kTileBytes, row_step);
    add_tile_products<1, 5, 6>();
  }
}

template <typename Line>
void one_tile_product(const TileProduct& p, const Columns& x, const Scratch& scratch) {
  const int64_t lines = parts(p.matrix.inputs, Line::kInputs);
  const int64_t row_bytes = Line::bytes(p.matrix.inputs);
  use_shapes(shapes_of(x.count, x.count));
  for (int64_t o = p.first; o < p.last; o += kPairOutputs) {
    const Pair<Line> pair(p, o, scratch.scales);
    clear_tile<0>();
    clear_tile<1>();
    int64_t s = 0;
    // Plain BF16 is multiplied from where it lies.
    if (Line::kScales == 0 && p.last - o >= kPairOutputs)
      for (; s < row_bytes / kLine; ++s) {
        const uint8_t* ahead = pair.next + s * kPairOutputs * kLine;
        for (int64_t n = 0; n < kPairOutputs; ++n) prefetch_far(ahead + n * kLine);
        add_line<Line>(x, s, pair.strips[0].values[0] + s * kLine,
                       pair.strips[1].values[0] + s * kLine, p.matrix.row_bytes);
      }
    // Line s is unpacked while the unit is at the one before.
    constexpr int64_t kStripBytes = Line::kTiles * kTileBytes;
    const auto place = [&](int64_t line) {
      return scratch.tiles + line % 2 * kStrips * kStripBytes;
    };
    const int64_t from = s;
    for (; s < lines; ++s) {
      pair.unpack(s, row_bytes, place(s), place(s) + kStripBytes);
      if (s > from) add_line<Line>(x, s - 1, place(s - 1), place(s - 1) + kStripBytes, kLine);
    }
    if (lines > from)
      add_line<Line>(x, lines - 1, place(lines - 1), place(lines - 1) + kStripBytes, kLine);
    finish_tile<0>(p, x, o, pair.strips[0].joint(), scratch.sums);
    if (o + kStripOutputs < p.last)
      finish_tile<1>(p, x, o + kStripOutputs, pair.strips[1].joint(), scratch.sums);
    if constexpr (Line::kScales > 0) {
      write_lone_outputs<Line>(p, pair.strips[0], o);
      if (o + kStripOutputs < p.last)
        write_lone_outputs<Line>(p, pair.strips[1], o + kStripOutputs);
    }
  }
}

// ---- many tiles of columns ----------------------------------------------------------------------

// Tiles 0 … 3 are the sums of strip a and columns b at 2a + b, 4 and 5 the weights, 6 and 7 the
// activations.
template <bool two>
void panel_block(const TileProduct& p, const Strip* strips, int64_t o, const uint8_t* panel,
                 int64_t tiles, const Columns& x, const Columns& other, float* sums) {
  clear_tile<0>();
  clear_tile<2>();
  if (two) {
    clear_tile<1>();
    clear_tile<3>();
  }
  for (int64_t i = 0; i < tiles; ++i) {
    load_tile<4>(panel + i * kTileBytes, kLine);
    load_tile<6>(x.tile(i), x.pair_bytes());
    add_tile_products<0, 4, 6>();
    if (two) {
      load_tile<7>(other.tile(i), other.pair_bytes());
      add_tile_products<1, 4, 7>();
    }
    load_tile<5>(panel + (tiles + i) * kTileBytes, kLine);
    add_tile_products<2, 5, 6>();
    if (two) add_tile_products<3, 5, 7>();
  }
  const bool below = o + kStripOutputs < p.last;
  finish_tile<0>(p, x, o, strips[0].joint(), sums);
  if (below) finish_tile<2>(p, x, o + kStripOutputs, strips[1].joint(), sums);
  if (!two) return;
  finish_tile<1>(p, other, o, strips[0].joint(), sums);
  if (below) finish_tile<3>(p, other, o + kStripOutputs, strips[1].joint(), sums);
}

template <typename Line>
void panel_product(const TileProduct& p, int64_t first_tile, int64_t last_tile,
                   const Scratch& scratch) {
  const int64_t lines = parts(p.matrix.inputs, Line::kInputs), tiles = lines * Line::kTiles;
  int64_t columns = 0, other_columns = 0;  // that the unit knows of
  for (int64_t o = p.first; o < p.last; o += kPairOutputs) {
    const Pair<Line> pair(p, o, scratch.scales);
    for (int64_t s = 0; s < lines; ++s) {
      uint8_t* line = scratch.tiles + s * Line::kTiles * kTileBytes;
      pair.unpack(s, Line::bytes(p.matrix.inputs), line, line + tiles * kTileBytes);
    }
    for (int64_t tile = first_tile; tile <= last_tile; tile += 2) {
      const bool two = tile < last_tile;
      const Columns x(p.x, tile), other(p.x, two ? tile + 1 : tile);
      if (x.count != columns || other.count != other_columns) {
        columns = x.count;
        other_columns = other.count;
        use_shapes(shapes_of(columns, other_columns));
      }
      if (two)
        panel_block<true>(p, pair.strips, o, scratch.tiles, tiles, x, other, scratch.sums);
      else
        panel_block<false>(p, pair.strips, o, scratch.tiles, tiles, x, other, scratch.sums);
    }
    if constexpr (Line::kScales > 0) {
      write_lone_outputs<Line>(p, pair.strips[0], o);
      if (o + kStripOutputs < p.last)
        write_lone_outputs<Line>(p, pair.strips[1], o + kStripOutputs);
    }
  }
}

template <typename Line>
void product_of(const TileProduct& p, const Scratch& scratch) {
  const int64_t first_tile = p.first_row / p.x.rows_of_tile();
  const int64_t last_tile = (p.first_row + p.rows - 1) / p.x.rows_of_tile();
  if (first_tile == last_tile)
    one_tile_product<Line>(p, Columns(p.x, first_tile), scratch);
  else
    panel_product<Line>(p, first_tile, last_tile, scratch);
  release_tiles();
}

void product(const TileProduct& p, uint8_t* memory) {
  if (p.rows == 0 || p.first >= p.last) return;
  const Scratch scratch(memory, p.matrix.inputs);
  if (p.matrix.format == Format::bf16)
    product_of<Bf16Line>(p, scratch);
  else if (p.matrix.format == Format::fp4)
    product_of<Fp4Line>(p, scratch);
  else if (p.matrix.block_shift >= 6)
    product_of<CoarseE4m3Line>(p, scratch);
  else
    product_of<E4m3Line>(p, scratch);
}

// ---- activations --------------------------------------------------------------------------------

int64_t line_inputs(Format weights) {
  if (weights == Format::fp4) return Fp4Line::kInputs;
  return weights == Format::e4m3 ? E4m3Line::kInputs : Bf16Line::kInputs;
}
int64_t tile_inputs(Format weights, int64_t inputs) {
  return parts(inputs, line_inputs(weights)) * line_inputs(weights);
}

bool split_row(const float* x, int64_t width, Format weights, int64_t planes, int64_t stride,
               uint16_t* out) {
  const int64_t line = line_inputs(weights);
  Floats rest = float_everywhere(0);
  for (int64_t begin = 0; begin < stride; begin += line) {
    Words natural[3][4];
    for (int64_t i = 0; i < line; i += 32) {
      Floats part[2];
      for (int64_t half = 0; half < 2; ++half) {
        const int64_t at = begin + i + 16 * half, left = width - at;
        part[half] = left >= 16 ? load_floats(x + at)
                     : left > 0 ? load_lanes(x + at, (1u << left) - 1)
                                : float_everywhere(0);
      }
      for (int64_t plane = 0; plane < planes; ++plane) {
        const Floats upper[2] = {upper_part(part[0]), upper_part(part[1])};
        natural[plane][i / 32] = join_upper_parts(upper[0], upper[1]);
        for (int64_t half = 0; half < 2; ++half) part[half] = lower_part(part[half], upper[half]);
      }
      rest = either_part(rest, either_part(part[0], part[1]));
    }
    for (int64_t plane = 0; plane < planes; ++plane) {
      Words ordered[4] = {natural[plane][0], {}, {}, {}};
      if (weights == Format::fp4) part_words_by_four(natural[plane], ordered);
      if (weights == Format::e4m3) part_words(natural[plane], ordered);
      for (int64_t i = 0; i < line; i += 32)
        store_line(out + plane * stride + begin + i, ordered[i / 32]);
    }
  }
  return !any_part(rest);
}

void join_columns(const uint16_t* const* columns, int64_t count, int64_t inputs, uint16_t* out) {
  if (count == 1) {
    __builtin_memcpy(out, columns[0], (size_t)inputs * sizeof(uint16_t));
    return;
  }
  Words pieces[kTileColumns];
  for (int64_t begin = 0; begin < inputs; begin += kTileInputs) {
    for (int64_t c = 0; c < kTileColumns; ++c)
      pieces[c] = c < count ? load_line(columns[c] + begin) : words_of_zero();
    turn_pieces(pieces);
    for (int64_t pair = 0; pair < kTileInputs / 2; ++pair)
      store_words(out + (begin + 2 * pair) * count, pieces[pair], count);
  }
}

}  // namespace

const TileTable kTileTable = {product, scratch_bytes, tile_inputs, split_row, join_columns};

}  // namespace hadal::cpu::HADAL_CPU_ISA

#endif
