// SPDX-License-Identifier: MIT
// DSpark: stages that guess a block of tokens at once (model-spec §6.2).
//
//   T tokens of the batch   B rows of a block   S residual streams   D model width   V vocabulary
//
// Every token that the model reads leaves a row in the window of each stage, made of the streams'
// means at a few late layers.  A round runs the stages over a block of the token that was chosen
// and noise; the block's rows see each other both ways, and the last W tokens that were read.
// Its rows in the windows stand where the tokens of those positions will be read, and are written
// over then.  A Markov head adds what the token before says of the one after.
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

Pass Transformer::begin_block(const DraftStart& start, Cache& cache) const {
  const int64_t block = config_.draft.block;
  std::vector<int64_t> ids(static_cast<size_t>(block), config_.draft.noise_id);
  ids.front() = start.id;
  Batch batch;
  batch.append(start.slot, start.position + 1, ids);
  Pass pass = begin(batch, cache);
  const int64_t first = std::max<int64_t>(0, start.position + 1 - config_.window);
  std::vector<int64_t> seen;
  for (int64_t row = 0; row < block; ++row)
    for (int64_t position = first; position <= start.position + block; ++position)
      seen.push_back(start.slot * cache.ring() + position % cache.ring());
  const int64_t in_sight = static_cast<int64_t>(seen.size()) / block;
  pass.plan.window_ids_TW = Tensor::of_ints({block, in_sight}, seen);
  return pass;
}

void Transformer::end_block(const Tensor& y_BD, int64_t count) {
  const Tensor asked_ND = y_BD.rows(0, count);
  block_ = {asked_ND, logits(norm(asked_ND, weights_.dspark.norm)), 0};
}

DraftGuess Transformer::next_of_block(int64_t id) {
  const DsparkWeights& w = weights_.dspark;
  CHECK(block_.next < block_.y_BD.size(0), "a guess more than the round was begun for");
  const Tensor row_1R = ops_.embed(w.markov_rows, Tensor::of_ints({1}, {id}));
  const Tensor y_1D = block_.y_BD.rows(block_.next, 1);
  const Tensor base_1V = block_.logits_BV.rows(block_.next, 1);
  ++block_.next;
  const Tensor sure = ops_.to_host(
      ops_.add(ops_.linear(y_1D, w.confidence_state), ops_.linear(row_1R, w.confidence_token)));
  const Tensor logits_1V = ops_.add(base_1V, ops_.linear(row_1R, w.markov_head));
  return {logits_1V.reshaped({logits_1V.count()}), 1 / (1 + std::exp(-sure.data<float>()[0]))};
}

}  // namespace hadal
