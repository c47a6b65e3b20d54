// SPDX-License-Identifier: MIT
// How far a visual tokenizer's pictures are from what they should be: no pretrained network, only
// differences of pixels.
//
//   at::Tensor loss = visual_loss(restored, lesson, config.shape, config.loss);
//
// e is the error in -1 … 1 units, w the weight of its pixel, means are weighted by w:
//   absolute · mean |Y(e)| + colour · (|C₁(e)| + |C₂(e)|)     Y = (r+2g+b)/4, C₁ = (r-b)/2,
//   square   · mean e²                                        C₂ = (2g-r-b)/4
//   gradient · mean |∇e|, and the same of e at half the size
//   decibels · mean over latent frames of log₁₀(mean e² + ε), unweighted
#pragma once

#include "backends/torch/libtorch.h"
#include "train/tokenizer_config.h"
#include "train/tokenizer_samples.h"

namespace hadal {

// `restored` f32 [K, Y', X', patch_values]; a scalar that remembers gradients.
at::Tensor visual_loss(const at::Tensor& restored, const VisualLesson& lesson,
                       const VisualTokenizerConfig& shape, const TokenizerLossWeights& weights);

}  // namespace hadal
