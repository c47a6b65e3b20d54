// SPDX-License-Identifier: MIT
// What a draft head is told about its guesses (DSpark, model-spec §6.2).
//
//   DraftLoss loss = draft_loss(guess_NV, confidence_N, judge_NV, blocks, weights);
//   (loss.sum * scale).backward();
//
// A guess costs  likelihood · -log p(token) + match · ‖p - q‖₁ + confidence · BCE(c, 1 - ½‖p -
// q‖₁): p is what the head says, q what the model itself says after the same tokens, c how sure the
// head is.  1 - ½‖p - q‖₁ is how often a guess drawn from p can stand for a draw from q.
#pragma once

#include "backends/torch/libtorch.h"
#include "train/lesson.h"

namespace hadal {

struct DraftLossWeights {
  double likelihood = 0.1;  // the published recipe's
  double match = 0.9;
  double confidence = 1;
};

struct DraftLoss {
  at::Tensor sum;        // over guesses, each with its weight
  at::Tensor nats_N;     // -log p(token)
  at::Tensor overlap_N;  // 1 - ½‖p - q‖₁
  at::Tensor agrees_N;   // whether the likeliest token is the same
};

// `judge_WV`: the model's logits of the wanted rows.
DraftLoss draft_loss(const at::Tensor& guess_NV, const at::Tensor& confidence_N,
                     const at::Tensor& judge_WV, const BlockLesson& blocks,
                     const DraftLossWeights& weights);

}  // namespace hadal
