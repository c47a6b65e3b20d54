// SPDX-License-Identifier: MIT
// What the tests of a back end share: inputs, weights of every format, and two judgements, "agrees
// with the reference" and "the same bits".
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/row_kernels.h"
#include "base/number_formats.h"
#include "ops/ops.h"

namespace hadal {

// ---- back ends under test -------------------------------------------------------------------

struct Build {
  InstructionSet set;
  int64_t threads;
};

inline std::string build_name(const Build& build) {
  return std::string(instruction_set_name(build.set)) + "_" + std::to_string(build.threads);
}
inline std::unique_ptr<Ops> open_build(const Build& build) {
  return make_cpu_ops({.threads = build.threads, .instruction_set = build.set});
}

// Every instruction set of this machine that has loops of exact arithmetic which no better one has,
// with one, two and three threads.
inline std::vector<Build> all_builds() {
  std::vector<Build> builds;
  std::set<const void*> met = {nullptr};
  for (InstructionSet set : kInstructionSetsBestFirst) {
    if (!machine_has(set)) continue;
    const std::set<const void*> loops = {&cpu::kernels_for(set), &cpu::score_kernels_for(set),
                                         cpu::bf16_kernels_for(set), cpu::tile_kernels_for(set)};
    if (std::includes(met.begin(), met.end(), loops.begin(), loops.end())) continue;
    met.insert(loops.begin(), loops.end());
    for (int64_t threads : {1, 2, 3}) builds.push_back({set, threads});
  }
  return builds;
}

// A test that runs once for each build.
class CpuTest : public testing::TestWithParam<Build> {
 protected:
  std::unique_ptr<Ops> cpu_ = open_build(GetParam());
  std::unique_ptr<Ops> reference_ = make_reference_ops();
  std::mt19937 random_{20260101};

