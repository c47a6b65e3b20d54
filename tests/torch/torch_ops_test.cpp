// SPDX-License-Identifier: MIT
// Every verb of the torch back end against the reference: by ATen alone, by fused loops, in f64.
#include "backends/torch/torch_ops.h"

#include <cmath>

#include <gtest/gtest.h>

#include "backends/torch/rounding.h"
#include "backends/torch/torch_tensor.h"
#include "cases.h"

namespace hadal {
namespace {

std::unique_ptr<Ops> open(const TorchOptions& options) {
  Result<std::unique_ptr<Ops>> ops = make_torch_ops("cpu", options);
  CHECK(static_cast<bool>(ops), ops ? "" : ops.error().message);
  return ops.take();
}

double value_at(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::f32:
      return tensor.data<float>()[i];
    case DType::u8:
      return tensor.data<uint8_t>()[i];
    case DType::i64:
      return static_cast<double>(tensor.data<int64_t>()[i]);
    default:
      CHECK(false);
      return 0;
  }
}

// Says where the first mismatch is.
void expect_near(const Tensor& found, const Tensor& expected, double tolerance) {
  ASSERT_EQ(shape_text(found.shape()), shape_text(expected.shape()));
  ASSERT_EQ(found.dtype(), expected.dtype());
  for (int64_t i = 0; i < found.count(); ++i) {
    const double a = value_at(found, i), b = value_at(expected, i);
    const bool same = a == b || std::fabs(a - b) <= tolerance * (1 + std::fabs(b));
    ASSERT_TRUE(same) << "at " << i << " of " << shape_text(found.shape()) << ": found " << a
                      << ", expected " << b;
  }
}

void expect_like_reference(const TorchOptions& options, double tolerance) {
  const std::unique_ptr<Ops> reference = make_reference_ops(), ops = open(options);
  for (const Case& one : all_cases()) {
    SCOPED_TRACE(one.name);
    const std::vector<Tensor> expected = one.run(*reference, one.inputs);
    const std::vector<Tensor> found = one.run(*ops, one.inputs);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i)
      expect_near(ops->to_host(found[i]), expected[i], tolerance);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(TorchOps, ComposedVerbsMeanWhatTheReferenceMeans) {
  expect_like_reference({.fused = false, .double_precision = false}, 1e-5);
}

TEST(TorchOps, FusedVerbsMeanWhatTheReferenceMeans) {
  expect_like_reference({.fused = true, .double_precision = false}, 1e-5);
}

TEST(TorchOps, DoublePrecisionMeansTheSame) {
  expect_like_reference({.fused = false, .double_precision = true}, 2e-6);
}

TEST(TorchOps, RoundingsByBitsAgreeWithTheLoopsOnTheHost) {
  Numbers numbers(5);
  const std::unique_ptr<Ops> reference = make_reference_ops();
  for (int format = 1; format <= static_cast<int>(RowFormat::fp4_e4m3_16); ++format)
    for (float size : {0.0f, 1e-38f, 1e-7f, 1e-3f, 1.0f, 1e5f}) {
      SCOPED_TRACE(testing::Message() << "format " << format << " size " << size);
      const Tensor x = numbers.floats({50, 144}, size);
      const RowFormat row_format = static_cast<RowFormat>(format);
      expect_near(wrap(round_composed(unwrap(x), row_format, 16)),
                  reference->round_to(x, row_format, 16), 0);
    }
}

TEST(TorchOps, PrepareDequantisesAndLeavesLeavesAlone) {
  const std::unique_ptr<Ops> ops = open({});
  Tensor codes = Tensor::zeros(DType::f8_e4m3, {2, 2});
  Tensor scales = Tensor::zeros(DType::f8_e8m0, {1, 1});
  for (int i = 0; i < 4; ++i) codes.raw()[i] = static_cast<uint8_t>(0x38 + i);  // 1, 1.125, …
  scales.raw()[0] = 128;                                                        // 2
  const Weight dense = ops->prepare(Weight{codes, scales, 128, 128});
  EXPECT_FALSE(dense.quantised());
  expect_near(dense.values, Tensor::of_floats({2, 2}, {2, 2.25, 2.5, 2.75}), 0);

  const Tensor leaf = wrap(torch::ones({2, 2}, at::requires_grad()));
  EXPECT_TRUE(unwrap(ops->prepare(Weight{leaf, {}, 1, 1}).values).is_leaf());
  EXPECT_TRUE(unwrap(ops->prepare(leaf)).requires_grad());
}

TEST(TorchOps, WithoutGradientsAPoolIsWrittenInPlace) {
  const std::unique_ptr<Ops> ops = open({});
  const at::NoGradGuard no_gradients;
  Tensor pool = ops->make_pool(4, 2);
  const float* address = pool.data<float>();
  ops->write_rows(pool, Tensor::of_ints({1}, {3}), Tensor::of_floats({1, 2}, {5, 6}));
  EXPECT_EQ(pool.data<float>(), address);
  expect_near(pool.rows(3, 1), Tensor::of_floats({1, 2}, {5, 6}), 0);
}

TEST(TorchOps, ALargeBlockWaitsForTheNextTensorOfItsSize) {
  const std::unique_ptr<Ops> ops = open({});
  const void* first = at::zeros({1 << 20}, at::kFloat).data_ptr();
  const at::Tensor again = at::empty({1 << 20}, at::kFloat),
                   other = at::empty({1 << 20}, at::kFloat);
  EXPECT_EQ(again.data_ptr(), first);
  EXPECT_NE(other.data_ptr(), first);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(other.data_ptr()) % 64, 0u);
}

// Above 2^24 scores queries are taken in several passes.
TEST(TorchOps, AttentionOverManyRowsIsThatOfEachQueryAlone) {
  const std::unique_ptr<Ops> ops = open({});
  constexpr int64_t kQueries = 4200, kRows = 4100;
  Numbers numbers(3);
  const Tensor q = numbers.floats({kQueries, 1, 2}), keys = numbers.floats({kRows, 1, 2}),
               values = numbers.floats({kRows, 1, 1});
  const auto ids = [](int64_t count, int64_t value) {
    return Tensor::of_ints({count}, std::vector<int64_t>(static_cast<size_t>(count), value));
  };
  const Tensor all =
      ops->to_host(ops->attend_all(q, keys, values, ids(kQueries, 0), ids(kQueries, kRows), 1));
  ASSERT_EQ(all.shape(), (Shape{kQueries, 1, 1}));
  for (int64_t query : {int64_t{0}, int64_t{4090}, int64_t{4091}, int64_t{4092}, kQueries - 1})
    expect_near(
        all.rows(query, 1),
        ops->to_host(ops->attend_all(q.rows(query, 1), keys, values, ids(1, 0), ids(1, kRows), 1)),
        1e-5);
}

TEST(TorchOps, AnUnknownDeviceIsRefused) {
  EXPECT_FALSE(static_cast<bool>(make_torch_ops("abacus")));
}

}  // namespace
}  // namespace hadal
