// SPDX-License-Identifier: MIT
// The fast mode against its definition (backends/cpu/int8.h), written out here in plain loops: the
// reference multiplies what the roundings leave.
#include "conformance.h"
#include "ops/weight_rows.h"

namespace hadal {
namespace {

std::vector<Build> fast_builds() {
  std::vector<Build> builds;
  for (InstructionSet set : kInstructionSetsBestFirst)
    if (machine_has(set) && cpu::int8_kernels_for(set) != nullptr)
      for (int64_t threads : {1, 3}) builds.push_back({set, threads});
  return builds;
}

std::unique_ptr<Ops> open_fast(const Build& build) {
  return make_cpu_ops(
      {.threads = build.threads, .instruction_set = build.set, .arithmetic = Arithmetic::fast});
}

// Whole numbers of at most 127 times a power of two, in blocks of 32.
Tensor rounded_inputs(const Tensor& x) {
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t width = x.size(-1);
  for (int64_t begin = 0; begin < x.count();) {
    const int64_t end = std::min(begin + 32, begin / width * width + width);
    float most = 0;
    for (int64_t i = begin; i < end; ++i) most = std::max(most, std::fabs(x.data<float>()[i]));
    const float step = most > 0 ? std::exp2(std::ceil(std::log2(most / 127.0f))) : 1.0f;
    for (int64_t i = begin; i < end; ++i)
      out.data<float>()[i] = std::nearbyint(x.data<float>()[i] / step) * step;
    begin = end;
  }
  return out;
}

// E4M3 values in quarters; FP4 as it is.
Weight rounded_weight(const Weight& w) {
  const Tensor values = dequantise(w);
  if (w.packed_fp4()) return Weight{values, {}, 1, 1};
  for (int64_t o = 0; o < w.outputs(); ++o)
    for (int64_t i = 0; i < w.inputs(); ++i) {
      const int64_t at = o / w.block_rows * w.scales.size(1) + i / w.block_columns;
      const float scale = e8m0_to_float(w.scales.raw()[at]);
      float& value = values.data<float>()[o * w.inputs() + i];
      value = std::nearbyint(value / scale / 4) * 4 * scale;
    }
  return Weight{values, {}, 1, 1};
}

// What was rounded, x · w in the order of int8.h.  A block's sum is a whole number below 2^24 times
// a power of two: exact in both widths.
float summed_in_order(const float* x, const float* w, int64_t width) {
  float sums[4] = {};
  for (int64_t begin = 0; begin < width; begin += 32) {
    double exact = 0;
    for (int64_t i = begin; i < std::min(begin + 32, width); ++i)
      exact += static_cast<double>(x[i]) * static_cast<double>(w[i]);
    sums[begin / 32 % 4] += static_cast<float>(exact);
  }
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

class CpuInt8 : public CpuTest {
 protected:
  std::unique_ptr<Ops> fast_ = open_fast(GetParam());

  ExpertWeights experts(const StoredFormat& format, int64_t width, int64_t inner, int count) {
    ExpertWeights weights;
    for (int e = 0; e < count; ++e) {
      weights.gate.push_back(weight(format, inner, width));
      weights.up.push_back(weight(format, inner, width));
      weights.down.push_back(weight(format, width, inner));
    }
    return weights;
  }
};
INSTANTIATE_TEST_SUITE_P(Builds, CpuInt8, testing::ValuesIn(fast_builds()),
                         [](const auto& test) { return build_name(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuInt8);

TEST_P(CpuInt8, LinearIsTheProductOfWhatTheRoundingsLeave) {
  for (const StoredFormat& format : kQuantised)
    for (int64_t inputs : {2, 32, 80, 128, 130, 288, 1040})
      for (int64_t outputs : {1, 6, 67}) {
        const Weight w = weight(format, outputs, inputs);
        const Weight plain = rounded_weight(w);
        for (int64_t rows : {0, 1, 3, 5, 9, 14, 40}) {
          const Tensor x = floats({rows, inputs});
          expect_agrees(fast_->linear(x, w), reference_->linear(rounded_inputs(x), plain),
                        Tolerance::sums,
                        std::string(format.name) + " " + std::to_string(rows) + " x " +
                            std::to_string(inputs) + " -> " + std::to_string(outputs));
        }
      }
}

TEST_P(CpuInt8, BitsAreThoseOfTheOrderOfSums) {
  for (const StoredFormat& format : kQuantised)
    for (int64_t inputs : {80, 512, 1040})
      for (int64_t rows : {3, 14}) {
        const Weight w = weight(format, 37, inputs);
        const Tensor x = floats({rows, inputs}), expected = Tensor::empty(DType::f32, {rows, 37});
        const Tensor x_rounded = rounded_inputs(x), w_rounded = rounded_weight(w).values;
        for (int64_t t = 0; t < rows; ++t)
          for (int64_t o = 0; o < 37; ++o)
            expected.data<float>()[t * 37 + o] = summed_in_order(
                x_rounded.data<float>() + t * inputs, w_rounded.data<float>() + o * inputs, inputs);
        expect_same_bits(fast_->linear(x, w), expected, format.name);
      }
}

TEST_P(CpuInt8, GroupedLinearMeetsItsOwnRows) {
  for (const StoredFormat& format : kQuantised) {
    const Weight w = weight(format, 4 * 33, 96);
    const Tensor x = floats({13, 4 * 96});
    expect_agrees(fast_->linear_grouped(x, w, 4),
                  reference_->linear_grouped(rounded_inputs(x), rounded_weight(w), 4),
                  Tolerance::sums, format.name);
  }
}

// Activations that E4M3 holds, in blocks of one scale, keep what is not far below the largest.
TEST_P(CpuInt8, RoundedActivationsLoseLittle) {
  const Weight w = weight(kQuantised[3], 64, 512);
  const Tensor x = reference_->round_to(floats({9, 512}), RowFormat::fp8_128, 0);
  expect_agrees(fast_->linear(x, w), reference_->linear(x, w), 5e-3, "E4M3 meets FP4");
}

TEST_P(CpuInt8, ExpertsAreCloseToExactOnes) {
  const ExpertWeights weights = experts(kQuantised[3], 160, 96, 6);
  RouterOptions options;
  options.experts_per_token = 3;
  const Tensor x = reference_->round_to(floats({45, 160}, 0.1f), RowFormat::fp8_32, 0);
  const Routes routes = cpu_->route(floats({45, 6}), {}, options);
  // What one E4M3 rounding of the hidden row turns over is more than what eight bits lose.
  expect_agrees(fast_->experts(x, routes, weights, 10, RowFormat::fp8_32),
                reference_->experts(x, routes, weights, 10, RowFormat::fp8_32), 4e-2, "fp4");
}

// The quarters of small values would be nothing.
TEST_P(CpuInt8, TilesThatDoNotFillTheirRangeStayExact) {
  Weight w = weight(kQuantised[0], 140, 256);
  for (int64_t i = 0; i < w.values.count(); ++i)
    w.values.raw()[i] = float_to_e4m3(static_cast<float>(integer(-30, 30)) / 16);
  const Tensor x = floats({3, 256});
  expect_same_bits(fast_->linear(x, fast_->prepare(w)), cpu_->linear(x, w), "small");
  // One tile that does is not enough.
  Weight some = weight(kQuantised[0], 140, 256);
  for (int64_t i = 0; i < some.values.count(); ++i)
    some.values.raw()[i] = float_to_e4m3(static_cast<float>(integer(-448, 448)));
  const Tensor rounded = fast_->linear(x, fast_->prepare(some));
  EXPECT_NE(rounded.data<float>()[0], cpu_->linear(x, some).data<float>()[0]);
}

TEST_P(CpuInt8, RowsAreIndependentOfOthersAndOfThreads) {
  const std::unique_ptr<Ops> alone = open_fast({GetParam().set, 1});
  for (const StoredFormat& format : kQuantised)
    for (int64_t inputs : {80, 512, 1040}) {
      const Weight w = weight(format, 300, inputs);
      const Tensor x = floats({33, inputs});
      const Tensor whole = fast_->linear(x, w);
      expect_same_bits(whole, alone->linear(x, w), format.name);
      for (int64_t t = 0; t < 33; t += 8)
        expect_same_bits(fast_->linear(x.rows(t, 1), w), whole.rows(t, 1), format.name);
      expect_same_bits(fast_->linear(x.rows(2, 7), w), whole.rows(2, 7), format.name);
    }
  const ExpertWeights weights = experts(kQuantised[3], 160, 96, 6);
  RouterOptions options;
  options.experts_per_token = 3;
  const Tensor x = floats({70, 160});
  const Routes routes = cpu_->route(floats({70, 6}), {}, options);
  const Tensor whole = fast_->experts(x, routes, weights, 10, RowFormat::fp8_32);
  for (int64_t t = 0; t < 70; t += 9)
    expect_same_bits(
        fast_->experts(x.rows(t, 1), {routes.ids_TN.rows(t, 1), routes.weights_TN.rows(t, 1)},
                       weights, 10, RowFormat::fp8_32),
        whole.rows(t, 1), "experts");
}

TEST_P(CpuInt8, WhatIsNotQuantisedStaysExact) {
  const Tensor x = floats({9, 130});
  for (const StoredFormat& format : kStoredFormats) {
    if (format.scales == DType::f8_e8m0 && format.block_columns >= 32) continue;
    const bool has_bf16 = cpu::bf16_kernels_for(GetParam().set) != nullptr;
    if (format.values == DType::bf16 && has_bf16) continue;  // cpu_bf16_test.cpp
    const Weight w = weight(format, 40, 130);
    expect_same_bits(fast_->linear(x, w), cpu_->linear(x, w), format.name);
  }
}

TEST_P(CpuInt8, WhatIsNotFiniteShows) {
  const Weight w = weight(kQuantised[3], 8, 64);
  for (float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Tensor x = floats({1, 64});
    x.data<float>()[40] = bad;
    EXPECT_FALSE(std::isfinite(fast_->linear(x, w).data<float>()[3])) << bad;
  }
  Tensor tiny = Tensor::zeros(DType::f32, {1, 64});
  tiny.data<float>()[3] = 1e-40f;
  EXPECT_NEAR(fast_->linear(tiny, w).data<float>()[3], 0.0f, 1e-30f);
}

}  // namespace
}  // namespace hadal
