// SPDX-License-Identifier: MIT
// The inner loops, compiled once per instruction set (see vec.h for what may be called here).
//
// Every dot product is summed the same way, whatever the shape of the call: lane i of one
// register adds up the terms i, i + lanes, i + 2·lanes, …; then the lanes are folded by one tree.
// A tile of rows × outputs is many such sums side by side, never another order.  So a row gives
// the same bits alone and among others, decoded on the fly or from a panel.
//
// Few rows (decode) read each weight once and decode it in registers.  Many rows (prefill) decode
// a panel of outputs × depth into the second-level cache and meet it in tiles; partial sums wait
// as whole registers between panels, which costs no rounding.
#include "backends/cpu/kernels.h"

#include "backends/cpu/vec.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

constexpr int64_t kTileOutputs = 4;

constexpr int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}
constexpr int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

// ---- rows of a matrix, decoded kWidth elements at a time ----------------------------------------

struct RowF32 {
  static constexpr int64_t kWidth = kLanes, kVectors = 1, kBytes = 4 * kLanes;
  const float* values;

  RowF32() = default;
  RowF32(const uint8_t* row, const float*, int64_t) : values((const float*)row) {}
  void decode(int64_t k, Vec* out) const { out[0] = load(values + k); }
  void decode_part(int64_t k, int64_t n, Vec* out) const { out[0] = load_part(values + k, n); }
};

template <Vec (*widen)(const uint16_t*)>
struct RowHalf {
  static constexpr int64_t kWidth = kLanes, kVectors = 1, kBytes = 2 * kLanes;
  const uint16_t* values;

  RowHalf() = default;
  RowHalf(const uint8_t* row, const float*, int64_t) : values((const uint16_t*)row) {}
  void decode(int64_t k, Vec* out) const { out[0] = widen(values + k); }
  void decode_part(int64_t k, int64_t n, Vec* out) const {
    uint16_t part[kLanes] = {};
    __builtin_memcpy(part, values + k, (size_t)n * sizeof(uint16_t));
    out[0] = widen(part);
  }
};
using RowBf16 = RowHalf<widen_bf16>;
using RowF16 = RowHalf<widen_f16>;

struct RowE4m3 {
  static constexpr int64_t kWidth = kLanes, kVectors = 1, kBytes = kLanes;
  const uint8_t* values;
  const float* scales;
  int64_t block_shift;

  RowE4m3() = default;
  RowE4m3(const uint8_t* row, const float* row_scales, int64_t shift)
      : values(row), scales(row_scales), block_shift(shift) {}
  void decode(int64_t k, Vec* out) const {
    out[0] = widen_e4m3(values + k) * broadcast(scales[k >> block_shift]);
  }
  void decode_part(int64_t k, int64_t n, Vec* out) const {
    uint8_t part[kLanes] = {};
    __builtin_memcpy(part, values + k, (size_t)n);
    out[0] = widen_e4m3(part) * broadcast(scales[k >> block_shift]);
  }
};

struct RowFp4 {
  static constexpr int64_t kWidth = kFp4Block, kVectors = kFp4Vectors, kBytes = kFp4Block / 2;
  const uint8_t* values;
  const float* scales;

  RowFp4() = default;
  RowFp4(const uint8_t* row, const float* row_scales, int64_t) : values(row), scales(row_scales) {}
  void decode(int64_t k, Vec* out) const { widen_fp4(values + k / 2, scales[k / kFp4Block], out); }
  void decode_part(int64_t k, int64_t n, Vec* out) const {
    uint8_t part[kFp4Block / 2] = {};
    __builtin_memcpy(part, values + k / 2, (size_t)(n / 2));
    widen_fp4(part, scales[k / kFp4Block], out);
  }
};

// The scales of a row as floats, kept for each place of a tile while the row of scales is the same.
class TileScales {
 public:
  TileScales(const Matrix& matrix, float* scratch)
      : matrix_(matrix), scratch_(scratch), stride_(stride(matrix.inputs)) {}

