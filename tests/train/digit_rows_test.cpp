// SPDX-License-Identifier: MIT
// Digit rows: the gradient of the sum, the steps of two Adams in one table, exact resume.
#include "train/digit_rows.h"

#include <cmath>
#include <fstream>

#include "../model/visual_model.h"
#include "testing.h"
#include "train/optimiser.h"

namespace hadal::testing {
namespace {

// Three groups of 27 codes: three digits of three values.
ModelConfig digit_config() {
  ModelConfig config = visual_config();
  config.visual.codes = 27;
  config.vocab = config.visual.first_id + 3 * 27;
  return config;
}

DigitRows digit_rows(const ModelConfig& config) {
  Result<DigitRows> digits = DigitRows::create(config.visual, 3);
  EXPECT_TRUE(digits) << digits.error().message;
  return digits.take();
}

at::Tensor some_values(const at::IntArrayRef& shape, double salt) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return (at::arange(count, at::kFloat) * 12.9898 + salt).sin().mul(43758.5453).frac().view(shape);
}

// Row g·codes + k of a table, by the definition.
at::Tensor sum_of_digits(const at::Tensor& rows, int64_t group, int64_t code) {
  return rows[0][group][code / 9] + rows[1][group][code / 3 % 3] + rows[2][group][code % 3];
}

TEST(DigitRowsTest, AddsToEachCodeTheRowsOfItsDigits) {
  const ModelConfig config = digit_config();
  const DigitRows digits = digit_rows(config);
  const at::Tensor rows = some_values({3, 3, 3, 5}, 1);
  const at::Tensor table = torch::zeros({config.vocab, 5}, at::kFloat);
  digits.add_to(table, rows, 2);
  EXPECT_EQ(table.narrow(0, 0, config.visual.first_id).abs().max().item<double>(), 0);
  for (int64_t g = 0; g < 3; ++g)
    for (int64_t k = 0; k < 27; ++k)
      EXPECT_TRUE(
          at::allclose(table[config.visual.first_id + g * 27 + k], 2 * sum_of_digits(rows, g, k)))
          << g << " " << k;
}

// What autograd says of a loss that is written out with E and D.
TEST(DigitRowsTest, GathersTheGradientOfTheSum) {
  const ModelConfig config = digit_config();
  const DigitRows digits = digit_rows(config);
  const at::Tensor base = some_values({config.vocab, 5}, 2).set_requires_grad(true);
  const at::Tensor rows = some_values({3, 3, 3, 5}, 3).set_requires_grad(true);
  const at::Tensor ids = at::tensor({5, 384, 384 + 27 + 13, 384 + 26, 384 + 54 + 4, 384 + 27 + 13});
  std::vector<at::Tensor> read;
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const int64_t id = ids[i].item<int64_t>(), code = id - config.visual.first_id;
    read.push_back(code < 0 ? base[id] : base[id] + sum_of_digits(rows, code / 27, code % 27));
  }
  const at::Tensor weights = some_values({ids.numel(), 5}, 4);
  (at::stack(read).tanh() * weights).sum().backward();
  EXPECT_TRUE(at::allclose(digits.gathered(base.grad()), rows.grad()));
  EXPECT_GT(rows.grad().abs().max().item<double>(), 0.1);
}

class DigitOptimiserTest : public ::testing::Test {
 protected:
  // Moves the head by `gradient`, as often as asked.
  at::Tensor moved(const at::Tensor& gradient, int steps) {
    Parameters parameters(config_, 1);
    Optimiser optimiser(parameters, {}, digit_rows(config_));
    Parameter& head = *parameters.find("head.weight");
    before_ = head.value.detach().clone();
    for (int n = 1; n <= steps; ++n) {
      head.value.mutable_grad() = gradient * (n - 1.4);
      EXPECT_TRUE(optimiser.step(0.01, 1));
    }
    return head.value.detach();
  }

  ModelConfig config_ = digit_config();
  at::Tensor before_;
};

// Moments and steps of Adam without decay, as its formula says.
struct PlainAdam {
  at::Tensor first, second;
  at::Tensor step(const at::Tensor& gradient, int n) {
    if (!first.defined()) first = at::zeros_like(gradient), second = at::zeros_like(gradient);
    first = first * 0.9 + gradient * 0.1;
    second = second * 0.95 + gradient * gradient * 0.05;
    return first / (1 - std::pow(0.9, n)) /
           ((second / (1 - std::pow(0.95, n))).sqrt() + OptimiserOptions().epsilon);
  }
};

TEST_F(DigitOptimiserTest, TheTableStaysTheSumOfTwoThatLearnApart) {
  const at::Tensor gradient = some_values({config_.vocab, config_.width}, 5) - 0.5;
  const at::Tensor table = moved(gradient, 4);
  // E begins as the table, D with zeros.
  const DigitRows digits = digit_rows(config_);
  at::Tensor base = before_.clone();
  at::Tensor rows = at::zeros_like(digits.gathered(base));
  PlainAdam of_base, of_rows;
  for (int n = 1; n <= 4; ++n) {
    const at::Tensor now = gradient * (n - 1.4);
    base = base * (1 - 0.01 * 0.1) - of_base.step(now, n) * 0.01;
    rows = rows * (1 - 0.01 * 0.1) - of_rows.step(digits.gathered(now), n) * 0.01;
  }
  const at::Tensor sum = base.clone();
  digits.add_to(sum, rows, 1);
  EXPECT_LT((table - sum).abs().max().item<double>(), 1e-6);
  EXPECT_GT((table - base).abs().max().item<double>(), 0.01);
}

