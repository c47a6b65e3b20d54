// SPDX-License-Identifier: MIT
// The three losses of a guess.
#include "train/draft_loss.h"

namespace hadal {

DraftLoss draft_loss(const at::Tensor& guess_NV, const at::Tensor& confidence_N,
                     const at::Tensor& judge_WV, const BlockLesson& blocks,
                     const DraftLossWeights& weights) {
  const at::Tensor judge_NV =
      judge_WV.detach().index_select(0, at::tensor(blocks.judges, at::kLong));
  const at::Tensor targets_N1 = at::tensor(blocks.targets, at::kLong).unsqueeze(1);
  const at::Tensor weight_N = at::tensor(blocks.weights, at::kFloat);
  const at::Tensor log_p_NV = at::log_softmax(guess_NV, 1);
  const at::Tensor gap_N = (log_p_NV.exp() - at::softmax(judge_NV, 1)).abs().sum(1);
  const at::Tensor nats_N = -log_p_NV.gather(1, targets_N1).squeeze(1);
  const at::Tensor overlap_N = (1 - gap_N.detach() / 2).clamp(0, 1);
  const at::Tensor doubt_N = at::binary_cross_entropy_with_logits(
      confidence_N, overlap_N, /*weight=*/{}, /*pos_weight=*/{}, at::Reduction::None);
  const at::Tensor cost_N =
      weights.likelihood * nats_N + weights.match * gap_N + weights.confidence * doubt_N;
  return {(weight_N * cost_N).sum(), nats_N.detach(), overlap_N,
          guess_NV.detach().argmax(1).eq(judge_NV.argmax(1))};
}

}  // namespace hadal
