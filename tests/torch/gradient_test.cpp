// SPDX-License-Identifier: MIT
// Gradients of every verb: by ATen in f64 against central differences, and the fused loops in f32
// against ATen.
#include <cmath>

#include <gtest/gtest.h>

#include "backends/torch/libtorch_parallel.h"
#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"
#include "cases.h"

namespace hadal {
namespace {

std::unique_ptr<Ops> open(const TorchOptions& options) {
  return make_torch_ops("cpu", options).take();
}

// A fixed random projection of all outputs, so that one backward pass tests every one of them.
// What is masked (-inf) or counted (ids) stays outside.
at::Tensor loss_of(const std::vector<Tensor>& outputs, at::ScalarType precision) {
  at::Tensor loss = at::zeros({}, precision);
  for (const Tensor& output : outputs) {
    const at::Tensor out = unwrap(output);
    if (!out.is_floating_point()) continue;
    const at::Tensor place = at::arange(out.numel(), at::kDouble).view(out.sizes());
    const at::Tensor weight = at::sin(place * 1.7 + 0.3).to(precision);
    loss = loss + (at::where(at::isfinite(out), out, at::zeros_like(out)) * weight).sum();
  }
  return loss;
}

std::vector<at::Tensor> leaves_of(const Case& one, at::ScalarType precision) {
  std::vector<at::Tensor> leaves;
  for (const Tensor& input : one.inputs)
    leaves.push_back(unwrap(input).to(precision).clone().set_requires_grad(true));
  return leaves;
}

at::Tensor loss_of(const Case& one, Ops& ops, const std::vector<at::Tensor>& leaves) {
  std::vector<Tensor> inputs;
  for (const at::Tensor& leaf : leaves) inputs.push_back(wrap(leaf));
  return loss_of(one.run(ops, inputs), leaves[0].scalar_type());
}

std::vector<at::Tensor> gradients_of(const Case& one, Ops& ops, at::ScalarType precision) {
  const std::vector<at::Tensor> leaves = leaves_of(one, precision);
  const at::Tensor loss = loss_of(one, ops, leaves);
  if (loss.requires_grad()) loss.backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& leaf : leaves)
    gradients.push_back(leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf));
  return gradients;
}

// Central difference of the loss by element i of leaf n.
double difference(const Case& one, Ops& ops, std::vector<at::Tensor>& leaves, size_t n, int64_t i) {
  constexpr double kStep = 1e-6;  // small beside the curve of the Engram gate near zero
  double* place = leaves[n].data_ptr<double>() + i;
  const double value = *place;
  *place = value + kStep;
  const double above = loss_of(one, ops, leaves).item<double>();
  *place = value - kStep;
  const double below = loss_of(one, ops, leaves).item<double>();
  *place = value;
  return (above - below) / (2 * kStep);
}

// Up to this many elements of each input are moved, evenly spread.
constexpr int64_t kProbes = 12;

void expect_gradients_by_difference(const Case& one, Ops& ops) {
  const std::vector<at::Tensor> gradients = gradients_of(one, ops, at::kDouble);
  std::vector<at::Tensor> leaves = leaves_of(one, at::kDouble);
  const at::NoGradGuard no_gradients;
  for (size_t n = 0; n < leaves.size(); ++n) {
    const int64_t count = leaves[n].numel(), stride = std::max<int64_t>(1, count / kProbes);
    const at::Tensor gradient = gradients[n].contiguous();
    for (int64_t i = 0; i < count; i += stride) {
      const double expected = difference(one, ops, leaves, n, i);
      const double found = gradient.data_ptr<double>()[i];
      ASSERT_NEAR(found, expected, 2e-7 * (10 + std::fabs(expected)))
          << "input " << n << " element " << i << " of " << shape_text(one.inputs[n].shape());
    }
  }
}

TEST(TorchGradients, AreThoseOfDifferences) {
  const std::unique_ptr<Ops> ops = open({.fused = false, .double_precision = true});
  for (const Case& one : all_cases()) {
    if (!one.smooth) continue;
    SCOPED_TRACE(one.name);
    expect_gradients_by_difference(one, *ops);
    if (HasFatalFailure()) return;
  }
}

TEST(TorchGradients, OfFusedLoopsAreThoseOfAten) {
  const std::unique_ptr<Ops> fused = open({}), composed = open({.fused = false});
  const std::unique_ptr<Ops> exact = open({.fused = false, .double_precision = true});
  for (const Case& one : all_cases()) {
    SCOPED_TRACE(one.name);
    // Roundings and choices may fall differently in f64; there f32 judges.
    const at::ScalarType precision = one.smooth ? at::kDouble : at::kFloat;
    const std::vector<at::Tensor> expected =
        gradients_of(one, one.smooth ? *exact : *composed, precision);
    const std::vector<at::Tensor> found = gradients_of(one, *fused, at::kFloat);
    for (size_t n = 0; n < found.size(); ++n) {
      const double size = expected[n].numel() ? expected[n].abs().max().item<double>() : 0;
      const double error =
          found[n].numel() ? (found[n] - expected[n]).abs().max().item<double>() : 0;
      // The Engram gate is steep near zero, where it enlarges the last bits of its match.
      ASSERT_LE(error, 1e-4 * (1 + size)) << "input " << n << " of size " << size;
    }
  }
}

TEST(TorchGradients, AreTheSameBitsEveryTime) {
  const std::unique_ptr<Ops> ops = open({});
  for (const Case& one : all_cases()) {
    SCOPED_TRACE(one.name);
    const std::vector<at::Tensor> first = gradients_of(one, *ops, at::kFloat);
    const std::vector<at::Tensor> second = gradients_of(one, *ops, at::kFloat);
    for (size_t n = 0; n < first.size(); ++n) ASSERT_TRUE(first[n].equal(second[n]));
  }
}

TEST(TorchGradients, OfLoopsDoNotDependOnTheNumberOfThreads) {
  const std::unique_ptr<Ops> ops = open({});
  const int before = at::get_num_threads();
  for (const Case& one : all_cases()) {
    SCOPED_TRACE(one.name);
    at::set_num_threads(1);
    const std::vector<at::Tensor> alone = gradients_of(one, *ops, at::kFloat);
    at::set_num_threads(3);
    const std::vector<at::Tensor> shared = gradients_of(one, *ops, at::kFloat);
    for (size_t n = 0; n < alone.size(); ++n) EXPECT_TRUE(alone[n].equal(shared[n]));
  }
  at::set_num_threads(before);
}

TEST(TorchGradients, PassStraightThroughRoundings) {
  const std::unique_ptr<Ops> ops = open({});
  const at::Tensor x = torch::randn({3, 64}, at::requires_grad());
  unwrap(ops->round_to(wrap(x), RowFormat::fp4_32, 0)).sum().backward();
  EXPECT_TRUE(x.grad().equal(at::ones_like(x)));
}

}  // namespace
}  // namespace hadal