// What digit rows are for.
TEST_F(DigitOptimiserTest, ACodeThatWasNotReadMovesWithItsDigits) {
  at::Tensor gradient = torch::zeros({config_.vocab, config_.width}, at::kFloat);
  const int64_t first = config_.visual.first_id;
  gradient[first + 5].fill_(1);  // group 0, digits 0 1 2
  const at::Tensor after = moved(gradient, 1);
  const at::Tensor change = after - before_ * (1 - 0.01 * 0.1);
  const double own = change[first + 5][0].item<double>();
  EXPECT_NEAR(own, 0.04,
              1e-4);  // its own step and three digits'; moved() begins with −0.4 of the gradient
  // Three digits and itself, two digits, one, none; another group, words.
  EXPECT_NEAR(change[first + 2][0].item<double>(), own / 2, 1e-6);   // 0 0 2
  EXPECT_NEAR(change[first + 22][0].item<double>(), own / 4, 1e-6);  // 2 1 1
  EXPECT_NEAR(change[first + 24][0].item<double>(), 0, 1e-6);        // 2 2 0
  EXPECT_NEAR(change[first + 27 + 5][0].item<double>(), 0, 1e-6);
  EXPECT_NEAR(change[5][0].item<double>(), 0, 1e-6);
}

TEST(DigitRowsTest, FreshRowsOfOneDigitAreRelated) {
  const ModelConfig config = digit_config();
  Parameters parameters(config, 1);
  Parameter& table = *parameters.find("embed.weight");
  digit_rows(config).relate(table, 1);
  const at::Tensor codes = table.value.detach().narrow(0, config.visual.first_id, 27);
  const auto likeness = [&](int64_t a, int64_t b) {
    return at::cosine_similarity(codes[a], codes[b], 0).item<double>();
  };
  // Two digits of three in common, against none, over all such pairs.
  double near = 0, far = 0;
  for (int64_t k = 0; k < 27; ++k) {
    near += likeness(k, k / 3 * 3 + (k + 1) % 3) / 27;
    far += likeness(k, (k + 13) % 27 / 9 * 9 + (k / 3 + 1) % 3 * 3 + (k + 1) % 3) / 27;
  }
  EXPECT_GT(near, far + 0.15);
  const double words = table.value.detach().narrow(0, 0, 300).std().item<double>();
  EXPECT_NEAR(codes.std().item<double>(), words, 0.15 * words);
}

TEST(DigitRowsTest, RefusesCodesThatAreNotDigits) {
  EXPECT_FALSE(DigitRows::create(visual_config().visual, 3));  // 20 codes
  EXPECT_FALSE(DigitRows::create(digit_config().visual, 27));  // one digit
  EXPECT_FALSE(DigitRows::create(digit_config().visual, 1));
  EXPECT_FALSE(DigitRows::create({}, 3));
}

class DigitTrainerTest : public ::testing::Test {
 protected:
  DigitTrainerTest() {
    const ModelConfig config = digit_config();
    std::ofstream(folder_ / "config.json") << config.to_json();
    ShardWriter writer("test", config.vocab);
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      std::vector<int64_t> ids = sequence_with_clip(config, {2, 3, 2, 8}, seed);
      ids.back() = config.eos_id;
      writer.add(CellIds(config).to_tokens(ids), 0, 4);
    }
    EXPECT_TRUE(writer.write(folder_ / "drawn.shard"));
  }
  std::unique_ptr<Trainer> trainer(const std::string& out, int64_t levels) {
    const std::string json = R"({"model": "config.json", "train": ["drawn.shard"], "out": ")" +
                             out + R"(", "steps": 40, "micro_tokens": 200, "accumulation": 1,
      "learning_rate": 0.01, "warmup_steps": 3, "decay_start": 40, "threads": 1, "block_share": 0.2,
      "code_levels": )" + std::to_string(levels) +
                             "}";
    const Result<TrainConfig> run = TrainConfig::parse(json, folder_ / "train.json", {});
    EXPECT_TRUE(run) << run.error().message;
    return open_trainer(*run);
  }
  std::vector<double> losses(Trainer& trainer, int64_t until) {
    std::vector<double> found;
    while (trainer.steps_done() < until) {
      const Result<StepReport> report = trainer.step();
      EXPECT_TRUE(report) << report.error().message;
      if (!report) break;
      found.push_back(report->cell_loss);
    }
    return found;
  }

  Folder folder_;
};

TEST_F(DigitTrainerTest, GoesOnExactly) {
  const std::unique_ptr<Trainer> unbroken = trainer("out", 3);
  losses(*unbroken, 2);
  ASSERT_TRUE(unbroken->save_state());
  const std::vector<double> expected = losses(*unbroken, 4);
  const std::unique_ptr<Trainer> resumed = trainer("out", 3);
  const Result<bool> found = resumed->resume();
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(losses(*resumed, 4), expected);
  // Without the moments of the digits the state is another run's.
  EXPECT_FALSE(trainer("out", 0)->resume());
}

TEST_F(DigitTrainerTest, ChangesTheRunAndLearns) {
  const std::vector<double> with = losses(*trainer("with", 3), 12);
  const std::vector<double> without = losses(*trainer("without", 0), 2);
  EXPECT_NE(with[1], without[1]);
  EXPECT_LT(with.back(), 0.9 * with.front());
}

}  // namespace
}  // namespace hadal::testing
