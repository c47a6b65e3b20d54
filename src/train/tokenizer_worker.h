// SPDX-License-Identifier: MIT
// One worker of a visual tokenizer's training step: the network over the shared weights with
// gradients of its own, so that micro-batches run side by side, each on one thread.
//
//   TRY(auto worker, TokenizerWorker::create(config, parameters));
//   double loss = worker->learn(lesson, scales, fixed, 1.0 / passes);
//
// Pre-codes are brought to mean 0 and variance 1 by channel before they are squashed, so that
// every step of a digit is used: by the batch's own figures, later by running ones.  The exported
// network has them folded into the encoder's last matrix.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "model/visual_tokenizer_network.h"
#include "train/parameters.h"
#include "train/tokenizer_config.h"
#include "train/tokenizer_samples.h"

namespace hadal {

// Mean and variance of every pre-code, f32 [groups·digits].
struct CodeScales {
  at::Tensor mean, variance;
};
constexpr double kScaleEpsilon = 1e-5;  // added to the variance

// Where pre-codes' scales are taken from.
enum class ScaleSource { batch, running };

class TokenizerWorker {
 public:
  static Result<std::unique_ptr<TokenizerWorker>> create(const TokenizerTrainConfig& config,
                                                         const Parameters& parameters);

  // Forward and backward; gradients of loss · `share` are added up.  Gives the loss.
  double learn(const VisualLesson& lesson, const CodeScales& running, ScaleSource source,
               double share);
  // The loss alone, by running scales.
  double measure(const VisualLesson& lesson, const CodeScales& running);

  Parameters& gradients() { return parameters_; }
  const CodeScales& batch_scales() const { return batch_scales_; }  // of the last learn()
  Ops& ops() { return *ops_; }

 private:
  TokenizerWorker(const TokenizerTrainConfig& config, const Parameters& parameters)
      : config_(config), parameters_(parameters.replica()) {}
  at::Tensor forward(const VisualLesson& lesson, const CodeScales& running, ScaleSource source);

  const TokenizerTrainConfig& config_;
  Parameters parameters_;
  std::unique_ptr<Ops> ops_;
  VisualNetwork network_;
  CodeScales batch_scales_;
};

}  // namespace hadal