  // One scale for 16 inputs at the most; a whole register is stored at the end.
  static constexpr int64_t stride(int64_t inputs) { return inputs / 16 + 2 * kLanes; }

  const float* of_row(int64_t row, int64_t place) {
    if (matrix_.scales == nullptr) return nullptr;
    float* out = scratch_ + place * stride_;
    const int64_t scale_row = row / matrix_.block_rows;
    if (scale_row != held_[place]) widen(scale_row, out);
    held_[place] = scale_row;
    return out;
  }

 private:
  void widen(int64_t scale_row, float* out) const {
    const float factor = matrix_.format == Format::e4m3 ? kE4m3ScaleFactor : 1.0f;
    const int64_t count = matrix_.scale_columns;
    if (matrix_.scales_are_floats) {
      const float* in = (const float*)matrix_.scales + scale_row * count;
      for (int64_t i = 0; i < count; ++i) out[i] = in[i] * factor;
      return;
    }
    const uint8_t* in = matrix_.scales + scale_row * count;
    int64_t i = 0;
    for (; i + 16 <= count; i += kLanes) store(out + i, widen_e8m0(in + i) * factor);
    for (; i < count; i += kLanes) {
      uint8_t part[16] = {};
      __builtin_memcpy(part, in + i, (size_t)smaller(kLanes, count - i));
      store(out + i, widen_e8m0(part) * factor);
    }
  }

  const Matrix& matrix_;
  float* scratch_;
  int64_t stride_;
  int64_t held_[kTileOutputs] = {-1, -1, -1, -1};
};

// ---- tiles ------------------------------------------------------------------------------------

// Accumulators of M rows × 4 outputs lie side by side: sums[(m·4 + n)·lanes ..].
template <int64_t M>
constexpr int64_t kTileFloats = M* kTileOutputs* kLanes;

// The last, unfinished step of a tile.
template <typename Row, int64_t M>
__attribute__((noinline)) void accumulate_part(const float* const* x, const Row* w, int64_t k,
                                               int64_t end, float* sums) {
  for (int64_t n = 0; n < kTileOutputs; ++n) {
    Vec weights[Row::kVectors];
    w[n].decode_part(k, end - k, weights);
    for (int64_t v = 0; v < Row::kVectors; ++v)
      for (int64_t m = 0; m < M; ++m) {
        // Packed rows are filled up with zeros; plain ones end here.
        const Vec row =
            Row::kVectors > 1 ? load(x[m] + k + v * kLanes) : load_part(x[m] + k, end - k);
        float* sum = sums + (m * kTileOutputs + n) * kLanes;
        store(sum, madd(row, weights[v], load(sum)));
      }
  }
}

// sums[m][n] = start[m][n] + x[m] · w[n] over [begin, end); without a start from zero.  `begin` is
// a multiple of Row::kWidth.  `next`, if given, is fetched from there on, as many bytes as are
// read: four rows are four short streams, which the machine does not see as the one they are.
template <typename Row, int64_t M>
inline __attribute__((always_inline)) void accumulate(const float* const* x, const Row* w,
                                                      int64_t begin, int64_t end,
                                                      const float* start, float* sums,
                                                      const uint8_t* next = nullptr) {
  Vec held[M][kTileOutputs];
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = 0; n < kTileOutputs; ++n)
      held[m][n] = start == nullptr ? Vec{} : load(start + (m * kTileOutputs + n) * kLanes);
  int64_t k = begin;
  for (; k + Row::kWidth <= end; k += Row::kWidth) {
    if (next != nullptr) {
      for (int64_t byte = 0; byte < kTileOutputs * Row::kBytes; byte += 64) fetch(next + byte);
      next += kTileOutputs * Row::kBytes;
    }
    Vec weights[kTileOutputs][Row::kVectors];
    for (int64_t n = 0; n < kTileOutputs; ++n) w[n].decode(k, weights[n]);
    for (int64_t v = 0; v < Row::kVectors; ++v)
      for (int64_t m = 0; m < M; ++m) {
        const Vec row = load(x[m] + k + v * kLanes);
        for (int64_t n = 0; n < kTileOutputs; ++n)
          held[m][n] = madd(row, weights[n][v], held[m][n]);
      }
  }
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = 0; n < kTileOutputs; ++n)
      store(sums + (m * kTileOutputs + n) * kLanes, held[m][n]);
  if (k < end) accumulate_part<Row, M>(x, w, k, end, sums);
}

