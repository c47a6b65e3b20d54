// SPDX-License-Identifier: MIT
// Dense verbs of the CPU back end against the reference.
#include "conformance.h"

namespace hadal {
namespace {

using CpuDense = CpuTest;
HADAL_FOR_ALL_BUILDS(CpuDense);

TEST_P(CpuDense, LinearAgreesForEveryFormatAndShape) {
  struct Size {
    int64_t rows, outputs, inputs;
  };
  constexpr Size kSizes[] = {{0, 4, 32},     {1, 1, 2},      {1, 17, 80},    {2, 96, 130},
                             {3, 130, 96},   {4, 5, 18},     {5, 33, 64},    {7, 40, 514},
                             {33, 20, 1040}, {70, 130, 260}, {1, 600, 1024}, {64, 132, 640}};
  for (const StoredFormat& format : kStoredFormats)
    for (const Size& size : kSizes) {
      const Tensor x = floats({size.rows, size.inputs});
      const Weight w = weight(format, size.outputs, size.inputs);
      expect_agrees(cpu_->linear(x, w), reference_->linear(x, w), Tolerance::sums,
                    std::string(format.name) + " " + shape_text({size.outputs, size.inputs}) +
                        " x " + std::to_string(size.rows));
    }
}

TEST_P(CpuDense, LinearKeepsLeadingAxes) {
  const Tensor x = floats({3, 2, 24});
  const Weight w = weight(kStoredFormats[0], 6, 24);
  expect_agrees(cpu_->linear(x, w), reference_->linear(x, w), Tolerance::sums, "three axes");
}

TEST_P(CpuDense, LinearReadsEveryE4m3Code) {
  Weight w;
  w.values = Tensor::empty(DType::f8_e4m3, {256, 32});
  for (int64_t i = 0; i < w.values.count(); ++i)
    w.values.data<uint8_t>()[i] = static_cast<uint8_t>(i / 32);
  w.scales = Tensor::empty(DType::f8_e8m0, {256, 1});
  std::memset(w.scales.raw(), 110, 256);
  w.block_columns = 32;
  Tensor x = Tensor::zeros(DType::f32, {1, 32});
  x.data<float>()[5] = 1;
  expect_same_bits(cpu_->linear(x, w), reference_->linear(x, w), "one row of each code");
  expect_same_bits(
      cpu_->linear(cpu_->take_rows(x, Tensor::of_ints({6}, {0, 0, 0, 0, 0, 0})), w),
      reference_->linear(reference_->take_rows(x, Tensor::of_ints({6}, {0, 0, 0, 0, 0, 0})), w),
      "panels of each code");
}

TEST_P(CpuDense, LinearReadsEveryE8m0Scale) {
  Weight w;
  w.values = Tensor::empty(DType::i8, {256, 16});
  std::memset(w.values.raw(), 0x22, 256 * 16);  // all ones
  w.scales = Tensor::empty(DType::f8_e8m0, {256, 1});
  for (int64_t i = 0; i < 256; ++i) w.scales.data<uint8_t>()[i] = static_cast<uint8_t>(i);
  w.block_columns = 32;
  Tensor x = Tensor::zeros(DType::f32, {1, 32});
  x.data<float>()[31] = 1;
  expect_same_bits(cpu_->linear(x, w), reference_->linear(x, w), "each scale");
}

TEST_P(CpuDense, LinearReadsSpecialHalves) {
  Weight w;
  w.values = Tensor::empty(DType::f16, {6, 4});
  const uint16_t halves[] = {0x0001, 0x8001, 0x7c00, 0xfc00, 0x7e00, 0x03ff};
  for (int64_t i = 0; i < 24; ++i) w.values.data<uint16_t>()[i] = i % 4 == 3 ? halves[i / 4] : 0;
  const Tensor x = Tensor::of_floats({1, 4}, {0.5f, 0.5f, 0.5f, 0.5f});
  expect_same_bits(cpu_->linear(x, w), reference_->linear(x, w), "halves");
}

TEST_P(CpuDense, GroupedLinearAgrees) {
  for (const StoredFormat& format : kStoredFormats)
    for (int64_t tokens : {0, 1, 3, 9}) {
      const Tensor x = floats({tokens, 3, 70});
      const Weight w = weight(format, 3 * 18, 70);
      const Tensor flat = x.reshaped({tokens, 210});
      expect_agrees(cpu_->linear_grouped(flat, w, 3), reference_->linear_grouped(flat, w, 3),
                    Tolerance::sums, format.name);
    }
}

TEST_P(CpuDense, EmbeddingIsExact) {
  const Tensor ids = Tensor::of_ints({4}, {3, 0, 16, 3});
  const Tensor pairs = Tensor::of_ints({2, 2}, {3, 0, 16, 3});
  for (const StoredFormat& format : kStoredFormats) {
    const Weight table = weight(format, 17, 96);
    expect_same_bits(cpu_->embed(table, ids), reference_->embed(table, ids), format.name);
    expect_same_bits(cpu_->embed(table, pairs), reference_->embed(table, pairs), format.name);
  }
}

TEST_P(CpuDense, NormAgrees) {
  for (int64_t width : {1, 17, 96, 130, 4096}) {
    const Tensor x = floats({5, width}), gain = floats({width});
    const std::string what = "width " + std::to_string(width);
    expect_agrees(cpu_->rms_norm(x, gain, 1e-6f), reference_->rms_norm(x, gain, 1e-6f),
                  Tolerance::sums, what);
    expect_agrees(cpu_->rms_norm(x, {}, 1e-20f), reference_->rms_norm(x, {}, 1e-20f),
                  Tolerance::sums, what + " without a weight");
  }
  const Tensor zeros = Tensor::zeros(DType::f32, {2, 17});
  expect_agrees(cpu_->rms_norm(zeros, {}, 1e-6f), zeros, Tolerance::sums, "zeros");
}

TEST_P(CpuDense, RopeAgreesAndTurnsBack) {
  RopeTable table{floats({8}, 0.3f), 16};
  const Tensor positions = Tensor::of_ints({3}, {0, 17, 1048575});
  for (const Shape& shape : {Shape{3, 20}, Shape{3, 5, 20}, Shape{3, 1, 16}}) {
    const Tensor x = floats(shape);
    for (Turn turn : {Turn::forward, Turn::back})
      expect_agrees(cpu_->rope(x, positions, table, turn),
                    reference_->rope(x, positions, table, turn), Tolerance::angles,
                    shape_text(shape));
    const Tensor there = cpu_->rope(x, positions, table, Turn::forward);
    expect_agrees(cpu_->rope(there, positions, table, Turn::back), x, Tolerance::angles, "back");
  }
}

TEST_P(CpuDense, SwigluAgrees) {
  for (int64_t width : {1, 17, 4099})
    for (float limit : {0.0f, 1.5f}) {
      const Tensor gate = floats({3, width}, 3.0f), up = floats({3, width}, 3.0f);
      expect_agrees(cpu_->swiglu(gate, up, limit), reference_->swiglu(gate, up, limit),
                    Tolerance::exponentials, "width " + std::to_string(width));
    }
  const Tensor extreme = Tensor::of_floats({1, 6}, {-200, -90, -30, 30, 90, 200});
  const Tensor ones = Tensor::of_floats({1, 6}, {1, 1, 1, 1, 1, 1});
  expect_agrees(cpu_->swiglu(extreme, ones, 0), reference_->swiglu(extreme, ones, 0),
                Tolerance::exponentials, "extreme gates");
}

TEST_P(CpuDense, HadamardIsExact) {
  for (int64_t width : {1, 2, 8, 64, 128, 1024}) {
    const Tensor x = floats({3, width});
    expect_same_bits(cpu_->hadamard(x), reference_->hadamard(x), std::to_string(width));
  }
}

TEST_P(CpuDense, RoundingIsExact) {
  constexpr RowFormat kFormats[] = {RowFormat::f32,    RowFormat::fp8_64_tail,
                                    RowFormat::fp8_32, RowFormat::fp8_128,
                                    RowFormat::fp4_32, RowFormat::fp4_e4m3_16};
  for (RowFormat format : kFormats)
    for (int64_t width : {17, 96, 130, 512})
      for (float spread : {1e-30f, 1e-4f, 1.0f, 300.0f, 1e30f}) {
        Tensor x = floats({8, width}, spread);
        std::fill_n(x.data<float>(), width / 2, 0.0f);
        // Borders between neighbours, where ties are decided.
        for (int64_t i = 0; i < width; ++i)
          x.data<float>()[2 * width + i] = spread * 0.0625f * static_cast<float>(i % 101 - 50);
        expect_same_bits(cpu_->round_to(x, format, 16), reference_->round_to(x, format, 16),
                         "format " + std::to_string(static_cast<int>(format)) + ", width " +
                             std::to_string(width));
      }
}

TEST_P(CpuDense, RoundingTreatsNonNumbersAsTheReferenceDoes) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  for (RowFormat format : {RowFormat::fp8_32, RowFormat::fp4_32, RowFormat::fp4_e4m3_16})
    for (float odd : {infinity, -infinity, nan, -0.0f}) {
      Tensor x = floats({2, 64});
      x.data<float>()[7] = odd;
      x.data<float>()[90] = odd;
      expect_same_bits(cpu_->round_to(x, format, 0), reference_->round_to(x, format, 0),
                       std::to_string(odd));
    }
}

TEST_P(CpuDense, AdditionAndRowsAreExact) {
  const Tensor a = floats({9, 131}), b = floats({9, 131});
  expect_same_bits(cpu_->add(a, b), reference_->add(a, b), "add");
  const Tensor ids = Tensor::of_ints({3}, {8, 0, 8});
  expect_same_bits(cpu_->take_rows(a, ids), reference_->take_rows(a, ids), "take_rows");
  const Tensor numbers = Tensor::of_ints({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor two = Tensor::of_ints({2}, {2, 1});
  expect_same_bits(cpu_->take_rows(numbers, two), reference_->take_rows(numbers, two), "i64 rows");
}

}  // namespace
}  // namespace hadal
