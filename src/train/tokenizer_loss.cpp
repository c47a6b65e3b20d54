// SPDX-License-Identifier: MIT
// The loss, term by term.
#include "train/tokenizer_loss.h"

namespace hadal {
namespace {

// [K, Y', X', t·patch²·C] -> [K·t, Y, X, C]
at::Tensor as_frames(const at::Tensor& patches, const VisualTokenizerConfig& shape) {
  const int64_t latent = patches.size(0), high = patches.size(1), wide = patches.size(2);
  const int64_t channels = patches.size(3) / (shape.temporal * shape.patch * shape.patch);
  return patches.view({latent, high, wide, shape.temporal, shape.patch, shape.patch, channels})
      .permute({0, 3, 1, 4, 2, 5, 6})
      .reshape({latent * shape.temporal, high * shape.patch, wide * shape.patch, channels});
}

at::Tensor mean_of_differences(const at::Tensor& error_FYXC, const at::Tensor& weight_FYX1) {
  const int64_t high = error_FYXC.size(1), wide = error_FYXC.size(2);
  const at::Tensor down = error_FYXC.narrow(1, 1, high - 1) - error_FYXC.narrow(1, 0, high - 1);
  const at::Tensor right = error_FYXC.narrow(2, 1, wide - 1) - error_FYXC.narrow(2, 0, wide - 1);
  return (down.abs() * weight_FYX1.narrow(1, 1, high - 1)).sum() +
         (right.abs() * weight_FYX1.narrow(2, 1, wide - 1)).sum();
}

at::Tensor halved(const at::Tensor& x_FYXC) {
  const int64_t high = x_FYXC.size(1) / 2, wide = x_FYXC.size(2) / 2;
  return x_FYXC.narrow(1, 0, 2 * high)
      .narrow(2, 0, 2 * wide)
      .reshape({x_FYXC.size(0), high, 2, wide, 2, x_FYXC.size(3)})
      .mean(at::IntArrayRef{2, 4});
}

}  // namespace

at::Tensor visual_loss(const at::Tensor& restored, const VisualLesson& lesson,
                       const VisualTokenizerConfig& shape, const TokenizerLossWeights& weights) {
  const at::Tensor difference = restored - lesson.patches;
  const at::Tensor error = as_frames(difference, shape);
  const at::Tensor weight = as_frames(lesson.weights, shape);
  const double all = 1 / lesson.weights.sum().item<double>();
  at::Tensor loss = torch::zeros({}, restored.options());

  if (weights.absolute > 0) {
    const float colour = static_cast<float>(weights.colour);
    const at::Tensor turn_3C = at::tensor({0.25f, 0.5f * colour, -0.25f * colour,  //
                                           0.5f, 0.0f, 0.5f * colour,              //
                                           0.25f, -0.5f * colour, -0.25f * colour},
                                          at::kFloat)
                                   .view({3, 3})
                                   .to(restored.options());
    loss = loss + (at::matmul(error, turn_3C).abs() * weight).sum() * (weights.absolute * all);
  }
  if (weights.square > 0)
    loss = loss + (error.square() * weight).sum() * (weights.square * all / 3);
  if (weights.gradient > 0) {
    const double share = weights.gradient * all / 3;
    loss = loss + mean_of_differences(error, weight) * share +
           mean_of_differences(halved(error), halved(weight)) * (4 * share);
  }
  if (weights.decibels > 0) {
    constexpr double kFloor = 1e-4;  // 46 dB: better is not asked for
    const at::Tensor mean_K = difference.square().mean(at::IntArrayRef{1, 2, 3});
    loss = loss + (mean_K + kFloor).log10().mean() * weights.decibels;
  }
  return loss;
}

}  // namespace hadal