// out[m·4 + n] = the lanes of sums[m][n] together.
template <int64_t M>
inline void fold_tile(const float* sums, float* out) {
  constexpr int64_t kRow = kTileOutputs * kLanes;
#if defined(__AVX512F__)
  if constexpr (M == 4) {
    store(out, sum_lanes_of_tile(sums));
    return;
  }
#endif
  for (int64_t m = 0; m < M; ++m)
    store_quad(out + m * kTileOutputs, sum_lanes_of_four(sums + m * kRow));
}

// out[m·4 + n] = x[m] · w[n], complete.
template <typename Row, int64_t M>
inline __attribute__((always_inline)) void multiply_tile(const float* const* x, const Row* w,
                                                         int64_t depth, float* out,
                                                         const uint8_t* next = nullptr) {
  alignas(64) float sums[kTileFloats<M>];
  accumulate<Row, M>(x, w, 0, depth, nullptr, sums, next);
  fold_tile<M>(sums, out);
}

// Writes `count` outputs of row t, beginning at output o.
inline void write_outputs(const Product& p, int64_t t, int64_t o, int64_t count,
                          const float* values) {
  float* out = p.out.row(t) + (o - p.first);
  if (p.add)
    for (int64_t n = 0; n < count; ++n) out[n] += values[n];
  else
    for (int64_t n = 0; n < count; ++n) out[n] = values[n];
}

// Its own function for each number of rows: together they would compete for registers.
template <int64_t M, typename Work>
__attribute__((noinline)) void run_rows(const Work& work) {
  work.template run<M>();
}

// Calls work.template run<m>() for a number of rows that is known only at run time.
template <int64_t M, typename Work>
inline void with_rows(int64_t m, const Work& work) {
  if (m == M) {
    run_rows<M>(work);
  } else if constexpr (M > 1) {
    with_rows<M - 1>(m, work);
  }
}

// ---- products: few rows -------------------------------------------------------------------------

template <typename Row>
struct DirectProduct {
  const Product& p;
  float* scratch;

  template <int64_t M>
  void run() const {
    const float* x[M];
    for (int64_t m = 0; m < M; ++m) x[m] = p.x.row(m);
    TileScales scales(p.matrix, scratch);
    for (int64_t o = p.first; o < p.last; o += kTileOutputs) {
      Row w[kTileOutputs];
      for (int64_t n = 0; n < kTileOutputs; ++n) {
        const int64_t row = smaller(o + n, p.last - 1);
        w[n] = Row(p.matrix.values + row * p.matrix.row_bytes, scales.of_row(row, n),
                   p.matrix.block_shift);
      }
      float outputs[M * kTileOutputs];
      multiply_tile<Row, M>(x, w, p.matrix.inputs, outputs,
                            p.matrix.values + (o + kTileOutputs) * p.matrix.row_bytes);
      for (int64_t m = 0; m < M; ++m)
        write_outputs(p, m, o, smaller(kTileOutputs, p.last - o), outputs + m * kTileOutputs);
    }
  }
};

// ---- products: many rows ------------------------------------------------------------------------