  Tensor floats(Shape shape, float spread = 1.0f) {
    Tensor tensor = Tensor::empty(DType::f32, std::move(shape));
    std::normal_distribution<float> normal(0.0f, spread);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.data<float>()[i] = normal(random_);
    return tensor;
  }
  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  // Ids below `rows`; about one in eight is -1.
  Tensor gappy_ids(Shape shape, int64_t rows) {
    Tensor ids = Tensor::empty(DType::i64, std::move(shape));
    for (int64_t i = 0; i < ids.count(); ++i)
      ids.data<int64_t>()[i] = integer(0, 7) == 0 ? -1 : integer(0, rows - 1);
    return ids;
  }
  Tensor ascending_ids(int64_t count) {
    Tensor ids = Tensor::empty(DType::i64, {count});
    for (int64_t i = 0; i < count; ++i) ids.data<int64_t>()[i] = i;
    return ids;
  }
  Weight weight(const struct StoredFormat& format, int64_t outputs, int64_t inputs);
};

#define HADAL_FOR_ALL_BUILDS(suite)                                        \
  INSTANTIATE_TEST_SUITE_P(Builds, suite, testing::ValuesIn(all_builds()), \
                           [](const auto& test) { return build_name(test.param); })

// ---- weights of every format ----------------------------------------------------------------

struct StoredFormat {
  const char* name;
  DType values;
  DType scales;  // of quantised ones
  int64_t block_rows, block_columns;
};

inline constexpr StoredFormat kStoredFormats[] = {
    {"f32", DType::f32, DType::f32, 1, 1},
    {"bf16", DType::bf16, DType::f32, 1, 1},
    {"f16", DType::f16, DType::f32, 1, 1},
    {"fp8 128x128", DType::f8_e4m3, DType::f8_e8m0, 128, 128},
    {"fp8 32x32", DType::f8_e4m3, DType::f8_e8m0, 32, 32},
    {"fp8 1x32", DType::f8_e4m3, DType::f8_e8m0, 1, 32},
    {"fp8 128x128 with f32 scales", DType::f8_e4m3, DType::f32, 128, 128},
    {"fp8 in blocks of 12", DType::f8_e4m3, DType::f8_e8m0, 12, 12},
    {"fp4 1x32", DType::i8, DType::f8_e8m0, 1, 32},
    {"fp4 1x32 with f32 scales", DType::i8, DType::f32, 1, 32},
};
// Those whose activations are rounded, too.
inline constexpr StoredFormat kQuantised[] = {
    {"fp8 128x128", DType::f8_e4m3, DType::f8_e8m0, 128, 128},
    {"fp8 64x64", DType::f8_e4m3, DType::f8_e8m0, 64, 64},
    {"fp8 32x32", DType::f8_e4m3, DType::f8_e8m0, 32, 32},
    {"fp4 1x32", DType::i8, DType::f8_e8m0, 1, 32},
};

inline Weight CpuTest::weight(const StoredFormat& format, int64_t outputs, int64_t inputs) {
  Weight w;
  const bool fp4 = format.values == DType::i8;
  w.values = Tensor::empty(format.values, {outputs, fp4 ? inputs / 2 : inputs});
  for (int64_t i = 0; i < w.values.count(); ++i) {
    const float value = std::normal_distribution<float>(0.0f, 1.0f)(random_);
    switch (format.values) {
      case DType::f32:
        w.values.data<float>()[i] = value;
        break;
      case DType::bf16:
        w.values.data<uint16_t>()[i] = float_to_bf16(value);
        break;
      // Positive and negative, normal and subnormal halves below 2.
      case DType::f16:
        w.values.data<uint16_t>()[i] =
            static_cast<uint16_t>(integer(0, 0x3fff) | (integer(0, 1) << 15));
        break;
      case DType::f8_e4m3:
        w.values.data<uint8_t>()[i] = float_to_e4m3(value * 8);
        break;
      default:
        w.values.data<uint8_t>()[i] = static_cast<uint8_t>(integer(0, 255));
        break;
    }
  }
  if (format.values != DType::f8_e4m3 && !fp4) return w;
  w.block_rows = format.block_rows;
  w.block_columns = format.block_columns;
  w.scales = Tensor::empty(format.scales, {(outputs + w.block_rows - 1) / w.block_rows,
                                           (inputs + w.block_columns - 1) / w.block_columns});
  for (int64_t i = 0; i < w.scales.count(); ++i) {
    if (format.scales == DType::f32)
      w.scales.data<float>()[i] = 0.01f * static_cast<float>(integer(50, 150));
    else
      w.scales.data<uint8_t>()[i] = static_cast<uint8_t>(integer(123, 128));
  }
  return w;
}

// ---- judgements -----------------------------------------------------------------------------

// Relative distance |found - expected| / |expected| of the whole result.  Sums are f32 in lanes;
// what is larger has its reason beside it.
struct Tolerance {
  static constexpr double sums = 2e-6;
  static constexpr double exponentials = 4e-6;  // a quotient of sums of exponentials
  static constexpr double angles = 1e-6;
  // A value near a border may round to the neighbour: steps are 2^-4 for E4M3 and 2^-2 for E2M1.
  static constexpr double rounded = 2e-3;
  static constexpr double sinkhorn = 1e-5;  // forty divisions in f32
  static constexpr double none = 0;         // to the bit
};

inline bool same_float(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

inline void expect_same_bits(const Tensor& found, const Tensor& expected, const std::string& what) {
  ASSERT_EQ(found.shape(), expected.shape()) << what;
  ASSERT_EQ(found.dtype(), expected.dtype()) << what;
  if (found.dtype() != DType::f32) {
    if (found.bytes() == 0) return;
    ASSERT_EQ(std::memcmp(found.raw(), expected.raw(), static_cast<size_t>(found.bytes())), 0)
        << what;
    return;
  }
  for (int64_t i = 0; i < found.count(); ++i)
    ASSERT_TRUE(same_float(found.data<float>()[i], expected.data<float>()[i]))
        << what << ": [" << i << "] of " << shape_text(found.shape()) << " found "
        << found.data<float>()[i] << ", expected " << expected.data<float>()[i];
}

inline void expect_agrees(const Tensor& found, const Tensor& expected, double tolerance,
                          const std::string& what) {
  if (tolerance == Tolerance::none) return expect_same_bits(found, expected, what);
  ASSERT_EQ(found.shape(), expected.shape()) << what;
  double distance = 0, size = 0;
  int64_t first_bad = -1;
  const double count = static_cast<double>(std::max<int64_t>(found.count(), 1));
  for (int64_t i = 0; i < found.count(); ++i)
    if (std::isfinite(expected.data<float>()[i]))
      size += std::pow(static_cast<double>(expected.data<float>()[i]), 2);
  const double usual = std::sqrt(size / count);
  for (int64_t i = 0; i < found.count(); ++i) {
    const float f = found.data<float>()[i], e = expected.data<float>()[i];
    if (!std::isfinite(e) || !std::isfinite(f)) {
      ASSERT_TRUE(same_float(f, e)) << what << ": [" << i << "] of " << shape_text(found.shape())
                                    << " found " << f << ", expected " << e;
      continue;
    }
    const double error = std::fabs(static_cast<double>(f) - e);
    distance += error * error;
    if (first_bad < 0 && error > 4 * tolerance * (usual + std::fabs(e))) first_bad = i;
  }
  if (distance <= tolerance * tolerance * size) return;
  first_bad = std::max<int64_t>(first_bad, 0);
  FAIL() << what << ": relative distance " << std::sqrt(distance / size) << " > " << tolerance
         << "; [" << first_bad << "] of " << shape_text(found.shape()) << " found "
         << found.data<float>()[first_bad] << ", expected " << expected.data<float>()[first_bad];
}

}  // namespace hadal
