// SPDX-License-Identifier: MIT
// Exact products in tiles (backends/cpu/tiles.h): every shape against the reference; a row's bits
// are its own, whatever it shares a call with and however the work is cut; and every code and
// scale is its value.
#include <bit>

#include "conformance.h"

namespace hadal {
namespace {

std::vector<Build> tile_builds() {
  std::vector<Build> builds;
  for (InstructionSet set : kInstructionSetsBestFirst)
    if (machine_has(set) && cpu::tile_kernels_for(set) != nullptr)
      for (int64_t threads : {1, 3}) builds.push_back({set, threads});
  return builds;
}

constexpr StoredFormat kTileFormats[] = {
    {"fp8 128x128", DType::f8_e4m3, DType::f8_e8m0, 128, 128},
    {"fp8 32x32", DType::f8_e4m3, DType::f8_e8m0, 32, 32},
    {"fp8 1x64", DType::f8_e4m3, DType::f8_e8m0, 1, 64},
    {"fp4 1x32", DType::i8, DType::f8_e8m0, 1, 32},
    {"bf16", DType::bf16, DType::f32, 1, 1},
};

class CpuTiles : public CpuTest {
 protected:
  Tensor rounded(int64_t rows, int64_t width) {
    return reference_->round_to(floats({rows, width}), RowFormat::fp8_32, 0);
  }
  static Tensor row_of(const Tensor& x, int64_t row) {
    const Tensor one = Tensor::empty(DType::f32, {1, x.size(1)});
    std::copy_n(x.data<float>() + row * x.size(1), x.size(1), one.data<float>());
    return one;
  }
  static void expect_row(const Tensor& alone, const Tensor& all, int64_t row,
                         const std::string& what) {
    for (int64_t o = 0; o < all.size(1); ++o)
      ASSERT_TRUE(same_float(alone.data<float>()[o], all.data<float>()[row * all.size(1) + o]))
          << what << ": row " << row << ", output " << o;
  }
};
INSTANTIATE_TEST_SUITE_P(Builds, CpuTiles, testing::ValuesIn(tile_builds()),
                         [](const auto& test) { return build_name(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuTiles);

TEST_P(CpuTiles, LinearIsTheReferences) {
  for (const StoredFormat& format : kTileFormats)
    for (int64_t inputs : {2, 32, 80, 130, 288, 1040})
      for (int64_t outputs : {1, 6, 16, 67, 100}) {
        const Weight w = weight(format, outputs, inputs);
        // Around the rows of a tile: 5 in three planes, 16 in one.
        for (int64_t rows : {0, 1, 2, 5, 6, 11, 16, 17, 33, 50})
          for (bool round : {true, false}) {
            const Tensor x = round ? rounded(rows, inputs) : floats({rows, inputs});
            expect_agrees(cpu_->linear(x, w), reference_->linear(x, w), Tolerance::sums,
                          std::string(format.name) + (round ? " rounded " : " ") +
                              std::to_string(rows) + " x " + std::to_string(inputs) + " -> " +
                              std::to_string(outputs));
          }
      }
}

// Among rows that one plane holds and among rows that need three; alone it is one tile.
TEST_P(CpuTiles, ARowHasTheSameBitsAloneAndAmongOthers) {
  for (const StoredFormat& format : kTileFormats) {
    const Weight w = weight(format, 131, 288);
    const Tensor same = rounded(40, 288), mixed = floats({40, 288});
    std::copy_n(same.data<float>(), 20 * 288, mixed.data<float>());
    const Tensor of_same = cpu_->linear(same, w), of_mixed = cpu_->linear(mixed, w);
    for (int64_t row : {0, 4, 5, 15, 16, 19, 20, 39}) {
      expect_row(cpu_->linear(row_of(same, row), w), of_same, row, format.name);
      expect_row(cpu_->linear(row_of(mixed, row), w), of_mixed, row, format.name);
    }
    for (int64_t row = 0; row < 20; ++row)
      expect_row(row_of(of_same, row), of_mixed, row, format.name);
  }
}

// Threads cut outputs into other strips.
TEST_P(CpuTiles, BitsDoNotDependOnTheThreads) {
  const std::unique_ptr<Ops> two = open_build({GetParam().set, 2});
  for (const StoredFormat& format : kTileFormats) {
    Weight w = weight(format, 1000, 512);
    if (w.quantised()) w.scales.raw()[1] = 1;  // its row is multiplied in f32
    for (int64_t rows : {1, 37}) {
      const Tensor x = rounded(rows, 512);
      expect_same_bits(cpu_->linear(x, w), two->linear(x, w), format.name);
    }
  }
}

TEST_P(CpuTiles, EveryCodeIsItsValue) {
  for (const StoredFormat& format : {kTileFormats[0], kTileFormats[1], kTileFormats[3]}) {
    const Weight w = weight(format, 32, 256);
    for (int64_t i = 0; i < w.values.count(); ++i) {
      const uint8_t code = static_cast<uint8_t>(i % 256);
      w.values.raw()[i] = !w.packed_fp4() && (code & 0x7f) == 0x7f ? 0 : code;
    }
    Tensor x = Tensor::zeros(DType::f32, {256, 256});
    for (int64_t row = 0; row < 256; ++row) x.data<float>()[row * 257] = 1;
    expect_agrees(cpu_->linear(x, w), reference_->linear(x, w), Tolerance::none, format.name);
    for (int64_t row : {0, 100})
      expect_agrees(cpu_->linear(row_of(x, row), w), reference_->linear(row_of(x, row), w),
                    Tolerance::none, format.name);
  }
}

// Every scale, beside one that BF16 holds; the smallest products are zero to the unit, and 255 is
// NaN.
TEST_P(CpuTiles, EveryScaleIsItsValue) {
  for (const StoredFormat& format : {kTileFormats[1], kTileFormats[2], kTileFormats[3]}) {
    const int64_t rows = format.block_rows * 4;
    for (int code = 0; code < 256; ++code) {
      const Weight w = weight(format, rows, 128);
      w.scales.raw()[0] = static_cast<uint8_t>(code);
      const float size = std::ldexp(1.0f, std::clamp(127 - code, -60, 60));
      const Tensor x = Tensor::zeros(DType::f32, {3, 128});
      for (int64_t i = 0; i < 32; ++i) x.data<float>()[i] = i % 3 == 0 ? size : -size;
      const Tensor mine = cpu_->linear(x, w), right = reference_->linear(x, w);
      for (int64_t i = 0; i < mine.count(); ++i) {
        const float m = mine.data<float>()[i], r = right.data<float>()[i];
        if (std::isfinite(r))
          ASSERT_NEAR(m, r, 1e-6 * std::fabs(r) + 256 * 0x1p-126f) << format.name << " " << code;
        else
          ASSERT_FALSE(std::isfinite(m)) << format.name << " " << code;
      }
    }
  }
}

// Three planes hold all 24 bits, the largest and the smallest numbers, infinities and NaN.
TEST_P(CpuTiles, PlanesHoldEveryFloat) {
  const Weight w = weight(kTileFormats[4], 1, 32);
  for (int64_t i = 0; i < 32; ++i) w.values.data<uint16_t>()[i] = float_to_bf16(i == 7 ? 1.0f : 0);
  const float inf = std::numeric_limits<float>::infinity();
  for (float value :
       {1.0000001f, -3.4028235e38f, 1.17549435e-38f, 16777215.0f, -0.1f, inf, -inf,
        std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(uint32_t{0x7f800001})}) {
    const Tensor x = Tensor::zeros(DType::f32, {1, 32});
    x.data<float>()[7] = value;
    const float found = cpu_->linear(x, w).data<float>()[0];
    if (std::fabs(value) < 1e-30f)
      EXPECT_NEAR(found, value, 0x1p-126);
    else
      EXPECT_TRUE(same_float(found, value)) << found << ", expected " << value;
  }
}

// Experts' groups of rows: a token gives the same bits alone.
TEST_P(CpuTiles, ATokensExpertsHaveTheSameBitsAlone) {
  for (const StoredFormat& format : {kTileFormats[0], kTileFormats[3]}) {
    ExpertWeights weights;
    for (int64_t e = 0; e < 5; ++e) {
      weights.gate.push_back(weight(format, 96, 160));
      weights.up.push_back(weight(format, 96, 160));
      weights.down.push_back(weight(format, 160, 96));
    }
    const Tensor x = rounded(70, 160);
    RouterOptions options;
    options.experts_per_token = 2;
    const Routes routes = cpu_->route(floats({70, 5}), {}, options);
    const Tensor all = cpu_->experts(x, routes, weights, 10, RowFormat::fp8_32);
    expect_agrees(all, reference_->experts(x, routes, weights, 10, RowFormat::fp8_32),
                  Tolerance::rounded, format.name);
    for (int64_t t : {0, 33, 69}) {
      Routes own{Tensor::empty(DType::i64, {1, 2}), row_of(routes.weights_TN, t)};
      for (int64_t n = 0; n < 2; ++n)
        own.ids_TN.data<int64_t>()[n] = routes.ids_TN.data<int64_t>()[2 * t + n];
      expect_row(cpu_->experts(row_of(x, t), own, weights, 10, RowFormat::fp8_32), all, t,
                 format.name);
    }
  }
}

}  // namespace
}  // namespace hadal
