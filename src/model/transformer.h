// SPDX-License-Identifier: MIT
// What V4 and V4.1 share: one attention over rows by index, compressors, experts, logits.
//
// Names carry shapes (see ops.h):  T tokens  D width  S streams  H heads  K head width
//   R query rank  G groups completed in this batch  I index width
#pragma once

#include "model/model.h"
#include "model/model_weights.h"

namespace hadal {

// What one forward pass carries along: the batch, and the row ids that follow from it.
struct Pass {
  Batch batch;
  Plan plan;
  Tensor ids_T;                 // of the vocabulary; 0 for a cell
  std::vector<int64_t> wanted;  // rows of this batch whose logits are asked for
  Cache& cache;
  Pool block_rows = {};  // of a block of guesses: what its own rows left at this layer

  bool guesses() const { return plan.block_ids_TB.defined(); }
};

// Where the families differ in data, not in steps.
struct FamilyTraits {
  bool normalise_query_heads = false;  // V4's weightless norm of every query head
  bool rotate_index = false;           // V4's Hadamard rotation of index queries and keys
  float weight_epsilon = 0;            // in the sum of the chosen routing weights
};
FamilyTraits traits_of(Family family);

class Transformer : public Model {
 public:
  Transformer(const ModelConfig& config, ModelWeights weights, Ops& ops,
              const ModelOptions& options);

 public:
  Tensor logits(const Tensor& state_WD) override;
  Tensor next_code_state(const Tensor& state_WD, const Tensor& codes_W, int64_t group) override;
  Tensor code_logits(const Tensor& state_WD, int64_t group) override;
  int64_t draft_limit() const override;
  bool begin_draft(const DraftStart& start, Cache& cache) override;
  DraftGuess next_guess(int64_t id, Cache& cache) override;
  DraftBlocks draft_blocks(const std::vector<DraftStart>& starts,
                           const std::vector<int64_t>& before, Cache& cache) override;

 protected:
  // Rows of the table by id; a cell is the sum of its codes' rows.
  Tensor embedding(const Batch& batch) const;
  Pass begin(const Batch& batch, Cache& cache) const;

  // x·wᵀ, x rounded first where the checkpoint's weight is quantised and roundings are on (§8.3).
  Tensor linear(const Tensor& x, const Weight& w) const;
  Tensor norm(const Tensor& x, const Tensor& gain) const;
  Tensor rounded(const Tensor& x, RowFormat format) const;

  // ---- attention, in the order of §3.1
  Tensor query_latent(const LayerWeights& w, const Tensor& x_TD) const;  // [T, R]
  void keep_window_rows(int64_t layer, const LayerWeights& w, const Tensor& x_TD, Pass& pass);
  // Rows into a pool, which rounds them; observers see what it then holds.
  void keep(int64_t layer, std::string_view name, const Tensor& rows, const Tensor& ids,
            Pool& pool) const;
  // Pools the groups that this batch completes -> [G, width], normalised, not yet rotated.
  Tensor compress(const CompressorWeights& w, const Tensor& x_TD, const GroupPlan& plan,
                  Tensor& state_values, Tensor& state_scores, int64_t width);
  void keep_compressed_rows(int64_t layer, const LayerWeights& w, const Tensor& latent_GK,
                            const GroupPlan& plan, Pass& pass);
  void keep_index_keys(int64_t layer, const LayerWeights& w, Tensor key_GI, const GroupPlan& plan,
                       Pass& pass);
  // Indexer scores of every visible entry -> [T, N].
  Tensor index_scores(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                      const Tensor& latent_TR, const Pool& keys, const GroupPlan& plan,
                      const Pass& pass) const;
  // What the indexer asks of them; the rows that it chooses are the same either way.
  IndexQuery index_query(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                         const Tensor& latent_TR, const GroupPlan& plan, const Pass& pass) const;
  // Whether somebody wants the scores themselves: an observer, or attention to all entries.
  bool wants_scores() const { return observer_ != nullptr || options_.dense_selection; }
  Tensor attend(int64_t layer, const LayerWeights& w, const Tensor& latent_TR, const Sight& past,
                const Tensor& scores_TN, const Pass& pass) const;

  // ---- DSpark (§6.2; dspark.cpp)
  bool is_draft_target(int64_t layer) const;
  // The mean of the streams: what the stages read of a token at each target layer.
  Tensor stream_mean(const Tensor& x_TSD) const;
  // Of all target layers, in their order: the batch's rows of the stages' windows.
  void keep_features(const std::vector<Tensor>& features, Pass& pass);
  // A block for each start: the chosen token and noise, each row seeing the last tokens read and
  // all of its block.
  Pass begin_blocks(const std::vector<DraftStart>& starts, Cache& cache) const;
  // What the family's stages make of them: [T, D].
  virtual Tensor run_stages(Pass& pass) = 0;

  // ---- the rest of a layer
  // Pictures have a balance of their own: bias_vl where a row is visual (§4.1).
  Tensor router_bias(const FeedForwardWeights& w, const Batch& batch) const;
  Tensor feed_forward(int64_t layer, const LayerWeights& w, const Tensor& x_TD,
                      const Pass& pass) const;
  // The wanted rows as the heads read them -> [wanted, D].
  Tensor finish(const Tensor& x_TD, const Tensor& gain, const Pass& pass) const;

  void see(int64_t layer, std::string_view name, const Tensor& value) const {
    if (observer_) observer_->tensor(layer, name, value);
  }
  const GroupPlan& groups_of(int64_t layer, const Pass& pass) const {
    return pass.plan.groups.at(config_.ratio(layer));
  }
  MixOptions mix_options() const;

  ModelWeights weights_;
  FamilyTraits traits_;

 private:
  // The block that guesses are being made of.
  struct Block {
    Tensor y_BD, logits_BV;  // of the rows that were asked for
    int64_t next = 0;
  };
  // What the Markov head and the confidence add to rows, given the tokens before them.
  DraftBlocks with_tokens(const Tensor& y_ND, const Tensor& logits_NV, const Tensor& before_N);
  Block block_;
};

std::unique_ptr<Model> make_v4(const ModelConfig& config, ModelWeights weights, Ops& ops,
                               const ModelOptions& options);
std::unique_ptr<Model> make_v41(const ModelConfig& config, ModelWeights weights, Ops& ops,
                                const ModelOptions& options,
                                const std::vector<int32_t>& compressed_ids);

}  // namespace hadal
