// SPDX-License-Identifier: MIT
// DSpark: stages that guess a block of tokens at once (model-spec §6.2).
//
//   T tokens of the batch   B rows of a block   S residual streams   D model width   V vocabulary
//
// Every token that the model reads leaves a row in the window of each stage, made of the streams'
// means at a few late layers.  A round runs the stages over a block of the token that was chosen
// and noise; the block's rows see each other both ways, and the last W tokens that were read.
// They leave nothing in the windows: their own rows lie in a pool beside, so that training can
// run blocks at many places of one text at once.  A Markov head adds what the token before says
// of the one after.
// Held to spec130 of tests/goldens/v41-tiny.
#include <algorithm>
#include <cmath>

#include "model/transformer.h"

namespace hadal {

bool Transformer::is_draft_target(int64_t layer) const {
  const std::vector<int64_t>& targets = config_.draft.target_layers;
  return weights_.dspark.defined() && std::binary_search(targets.begin(), targets.end(), layer);
}

Tensor Transformer::stream_mean(const Tensor& x_TSD) const {
  const Shape shape = {x_TSD.size(0), config_.streams};
  Tensor share_TS = Tensor::empty(DType::f32, shape);
  std::fill_n(share_TS.data<float>(), share_TS.count(), 1.0f / static_cast<float>(config_.streams));
  return ops_.narrow(x_TSD, share_TS);
}

void Transformer::keep_features(const std::vector<Tensor>& features, Pass& pass) {
  const int64_t targets = static_cast<int64_t>(config_.draft.target_layers.size());
  if (static_cast<int64_t>(features.size()) < targets || pass.batch.rows() == 0) return;
  // One below the other, then side by side: [targets·T, D] -> [T, targets·D].
  const int64_t rows = pass.batch.rows();
  Tensor below = ops_.make_pool(targets * rows, config_.width);
  Tensor ids_TN = Tensor::empty(DType::i64, {rows, targets});
  for (int64_t n = 0; n < targets; ++n) {
    std::vector<int64_t> ids;
    for (int64_t row = 0; row < rows; ++row) {
      ids.push_back(n * rows + row);
      ids_TN.data<int64_t>()[row * targets + n] = n * rows + row;
    }
    ops_.write_rows(below, Tensor::of_ints({rows}, ids), features[static_cast<size_t>(n)]);
  }
  const Tensor beside = ops_.embed(Weight{below, {}, 1, 1}, ids_TN);
  see(config_.layers, "draft.features", beside);
  const Tensor main_TD = norm(linear(beside, weights_.dspark.fuse), weights_.dspark.fuse_norm);
  int64_t layer = config_.layers;
  for (const LayerWeights& w : weights_.dspark.blocks) keep_window_rows(layer++, w, main_TD, pass);
}

int64_t Transformer::draft_limit() const {
  return weights_.dspark.defined() ? config_.draft.block : 0;
}

Pass Transformer::begin_blocks(const std::vector<DraftStart>& starts, Cache& cache) const {
  Batch batch;
  for (const DraftStart& start : starts) {
    std::vector<int64_t> ids(static_cast<size_t>(config_.draft.block), config_.draft.noise_id);
    ids.front() = start.id;
    batch.append(start.slot, start.position + 1, ids);
  }
  return {batch, cache.plan_blocks(batch), batch.ids_T(), {}, cache, {}};
}

bool Transformer::begin_draft(const DraftStart& start, Cache& cache) {
  if (!weights_.dspark.defined() || is_visual(config_, cache.token_at(start.slot, start.position)))
    return false;
  Pass pass = begin_blocks({start}, cache);
  const Tensor asked_ND = run_stages(pass).rows(0, start.count);
  block_ = {asked_ND, logits(norm(asked_ND, weights_.dspark.norm)), 0};
  return true;
}

DraftBlocks Transformer::with_tokens(const Tensor& y_ND, const Tensor& logits_NV,
                                     const Tensor& before_N) {
  const DsparkWeights& w = weights_.dspark;
  const Tensor row_NR = ops_.embed(w.markov_rows, before_N);
  return {ops_.add(logits_NV, ops_.linear(row_NR, w.markov_head)),
          ops_.add(ops_.linear(y_ND, w.confidence_state), ops_.linear(row_NR, w.confidence_token))};
}

DraftGuess Transformer::next_guess(int64_t id, Cache&) {
  CHECK(block_.next < block_.y_BD.size(0), "a guess more than the round was begun for");
  const int64_t row = block_.next++;
  const DraftBlocks guess = with_tokens(block_.y_BD.rows(row, 1), block_.logits_BV.rows(row, 1),
                                        Tensor::of_ints({1}, {id}));
  const Tensor sure = ops_.to_host(guess.confidence_N1);
  return {guess.logits_NV.reshaped({guess.logits_NV.count()}),
          1 / (1 + std::exp(-sure.data<float>()[0]))};
}

DraftBlocks Transformer::draft_blocks(const std::vector<DraftStart>& starts,
                                      const std::vector<int64_t>& before, Cache& cache) {
  Pass pass = begin_blocks(starts, cache);
  CHECK(static_cast<int64_t>(before.size()) == pass.batch.rows(), before.size(), " tokens");
  const Tensor y_ND = run_stages(pass);
  return with_tokens(y_ND, logits(norm(y_ND, weights_.dspark.norm)),
                     Tensor::of_ints({pass.batch.rows()}, before));
}

}  // namespace hadal
