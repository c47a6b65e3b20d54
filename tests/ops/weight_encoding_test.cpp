// SPDX-License-Identifier: MIT
// Encoded weights: no other scale would be nearer, by trying all of them.
#include "ops/weight_encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/number_formats.h"
#include "base/random.h"
#include "ops/weight_rows.h"

namespace hadal {
namespace {

using Rows = std::vector<std::vector<float>>;

RowReader reader_of(const Rows& rows) {
  return [&rows](int64_t row, float* out) {
    const std::vector<float>& from = rows[static_cast<size_t>(row)];
    std::copy(from.begin(), from.end(), out);
  };
}

// Rows of very different sizes, with outliers, zeros, and values on the borders of the grids.
Rows awkward_rows(int64_t count, int64_t width) {
  Random random(7);
  Rows rows;
  for (int64_t r = 0; r < count; ++r) {
    const double size = std::ldexp(1.0, static_cast<int>(random.below(80)) - 60);
    std::vector<float> row;
    for (int64_t i = 0; i < width; ++i) {
      const double spread = random.uniform() < 0.05 ? 8 : 1;
      const double value = (random.uniform() + random.uniform() - 1) * spread;
      row.push_back(static_cast<float>(size * (r % 3 == 0 ? std::round(4 * value) / 4 : value)));
    }
    if (r % 7 == 6) std::fill(row.begin(), row.end(), 0.0f);
    if (r % 7 == 5) std::fill(row.begin() + 1, row.end(), 0.0f);
    if (r % 7 == 4) row[0] = static_cast<float>(size * 3.0001);  // s/2 costs almost nothing
    rows.push_back(row);
  }
  return rows;
}

// The least squared error of a block under any scale that E8M0 has.
template <typename Rounded>
double least_error(const std::vector<float>& block, const Rounded& rounded) {
  double least = std::numeric_limits<double>::infinity();
  for (int exponent = -127; exponent <= 127; ++exponent) {
    double error = 0;
    for (float value : block) {
      const double off = value - std::ldexp(rounded(std::ldexp(value, -exponent)), exponent);
      error += off * off;
    }
    least = std::min(least, error);
  }
  return least;
}

// Rows [row, row + rows) of columns [column, column + columns), of what was given and of `made`.
double error_of_block(const Rows& given, const Tensor& made, int64_t row, int64_t rows,
                      int64_t column, int64_t columns, std::vector<float>& block) {
  double error = 0;
  block.clear();
  for (int64_t r = row; r < row + rows; ++r)
    for (int64_t i = column; i < column + columns; ++i) {
      block.push_back(given[static_cast<size_t>(r)][static_cast<size_t>(i)]);
      const double off = block.back() - made.data<float>()[r * made.size(1) + i];
      error += off * off;
    }
  return error;
}

TEST(WeightEncoding, NoScaleOfAnFp4BlockWouldBeNearer) {
  const Rows rows = awkward_rows(120, 96);
  ThreadPool pool(2);
  const Encoded encoded = encode_fp4({120, 96}, reader_of(rows), pool);
  EXPECT_EQ(encoded.bad_row, -1);
  EXPECT_EQ(encoded.weight.scales.shape(), (Shape{120, 3}));
  const Tensor made = dequantise(encoded.weight);
  double sum = 0;
  int64_t cut = 0;
  for (int64_t r = 0; r < 120; ++r)
    for (int64_t b = 0; b < 3; ++b) {
      std::vector<float> block;
      const double error = error_of_block(rows, made, r, 1, 32 * b, 32, block);
      sum += error;
      EXPECT_LE(error, least_error(block, [](float v) { return kE2m1Values[float_to_e2m1(v)]; }))
          << "row " << r << " block " << b;
      float largest = 0;
      for (float v : block) largest = std::max(largest, std::fabs(v));
      const float scale = e8m0_to_float(encoded.weight.scales.raw()[3 * r + b]);
      cut += largest > 6 * scale;
    }
  EXPECT_NEAR(encoded.squared_error, sum, 1e-9 * sum);
  EXPECT_GT(cut, 0);  // somewhere a finer step was worth a smaller largest value
}

TEST(WeightEncoding, NoScaleOfAnFp8TileWouldBeNearer) {
  const Rows rows = awkward_rows(70, 72);
  ThreadPool pool(2);
  for (const auto& [block_rows, block_columns] : {std::pair<int64_t, int64_t>{32, 32}, {1, 32}}) {
    const Encoded encoded = encode_fp8({70, 72}, reader_of(rows), block_rows, block_columns, pool);
    const Tensor made = dequantise(encoded.weight);
    for (int64_t r = 0; r < 70; r += block_rows)
      for (int64_t c = 0; c < 72; c += block_columns) {
        std::vector<float> block;
        const double error = error_of_block(rows, made, r, std::min(block_rows, 70 - r), c,
                                            std::min(block_columns, 72 - c), block);
        EXPECT_LE(error,
                  least_error(block, [](float v) { return e4m3_to_float(float_to_e4m3(v)); }))
            << "row " << r << " column " << c;
      }
  }
}

// What was encoded once loses nothing more.
TEST(WeightEncoding, AFormatsOwnValuesComeBack) {
  const Rows rows = awkward_rows(64, 64);
  ThreadPool pool(1);
  const auto expect_kept = [&](const Encoded& first, const auto& encode) {
    const auto read = [&](int64_t row, float* out) { dequantise_row(first.weight, row, out); };
    const Encoded again = encode(read);
    EXPECT_EQ(again.squared_error, 0);
    const Tensor before = dequantise(first.weight), after = dequantise(again.weight);
    for (int64_t i = 0; i < before.count(); ++i)
      EXPECT_EQ(before.data<float>()[i], after.data<float>()[i]) << i;
  };
  const Shape shape = {64, 64};
  expect_kept(encode_fp4(shape, reader_of(rows), pool),
              [&](const RowReader& read) { return encode_fp4(shape, read, pool); });
  expect_kept(encode_fp8(shape, reader_of(rows), 32, 32, pool),
              [&](const RowReader& read) { return encode_fp8(shape, read, 32, 32, pool); });
}

TEST(WeightEncoding, BytesDoNotDependOnThreads) {
  const Rows rows = awkward_rows(50, 64);
  ThreadPool one(1), three(3);
  const Encoded a = encode_fp4({50, 64}, reader_of(rows), one);
  const Encoded b = encode_fp4({50, 64}, reader_of(rows), three);
  EXPECT_EQ(std::memcmp(a.weight.values.raw(), b.weight.values.raw(), 50 * 32), 0);
  EXPECT_EQ(std::memcmp(a.weight.scales.raw(), b.weight.scales.raw(), 50 * 2), 0);
  EXPECT_EQ(a.squared_error, b.squared_error);
}

TEST(WeightEncoding, SaysWhichRowIsNotFinite) {
  ThreadPool pool(2);
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    Rows rows = awkward_rows(40, 64);
    rows[33][17] = bad;
    EXPECT_EQ(encode_fp4({40, 64}, reader_of(rows), pool).bad_row, 33);
    EXPECT_EQ(encode_fp8({40, 64}, reader_of(rows), 32, 32, pool).bad_row, 33);
  }
}

}  // namespace
}  // namespace hadal
