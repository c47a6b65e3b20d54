// SPDX-License-Identifier: MIT
// The search for scales.  Let s be the least power of two under which a block's largest value is
// not cut off.  A larger power than s is never better: both formats are floats, so its grid lacks
// small values of the grid of s and adds only values that no member of the block reaches.  s/2 cuts
// off up to half of the largest value, and steps half as far where values are small; it is tried.
// s/4 is never better.  For E2M1: the largest lies above 3s and is cut to 1.5s, which costs more
// than 2.25s²; the other 31 gain at most s²/16 each, since from 1.75s on they lose as well.  For
// E4M3: only values below s/64 step less, and gain at most s²/2^20 each, where the largest, above
// 224s, loses more than (112s)².
#include "ops/weight_encoding.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/number_formats.h"

namespace hadal {
namespace {

constexpr int kLeastExponent = -127, kLargestExponent = 127;  // of E8M0

struct E4m3Grid {
  static constexpr float kLargest = 448;
  static uint8_t code(float value) { return float_to_e4m3(value); }
  static float value(uint8_t code) { return e4m3_to_float(code); }
};

struct E2m1Grid {
  static constexpr float kLargest = 6;
  static uint8_t code(float value) { return float_to_e2m1(value); }
  static float value(uint8_t code) { return kE2m1Values[code]; }
};

// The codes of a block under 2^exponent, and their squared error.
template <typename Grid>
double encode_under(int exponent, const std::vector<float>& values, std::vector<uint8_t>& codes) {
  const float inverse = std::ldexp(1.0f, -exponent);
  double error = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const float scaled = values[i] * inverse;
    codes[i] = Grid::code(scaled);
    const double off = scaled - Grid::value(codes[i]);
    error += off * off;
  }
  return std::ldexp(error, 2 * exponent);
}

// The least exponent under which `largest` is not cut off.
template <typename Grid>
int exponent_without_cut(float largest) {
  if (largest == 0) return 0;
  int exponent = std::ilogb(largest) - std::ilogb(Grid::kLargest);
  if (std::ldexp(largest, -exponent) > Grid::kLargest) ++exponent;
  return std::clamp(exponent, kLeastExponent, kLargestExponent);
}

struct BlockEncoder {
  std::vector<float> values;
  std::vector<uint8_t> codes = {}, other_codes = {};
  double error = 0;

  // Fills `codes` and `error`; gives the E8M0 code of the scale.
  template <typename Grid>
  uint8_t encode() {
    codes.resize(values.size());
    other_codes.resize(values.size());
    float largest = 0;
    for (float value : values) largest = std::max(largest, std::fabs(value));
    int exponent = exponent_without_cut<Grid>(largest);
    error = encode_under<Grid>(exponent, values, codes);
    const double cut = largest - std::ldexp(double{Grid::kLargest}, exponent - 1);
    if (exponent > kLeastExponent && cut * cut < error) {
      const double other = encode_under<Grid>(exponent - 1, values, other_codes);
      if (other < error) {
        --exponent;
        error = other;
        std::swap(codes, other_codes);
      }
    }
    return static_cast<uint8_t>(exponent + 127);
  }
};

// What the rows of one band of blocks, read by one thread, add to the whole.
struct BandSums {
  double squared_error = 0, squares = 0;
};

// Calls encode(band, sums, rows, columns of the rows' floats, block encoder) for every band.
template <typename EncodeBand>
void for_bands(const Shape& shape, int64_t band_rows, const RowReader& read, ThreadPool& pool,
               Encoded& made, const EncodeBand& encode_band) {
  const int64_t width = shape[1], bands = ceil_div(shape[0], band_rows);
  std::vector<BandSums> sums(static_cast<size_t>(bands));
  std::atomic<int64_t> bad_row{-1};
  pool.split(bands, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> rows(static_cast<size_t>(band_rows * width));
    BlockEncoder encoder{};
    for (int64_t band = begin; band < end; ++band) {
      const int64_t first = band * band_rows, count = std::min(band_rows, shape[0] - first);
      bool finite = true;
      BandSums& sum = sums[static_cast<size_t>(band)];
      for (int64_t r = 0; r < count; ++r) {
        float* row = rows.data() + r * width;
        read(first + r, row);
        for (int64_t i = 0; i < width; ++i) {
          if (!std::isfinite(row[i])) bad_row = first + r;
          finite = finite && std::isfinite(row[i]);
          sum.squares += double{row[i]} * row[i];
        }
      }
      if (finite) encode_band(band, rows.data(), count, encoder, sum);
    }
  });
  made.bad_row = bad_row;
  for (const BandSums& sum : sums) {
    made.squared_error += sum.squared_error;
    made.squares += sum.squares;
  }
}

}  // namespace

Encoded encode_fp8(const Shape& shape, const RowReader& read, int64_t block_rows,
                   int64_t block_columns, ThreadPool& pool) {
  const int64_t width = shape[1], columns = ceil_div(width, block_columns);
  const Tensor codes = Tensor::empty(DType::f8_e4m3, shape);
  const Tensor scales = Tensor::empty(DType::f8_e8m0, {ceil_div(shape[0], block_rows), columns});
  Encoded made{Weight{codes, scales, block_rows, block_columns, true}};
  const auto encode_band = [&](int64_t band, const float* rows, int64_t count, BlockEncoder& block,
                               BandSums& sum) {
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t first = column * block_columns, size = std::min(block_columns, width - first);
      block.values.clear();
      for (int64_t r = 0; r < count; ++r)
        block.values.insert(block.values.end(), rows + r * width + first,
                            rows + r * width + first + size);
      scales.raw()[band * columns + column] = block.encode<E4m3Grid>();
      sum.squared_error += block.error;
      for (int64_t r = 0; r < count; ++r)
        std::copy_n(block.codes.begin() + r * size, size,
                    codes.raw() + (band * block_rows + r) * width + first);
    }
  };
  for_bands(shape, block_rows, read, pool, made, encode_band);
  return made;
}

Encoded encode_fp4(const Shape& shape, const RowReader& read, ThreadPool& pool) {
  const int64_t width = shape[1], blocks = width / kFp4Columns;
  CHECK(width % kFp4Columns == 0, shape_text(shape));
  const Tensor codes = Tensor::empty(DType::i8, {shape[0], width / 2});
  const Tensor scales = Tensor::empty(DType::f8_e8m0, {shape[0], blocks});
  Encoded made{Weight{codes, scales, 1, kFp4Columns, true}};
  const auto encode_band = [&](int64_t row, const float* floats, int64_t, BlockEncoder& block,
                               BandSums& sum) {
    for (int64_t b = 0; b < blocks; ++b) {
      block.values.assign(floats + b * kFp4Columns, floats + (b + 1) * kFp4Columns);
      scales.raw()[row * blocks + b] = block.encode<E2m1Grid>();
      sum.squared_error += block.error;
      uint8_t* pairs = codes.raw() + (row * width + b * kFp4Columns) / 2;
      for (size_t i = 0; i < kFp4Columns; i += 2)
        pairs[i / 2] = static_cast<uint8_t>(block.codes[i] | block.codes[i + 1] << 4);
    }
  };
  for_bands(shape, 1, read, pool, made, encode_band);
  return made;
}

}  // namespace hadal