constexpr int64_t kPanelRows = 32;    // outputs of a panel
constexpr int64_t kPanelDepth = 512;  // inputs of a panel: 64 KiB of the second-level cache
// Rows of x that meet a panel; their waiting sums take 256 KiB.
constexpr int64_t kRowBlock = 128 / kTileRows * kTileRows;
constexpr int64_t kSumFloats = kRowBlock * kPanelRows * kLanes;
// Not a power of two, so that rows of a panel do not fall into the same cache sets.
constexpr int64_t kPanelStride = kPanelDepth + 16;

// Inputs [begin, end) of a row, and zeros up to a whole step.
template <typename Row>
void decode_row(const Row& row, int64_t begin, int64_t end, float* out) {
  int64_t k = begin;
  Vec values[Row::kVectors];
  for (; k + Row::kWidth <= end; k += Row::kWidth) {
    row.decode(k, values);
    for (int64_t v = 0; v < Row::kVectors; ++v) store(out + k - begin + v * kLanes, values[v]);
  }
  if (k == end) return;
  row.decode_part(k, end - k, values);
  for (int64_t v = 0; v < Row::kVectors; ++v) store(out + k - begin + v * kLanes, values[v]);
}

// One block of rows × one panel: 32 outputs over [begin, end) of the inputs.
struct PanelBlock {
  const Product& p;
  const float* panel;
  float* waiting;  // sums between panels of the same outputs
  int64_t first_row, rows;
  int64_t first_output, outputs;
  int64_t begin, end, depth;

  // One tile.
  struct Step {
    const PanelBlock& block;
    int64_t row, output;

    template <int64_t M>
    void run() const {
      const PanelBlock& b = block;
      // Columns of x are counted from the panel's begin, as those of the panel are.
      const float* x[M];
      for (int64_t m = 0; m < M; ++m) x[m] = b.p.x.row(b.first_row + row + m) + b.begin;
      RowF32 w[kTileOutputs];
      for (int64_t n = 0; n < kTileOutputs; ++n)
        w[n].values = b.panel + smaller(output + n, b.outputs - 1) * kPanelStride;
      float* sums = b.waiting + (row * kPanelRows + output * M) * kLanes;
      accumulate<RowF32, M>(x, w, 0, b.end - b.begin, b.begin > 0 ? sums : nullptr, sums);
      if (b.end < b.depth) return;
      float done[M * kTileOutputs];
      fold_tile<M>(sums, done);
      for (int64_t m = 0; m < M; ++m)
        write_outputs(b.p, b.first_row + row + m, b.first_output + output,
                      smaller(kTileOutputs, b.outputs - output), done + m * kTileOutputs);
    }
  };

  void run() const {
    for (int64_t row = 0; row < rows; row += kTileRows)
      for (int64_t output = 0; output < outputs; output += kTileOutputs)
        with_rows<kTileRows>(smaller(kTileRows, rows - row), Step{*this, row, output});
  }
};

// The scales of a panel's rows are widened once, for all of its depth.
template <typename Row>
void panel_product(const Product& p, float* scratch) {
  const Matrix& matrix = p.matrix;
  float* waiting = scratch;
  float* panel = waiting + kSumFloats;
  float* scales = panel + kPanelRows * kPanelStride;
  const int64_t scale_stride = TileScales::stride(matrix.inputs);
  // Packed rows are whole blocks; zeros meet zeros at their end.
  const int64_t depth = Row::kVectors > 1 ? round_up(matrix.inputs, kFp4Block) : matrix.inputs;
  for (int64_t t = 0; t < p.rows; t += kRowBlock)
    for (int64_t o = p.first; o < p.last; o += kPanelRows) {
      const int64_t outputs = smaller(kPanelRows, p.last - o);
      Row rows[kPanelRows];
      for (int64_t n = 0; n < outputs; ++n) {
        TileScales widened(matrix, scales + n * scale_stride);
        rows[n] = Row(matrix.values + (o + n) * matrix.row_bytes, widened.of_row(o + n, 0),
                      matrix.block_shift);
      }
      for (int64_t begin = 0; begin < depth; begin += kPanelDepth) {
        const int64_t end = smaller(begin + kPanelDepth, depth);
        for (int64_t n = 0; n < outputs; ++n)
          decode_row(rows[n], begin, smaller(end, matrix.inputs), panel + n * kPanelStride);
        PanelBlock{p, panel,   waiting, t,   smaller(kRowBlock, p.rows - t),
                   o, outputs, begin,   end, depth}
            .run();
      }
    }
}

