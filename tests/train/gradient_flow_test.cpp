// SPDX-License-Identifier: MIT
// Which loss moves which weights: the indexer learns from its own loss alone, and nothing else
// learns from it.
#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"
#include "testing.h"
#include "train/auxiliary_losses.h"
#include "train/parameters.h"

namespace hadal {
namespace {

class GradientFlowTest : public ::testing::TestWithParam<bool> {
 protected:
  // Runs the model over two documents; gives the logits.
  at::Tensor forward(const AuxiliaryOptions& options) {
    TrainConfig config = testing::tiny_run(folder_, "v41-tiny");
    model_config_ = config.model_config().take();
    parameters_ = std::make_unique<Parameters>(model_config_, 1);
    losses_ = std::make_unique<AuxiliaryLosses>(model_config_, options);
    ops_ = make_torch_ops("cpu").take();
    ModelOptions model_options;
    model_options.dense_selection = GetParam();
    model_ = Model::create(model_config_, parameters_->source(), *ops_, model_options,
                           testing::any_token_map(config))
                 .take();
    Batch batch;
    for (int64_t slot = 0; slot < 2; ++slot) {
      std::vector<int64_t> ids;
      for (int64_t i = 0; i < 40; ++i) ids.push_back((7 * i + slot * 31) % 300);
      batch.append(slot, 0, ids);
    }
    for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
    Cache cache(model_config_, *ops_, {.slots = 2, .max_positions = 40, .max_chunk = 40});
    model_->watch(losses_.get());
    losses_->begin(batch);
    return unwrap(model_->forward(batch, cache));
  }
  // Parameters with a gradient that is not zero, by whether they belong to an indexer.
  int64_t moved(bool of_indexer) const {
    int64_t count = 0;
    for (const Parameter& parameter : parameters_->all()) {
      bool is_indexer = parameter.spec.name.find(".indexer.") != std::string::npos;
      if (is_indexer != of_indexer || !parameter.value.grad().defined()) continue;
      if (parameter.value.grad().abs().max().item<double>() > 0) ++count;
    }
    return count;
  }

  testing::Folder folder_;
  ModelConfig model_config_;
  std::unique_ptr<Parameters> parameters_;
  std::unique_ptr<AuxiliaryLosses> losses_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
};

TEST_P(GradientFlowTest, IndexerLossReachesTheIndexerAlone) {
  forward({.balance_weight = 0, .indexer_weight = 1});
  losses_->total().backward();
  EXPECT_GT(moved(true), 5);
  EXPECT_EQ(moved(false), 0);
}

TEST_P(GradientFlowTest, LanguageLossReachesEverythingElse) {
  at::Tensor logits = forward({.balance_weight = 0, .indexer_weight = 0});
  EXPECT_FALSE(losses_->total().defined());
  at::log_softmax(logits, 1).select(1, 5).sum().backward();
  EXPECT_EQ(moved(true), 0);
  EXPECT_GT(moved(false), 100);
}

INSTANTIATE_TEST_SUITE_P(Selection, GradientFlowTest, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Dense" : "Sparse"; });

}  // namespace
}  // namespace hadal
