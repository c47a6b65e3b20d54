// SPDX-License-Identifier: MIT
// Exact products in BF16 (backends/cpu/bf16.h): rows that E4M3 holds against the reference; other
// rows take the f32 kernels to the bit; and a row's bits are its own.
#include "conformance.h"

namespace hadal {
namespace {

std::vector<Build> bf16_builds() {
  std::vector<Build> builds;
  for (InstructionSet set : kInstructionSetsBestFirst)
    if (machine_has(set) && cpu::bf16_kernels_for(set) != nullptr)
      for (int64_t threads : {1, 3}) builds.push_back({set, threads});
  return builds;
}

constexpr int64_t kOutputs[] = {1, 6, 67};

class CpuBf16 : public CpuTest {
 protected:
  // As the model rounds before a quantised product.
  Tensor rounded(int64_t rows, int64_t width) {
    return reference_->round_to(floats({rows, width}), RowFormat::fp8_32, 0);
  }
  static Tensor row_of(const Tensor& x, int64_t row) {
    const Tensor one = Tensor::empty(DType::f32, {1, x.size(1)});
    std::copy_n(x.data<float>() + row * x.size(1), x.size(1), one.data<float>());
    return one;
  }
};
INSTANTIATE_TEST_SUITE_P(Builds, CpuBf16, testing::ValuesIn(bf16_builds()),
                         [](const auto& test) { return build_name(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuBf16);

TEST_P(CpuBf16, LinearOfRoundedRowsIsTheReferences) {
  for (const StoredFormat& format : kQuantised)
    for (int64_t inputs : {2, 32, 80, 128, 130, 288, 1040})
      for (int64_t outputs : kOutputs) {
        const Weight w = weight(format, outputs, inputs);
        for (int64_t rows : {0, 1, 3, 5, 9, 14, 40}) {
          const Tensor x = rounded(rows, inputs);
          expect_agrees(cpu_->linear(x, w), reference_->linear(x, w), Tolerance::sums,
                        std::string(format.name) + " " + std::to_string(rows) + " x " +
                            std::to_string(inputs) + " -> " + std::to_string(outputs));
        }
      }
}

TEST_P(CpuBf16, ARowHasTheSameBitsAloneAndInAPanel) {
  for (const StoredFormat& format : kQuantised) {
    const Weight w = weight(format, 67, 288);
    const Tensor x = rounded(40, 288), all = cpu_->linear(x, w);
    for (int64_t row : {0, 1, 38, 39}) {
      const Tensor alone = cpu_->linear(row_of(x, row), w);
      for (int64_t o = 0; o < 67; ++o)
        ASSERT_EQ(alone.data<float>()[o], all.data<float>()[row * 67 + o]) << format.name;
    }
  }
}

TEST_P(CpuBf16, RowsThatItDoesNotHoldTakeTheFloats) {
  const std::unique_ptr<Ops> floats_only =
      make_cpu_ops({.threads = GetParam().threads, .instruction_set = InstructionSet::avx512});
  for (const StoredFormat& format : kQuantised) {
    const Weight w = weight(format, 67, 288);
    const Tensor x = floats({5, 288});
    const Tensor mine = cpu_->linear(x, w), theirs = floats_only->linear(x, w);
    for (int64_t i = 0; i < mine.count(); ++i)
      ASSERT_EQ(mine.data<float>()[i], theirs.data<float>()[i]) << format.name;
  }
  // A value that products of BF16 would take for zero.
  const Weight w = weight(kQuantised[2], 4, 32);
  Tensor tiny = Tensor::zeros(DType::f32, {1, 32});
  tiny.data<float>()[3] = 0x1p-130f;
  const Tensor mine = cpu_->linear(tiny, w), theirs = floats_only->linear(tiny, w);
  for (int64_t i = 0; i < mine.count(); ++i)
    EXPECT_EQ(mine.data<float>()[i], theirs.data<float>()[i]);
}

// The fast mode: BF16 weights meet activations that are rounded to BF16.
class CpuBf16Weights : public CpuBf16 {
 protected:
  std::unique_ptr<Ops> open_fast(int64_t threads) {
    return make_cpu_ops(
        {.threads = threads, .instruction_set = GetParam().set, .arithmetic = Arithmetic::fast});
  }
  static Tensor as_bf16(const Tensor& x) {
    const Tensor out = Tensor::empty(DType::f32, x.shape());
    for (int64_t i = 0; i < x.count(); ++i)
      out.data<float>()[i] = bf16_to_float(float_to_bf16(x.data<float>()[i]));
    return out;
  }
  const StoredFormat kPlain{"bf16", DType::bf16, DType::f32, 1, 1};
};
INSTANTIATE_TEST_SUITE_P(Builds, CpuBf16Weights, testing::ValuesIn(bf16_builds()),
                         [](const auto& test) { return build_name(test.param); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CpuBf16Weights);

TEST_P(CpuBf16Weights, MeetWhatTheRoundingLeaves) {
  const std::unique_ptr<Ops> fast = open_fast(GetParam().threads);
  for (int64_t inputs : {2, 32, 80, 128, 130, 288, 1040})
    for (int64_t outputs : kOutputs) {
      const Weight w = weight(kPlain, outputs, inputs);
      for (int64_t rows : {0, 1, 3, 5, 9, 14, 40}) {
        const Tensor x = floats({rows, inputs});
        expect_agrees(fast->linear(x, w), reference_->linear(as_bf16(x), w), Tolerance::sums,
                      std::to_string(rows) + " x " + std::to_string(inputs) + " -> " +
                          std::to_string(outputs));
      }
    }
}

TEST_P(CpuBf16Weights, RowsAreIndependentOfOthersAndOfThreads) {
  const std::unique_ptr<Ops> fast = open_fast(GetParam().threads), alone = open_fast(1);
  for (int64_t inputs : {80, 512, 1040}) {
    const Weight w = weight(kPlain, 300, inputs);
    const Tensor x = floats({33, inputs}), whole = fast->linear(x, w);
    expect_same_bits(whole, alone->linear(x, w), "on one thread");
    for (int64_t t = 0; t < 33; t += 8)
      expect_same_bits(fast->linear(x.rows(t, 1), w), whole.rows(t, 1), "alone");
    expect_same_bits(fast->linear(x.rows(2, 7), w), whole.rows(2, 7), "of seven");
  }
}

TEST_P(CpuBf16Weights, StayExactInTheExactMode) {
  const std::unique_ptr<Ops> floats_only =
      make_cpu_ops({.threads = GetParam().threads, .instruction_set = InstructionSet::avx512});
  const Weight w = weight(kPlain, 67, 288);
  const Tensor x = floats({5, 288});
  expect_same_bits(cpu_->linear(x, w), floats_only->linear(x, w), "bf16");
}

// Every code of both formats, each met by 1.
TEST_P(CpuBf16, EveryCodeIsItsValue) {
  for (const StoredFormat& format : {kQuantised[2], kQuantised[3]}) {
    const Weight w = weight(format, 32, 256);
    uint8_t* codes = const_cast<uint8_t*>(w.values.raw());
    for (int64_t i = 0; i < w.values.count(); ++i) codes[i] = static_cast<uint8_t>(i % 256);
    if (!w.packed_fp4())
      for (int64_t i = 0; i < w.values.count(); ++i)
        if ((codes[i] & 0x7f) == 0x7f) codes[i] = 0;
    for (int64_t column = 0; column < 256; ++column) {
      Tensor x = Tensor::zeros(DType::f32, {1, 256});
      x.data<float>()[column] = 1;
      const Tensor mine = cpu_->linear(x, w), right = reference_->linear(x, w);
      for (int64_t o = 0; o < 32; ++o)
        ASSERT_EQ(mine.data<float>()[o], right.data<float>()[o])
            << format.name << " output " << o << " input " << column;
    }
  }
}

}  // namespace
}  // namespace hadal