int64_t product_scratch(int64_t inputs) {
  return kSumFloats + kPanelRows * kPanelStride + kPanelRows * TileScales::stride(inputs);
}

template <typename Row>
void product_of(const Product& p, float* scratch) {
  if (p.rows <= kTileRows)
    with_rows<kTileRows>(p.rows, DirectProduct<Row>{p, scratch});
  else
    panel_product<Row>(p, scratch);
}

void pack_pairs(const float* x, int64_t width, float* out) {
  constexpr int64_t kHalf = kFp4Block / 2;
  for (int64_t block = 0; block < width; block += kFp4Block, out += kFp4Block)
    for (int64_t i = 0; i < kHalf; ++i) {
      const int64_t even = block + 2 * i;
      out[i] = even < width ? x[even] : 0.0f;
      out[kHalf + i] = even + 1 < width ? x[even + 1] : 0.0f;
    }
}

// The inverse for one block, in place.
void unpack_pairs(float* block) {
  constexpr int64_t kHalf = kFp4Block / 2;
  float packed[kFp4Block];
  __builtin_memcpy(packed, block, sizeof packed);
  for (int64_t i = 0; i < kHalf; ++i) {
    block[2 * i] = packed[i];
    block[2 * i + 1] = packed[kHalf + i];
  }
}

// One row in its natural order.
template <typename Row>
void decode_of(const Matrix& matrix, int64_t row, float* out, float* scratch) {
  TileScales scales(matrix, scratch);
  const Row values(matrix.values + row * matrix.row_bytes, scales.of_row(row, 0),
                   matrix.block_shift);
  const int64_t whole = matrix.inputs / Row::kWidth * Row::kWidth;
  decode_row(values, 0, whole, out);
  float last[Row::kWidth] = {};
  if (whole < matrix.inputs) decode_row(values, whole, matrix.inputs, last);
  if constexpr (Row::kVectors > 1) {
    for (int64_t block = 0; block < whole; block += kFp4Block) unpack_pairs(out + block);
    unpack_pairs(last);
  }
  __builtin_memcpy(out + whole, last, (size_t)(matrix.inputs - whole) * sizeof(float));
}

void decode(const Matrix& matrix, int64_t row, float* out, float* scratch) {
  switch (matrix.format) {
    case Format::f32:
      return decode_of<RowF32>(matrix, row, out, scratch);
    case Format::bf16:
      return decode_of<RowBf16>(matrix, row, out, scratch);
    case Format::f16:
      return decode_of<RowF16>(matrix, row, out, scratch);
    case Format::e4m3:
      return decode_of<RowE4m3>(matrix, row, out, scratch);
    case Format::fp4:
      return decode_of<RowFp4>(matrix, row, out, scratch);
  }
}

void product(const Product& p, float* scratch) {
  if (p.rows == 0 || p.first >= p.last) return;
  switch (p.matrix.format) {
    case Format::f32:
      return product_of<RowF32>(p, scratch);
    case Format::bf16:
      return product_of<RowBf16>(p, scratch);
    case Format::f16:
      return product_of<RowF16>(p, scratch);
    case Format::e4m3:
      return product_of<RowE4m3>(p, scratch);
    case Format::fp4:
      return product_of<RowFp4>(p, scratch);
  }
}

constexpr float kMinusInfinity = -__builtin_inff();

// ---- compressor ---------------------------------------------------------------------------------

