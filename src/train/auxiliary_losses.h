// SPDX-License-Identifier: MIT
// The losses beside the language model's: router balance and indexer.  An Observer that looks on
// during a forward pass and gives their sum afterwards.
//
//   AuxiliaryLosses losses(config, {.balance_weight = 1e-4, .indexer_weight = 1});
//   model.watch(&losses);
//   losses.begin(batch);   model.forward(batch, cache);
//   at::Tensor extra = losses.total();         // already weighted; recorded for backward()
//   losses.loads();                            // tokens per layer and expert, added up
//
// Balance (model-spec §10.5): for each sequence Σ_e f_e·P_e, f_e = E/(K·T) · tokens that chose e,
// P_e the mean share of e's score.  Indexer (§10.4): KL(p ‖ softmax(scores)) with p the layer's own
// attention probabilities on the compressed rows in sight, summed over heads and normalised; the
// softmax runs over the same rows.  p is a constant, and the model detaches the indexer's inputs:
// so this loss moves the indexer alone, and nothing else moves the indexer.
#pragma once

#include <map>
#include <vector>

#include "backends/torch/libtorch.h"
#include "model/config.h"
#include "model/model.h"

namespace hadal {

struct AuxiliaryOptions {
  double balance_weight = 1e-4;
  double indexer_weight = 1;
};

class AuxiliaryLosses final : public Observer {
 public:
  AuxiliaryLosses(const ModelConfig& config, const AuxiliaryOptions& options);

  void begin(const Batch& batch);
  void routed(int64_t layer, const Tensor& logits_TE, const Routes& routes) override;
  void attended(const AttentionSite& site) override;

  // Sums over the tokens of the pass; undefined when no layer has such a loss.
  at::Tensor total() const { return total_; }
  double balance() const { return balance_; }  // mean a token and layer
  double indexer() const { return indexer_; }  // mean KL a token and indexer

  // Tokens sent to each expert since clear_loads(), by layer; text and pictures apart, as their
  // router biases are.
  using Loads = std::map<int64_t, std::vector<int64_t>>;
  const Loads& loads() const { return loads_; }
  const Loads& visual_loads() const { return visual_loads_; }
  void clear_loads() {
    loads_.clear();
    visual_loads_.clear();
  }

 private:
  void add(const at::Tensor& loss);

  const ModelConfig& config_;
  AuxiliaryOptions options_;
  at::Tensor sequence_T_;  // which span each row belongs to
  at::Tensor length_S_;    // rows of each span
  at::Tensor total_;
  double balance_ = 0, indexer_ = 0;
  int64_t indexers_ = 0, routers_ = 0;
  std::vector<bool> visual_;  // whether each row is
  Loads loads_, visual_loads_;
};

}  // namespace hadal
