// SPDX-License-Identifier: MIT
// The optimisers against their formulas.
#include "train/optimiser.h"

#include <cmath>

#include "testing.h"
#include "train/newton_schulz.h"

namespace hadal {
namespace {

at::Tensor some_matrices(int64_t count, int64_t rows, int64_t columns) {
  at::Tensor x = at::arange(count * rows * columns, at::kFloat);
  return (x * 12.9898).sin().mul(43758.5453).frac().view({count, rows, columns});
}

TEST(NewtonSchulzTest, MakesSingularValuesOne) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{8, 8}, {6, 40}, {40, 6}, {1, 5}}) {
    at::Tensor x = newton_schulz(some_matrices(3, rows, columns));
    bool tall = rows > columns;
    at::Tensor gram = tall ? at::bmm(x.transpose(1, 2), x) : at::bmm(x, x.transpose(1, 2));
    at::Tensor off = gram - at::eye(gram.size(1)).unsqueeze(0);
    EXPECT_LT(off.abs().max().item<double>(), 0.02) << rows << "×" << columns;
  }
}

TEST(NewtonSchulzTest, KeepsZero) {
  EXPECT_EQ(newton_schulz(torch::zeros({1, 3, 4})).abs().max().item<double>(), 0);
}

// Parameters of the golden model, of which one gets a gradient.
class OptimiserTest : public ::testing::Test {
 protected:
  OptimiserTest() {
    Result<ModelConfig> config = ModelConfig::open(testing::golden_config("v41-tiny"));
    EXPECT_TRUE(config) << config.error().message;
    parameters_ = std::make_unique<Parameters>(*config, 1);
  }
  Parameter& give(const std::string& name, double gradient) {
    Parameter& parameter = *parameters_->find(name);
    parameter.value.mutable_grad() = torch::full(parameter.value.sizes(), gradient, at::kFloat);
    return parameter;
  }
  std::unique_ptr<Parameters> parameters_;
};

TEST_F(OptimiserTest, AdamwMovesByItsFormula) {
  OptimiserOptions options;
  Optimiser optimiser(*parameters_, options);
  double rate = 0.1, first = 0, second = 0;
  double weight = parameters_->find("head.weight")->value.flatten()[0].item<double>();
  for (int n = 1; n <= 3; ++n) {
    double gradient = 0.5 * n - 1.2;
    Parameter& head = give("head.weight", gradient);
    ASSERT_TRUE(optimiser.step(rate, 1));
    first = 0.9 * first + 0.1 * gradient;
    second = 0.95 * second + 0.05 * gradient * gradient;
    double direction = first / (1 - std::pow(0.9, n)) / std::sqrt(second / (1 - std::pow(0.95, n)));
    weight = weight * (1 - rate * 0.1) - rate * direction;
    EXPECT_NEAR(head.value.flatten()[0].item<double>(), weight, 1e-5) << n;
  }
}

TEST_F(OptimiserTest, NormsDoNotDecay) {
  Optimiser optimiser(*parameters_, {});
  Parameter& norm = give("norm.weight", 1e-9);
  ASSERT_TRUE(optimiser.step(0.01, 1));
  EXPECT_NEAR(norm.value[0].item<double>(), 0.99, 1e-6);  // one Adam step, no decay
}

TEST_F(OptimiserTest, MuonMovesWithTheRootMeanSquareOfTheReport) {
  OptimiserOptions options;
  options.weight_decay = 0;
  Optimiser optimiser(*parameters_, options);
  Parameter& matrix = *parameters_->find("layers.0.attn.wkv.weight");
  at::Tensor before = matrix.value.detach().clone();
  matrix.value.mutable_grad() =
      some_matrices(1, matrix.value.size(0), matrix.value.size(1)).squeeze(0) - 0.5;
  ASSERT_TRUE(optimiser.step(1, 1));
  double square = (matrix.value.detach() - before).square().mean().item<double>();
  // Exactly 0.18 for a square matrix; the shorter side decides for others.
  double shorter = static_cast<double>(std::min(before.size(0), before.size(1)));
  double longer = static_cast<double>(std::max(before.size(0), before.size(1)));
  EXPECT_NEAR(std::sqrt(square),
              0.18 * std::sqrt(longer) * std::sqrt(shorter) / std::sqrt(shorter * longer), 0.01);
}

TEST_F(OptimiserTest, HeadsAreOrthogonalisedApart) {
  OptimiserOptions options;
  options.weight_decay = 0;
  Optimiser optimiser(*parameters_, options);
  Parameter& query = *parameters_->find("layers.0.attn.wq_b.weight");
  ASSERT_GT(query.spec.heads, 1);
  int64_t rows = query.value.size(0) / query.spec.heads;
  at::Tensor before = query.value.detach().clone();
  at::Tensor gradient = torch::zeros(query.value.sizes());
  gradient.narrow(0, 0, rows) = some_matrices(1, rows, query.value.size(1)).squeeze(0);
  query.value.mutable_grad() = gradient;
  ASSERT_TRUE(optimiser.step(1, 1));
  at::Tensor moved = (query.value.detach() - before).abs();
  EXPECT_GT(moved.narrow(0, 0, rows).max().item<double>(), 0.01);
  EXPECT_EQ(moved.narrow(0, rows, query.value.size(0) - rows).max().item<double>(), 0);
}

TEST_F(OptimiserTest, EngramRowsThatWereNotReadStayWhereTheyAre) {
  OptimiserOptions options;
  Optimiser optimiser(*parameters_, options);
  Parameter& table = *parameters_->find("layers.1.engram.embed.weight");
  at::Tensor before = table.value.detach().clone();
  at::Tensor gradient = torch::zeros(table.value.sizes());
  gradient[5].fill_(-2);
  table.value.mutable_grad() = gradient;
  ASSERT_TRUE(optimiser.step(0.01, 2));
  at::Tensor moved = table.value.detach() - before;
  EXPECT_NEAR(moved[5][0].item<double>(), 0.05, 1e-6);  // five times the rate, against the gradient
  moved[5].fill_(0);
  EXPECT_EQ(moved.abs().max().item<double>(), 0);
}

TEST_F(OptimiserTest, ThreadsChangeNothing) {
  Result<ModelConfig> config = ModelConfig::open(testing::golden_config("v41-tiny"));
  Parameters other(*config, 1);
  Optimiser one(*parameters_, {}), two(other, {});
  for (Parameters* parameters : {parameters_.get(), &other})
    for (Parameter& parameter : parameters->all())
      if (parameter.value.requires_grad())
        parameter.value.mutable_grad() = parameter.value.detach().sin();
  ASSERT_TRUE(one.step(0.01, 1));
  ASSERT_TRUE(two.step(0.01, 3));
  for (size_t i = 0; i < other.all().size(); ++i)
    EXPECT_TRUE(at::equal(parameters_->all()[i].value, other.all()[i].value))
        << other.all()[i].spec.name;
}

}  // namespace
}  // namespace hadal