// One register of channels.
template <typename Load>
inline Vec blend_channels(const Blend& b, const Load& load_at) {
  Vec top = broadcast(kMinusInfinity);
  for (int64_t n = 0; n < b.members; ++n) top = larger(top, load_at(b.scores[n]));
  Vec sum = {}, total = {};
  for (int64_t n = 0; n < b.members; ++n) {
    const Vec p = exponential(load_at(b.scores[n]) - top);
    sum += p;
    total = madd(p, load_at(b.values[n]), total);
  }
  return b.members == 0 ? Vec{} : total / sum;
}

void blend(const Blend& b) {
  int64_t c = 0;
  for (; c + kLanes <= b.width; c += kLanes)
    store(b.out + c, blend_channels(b, [c](const float* row) { return load(row + c); }));
  const int64_t left = b.width - c;
  if (left > 0)
    store_part(b.out + c,
               blend_channels(b, [c, left](const float* row) { return load_part(row + c, left); }),
               left);
}

// ---- rows ---------------------------------------------------------------------------------------

// Calls body(place, load, store) for each register of a row; `load` and `store` know the end.
struct WholeAccess {
  static Vec get(const float* p) { return load(p); }
  static void put(float* p, Vec v) { store(p, v); }
};
struct PartAccess {
  int64_t n;
  Vec get(const float* p) const { return load_part(p, n); }
  void put(float* p, Vec v) const { store_part(p, v, n); }
};
template <typename Body>
inline void for_registers(int64_t width, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) body(i, WholeAccess{});
  if (i < width) body(i, PartAccess{width - i});
}

float sum_of_squares(const float* x, int64_t width) {
  Vec sum = {};
  for_registers(width, [&](int64_t i, auto access) {
    const Vec v = access.get(x + i);
    sum = madd(v, v, sum);
  });
  return sum_lanes(sum);
}

float sum_of_products(const float* a, const float* b, const float* c, int64_t width) {
  Vec sum = {};
  for_registers(width, [&](int64_t i, auto access) {
    sum = madd(access.get(a + i) * access.get(b + i), access.get(c + i), sum);
  });
  return sum_lanes(sum);
}

void rms_norm(const float* x, const float* weight, float epsilon, int64_t width, float* out) {
  const float mean = sum_of_squares(x, width) / (float)width;
  const Vec inverse = 1.0f / square_root(broadcast(mean + epsilon));
  for_registers(width, [&](int64_t i, auto access) {
    Vec v = access.get(x + i) * inverse;
    if (weight != nullptr) v *= access.get(weight + i);
    access.put(out + i, v);
  });
}

void swiglu(const float* gate, const float* up, float limit, float factor, int64_t width,
            float* out) {
  const Vec top = broadcast(limit);
  for_registers(width, [&](int64_t i, auto access) {
    Vec g = access.get(gate + i), u = access.get(up + i);
    if (limit > 0) {
      g = at_most(g, top);
      u = at_most(at_least(u, -top), top);
    }
    const Vec silu = g / (1.0f + exponential(-g));
    access.put(out + i, silu * u * factor);
  });
}

void scale_row(float* row, int64_t width, float factor) {
  for (int64_t i = 0; i < width; ++i) row[i] *= factor;
}

void hadamard(float* row, int64_t width) {
  for (int64_t half = 1; half < width; half *= 2)
    for (int64_t begin = 0; begin < width; begin += 2 * half)
      for (int64_t i = begin; i < begin + half; ++i) {
        const float a = row[i], b = row[i + half];
        row[i] = a + b;
        row[i + half] = a - b;
      }
  scale_row(row, width, (float)(1.0 / __builtin_sqrt((double)width)));
}

void turn(float* row, int64_t width, const float* cosines, const float* sines) {
  for_registers(width, [&](int64_t i, auto access) {
    const Vec v = access.get(row + i);
    access.put(row + i, v * access.get(cosines + i) + swap_neighbours(v) * access.get(sines + i));
  });
}

void add(const float* a, const float* b, int64_t width, float* out) {
  for (int64_t i = 0; i < width; ++i) out[i] = a[i] + b[i];
}

void combine(const float* const* rows, const float* factors, int64_t count, int64_t width,
             float* out) {
  for_registers(width, [&](int64_t i, auto access) {
    Vec sum = {};
    for (int64_t j = 0; j < count; ++j)
      sum = madd(broadcast(factors[j]), access.get(rows[j] + i), sum);
    access.put(out + i, sum);
  });
}

// ---- rounding to stored formats -----------------------------------------------------------------

float largest_magnitude(const float* block, int64_t width) {
  Vec largest = {};
  for_registers(width, [&](int64_t i, auto access) {
    largest = larger(largest, magnitude(access.get(block + i)));
  });
  return largest_lane(largest);
}

float power_of_two_at_least(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bits = ((bits >> 23) + ((bits & 0x7fffffu) != 0 ? 1u : 0u)) << 23;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// Nearest, ties to even, to a float of `mantissa_bits` whose smallest normal is 2^least_exponent:
// adding 1.5 · 2^(exponent - mantissa_bits + 23) leaves exactly the wanted bits.
template <int32_t mantissa_bits, int32_t least_exponent>
inline Vec round_to_mantissa(Vec positive) {
  const IntVec least = broadcast_int((127 + least_exponent) << 23);
  IntVec exponent = bits_of(positive) & 0x7f800000;
  exponent = exponent > least ? exponent : least;
  const Vec magic = floats_of(exponent) * (1.5f * (float)(1 << (23 - mantissa_bits)));
  return (positive + magic) - magic;
}

Vec round_e4m3(Vec positive) {
  return round_to_mantissa<3, -6>(at_most(positive, broadcast(448.0f)));
}
Vec round_e2m1(Vec positive) {
  const Vec top = broadcast(6.0f);
  return round_to_mantissa<1, 0>(positive < top ? positive : top);  // NaN too becomes 6
}

float block_scale(const float* block, int64_t width, Rounding rounding) {
  const float amax = largest_magnitude(block, width);
  if (rounding == Rounding::e4m3)
    return power_of_two_at_least((amax < 1e-4f ? 1e-4f : amax) * (1.0f / 448.0f));
  if (rounding == Rounding::e2m1_power)
    return power_of_two_at_least((amax < 6.0f * 0x1p-126f ? 6.0f * 0x1p-126f : amax) *
                                 (1.0f / 6.0f));
  return round_e4m3(broadcast((amax < 6.0f * 0x1p-9f ? 6.0f * 0x1p-9f : amax) / 6.0f))[0];
}

void round_blocks(float* row, int64_t width, int64_t block, Rounding rounding) {
  for (int64_t begin = 0; begin < width; begin += block) {
    float* values = row + begin;
    const int64_t count = smaller(block, width - begin);
    const Vec scale = broadcast(block_scale(values, count, rounding));
    for_registers(count, [&](int64_t i, auto access) {
      const Vec v = access.get(values + i), quotient = v / scale;
      const Vec rounded = rounding == Rounding::e4m3 ? round_e4m3(magnitude(quotient))
                                                     : round_e2m1(magnitude(quotient));
      access.put(values + i, with_sign_of(rounded, quotient) * scale);
    });
  }
}

}  // namespace

#define HADAL_TEXT_(name) #name
#define HADAL_TEXT(name) HADAL_TEXT_(name)

const KernelTable kTable = {
    HADAL_TEXT(HADAL_CPU_ISA),
    product,
    product_scratch,
    decode,
    pack_pairs,
    blend,
    rms_norm,
    sum_of_squares,
    sum_of_products,
    swiglu,
    hadamard,
    round_blocks,
    turn,
    add,
    combine,
};

}  // namespace hadal::cpu::HADAL_CPU_ISA
