// SPDX-License-Identifier: MIT
// Forward and backward of one micro-batch of pictures.
#include "train/tokenizer_worker.h"

#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"
#include "train/tokenizer_loss.h"

namespace hadal {

Result<std::unique_ptr<TokenizerWorker>> TokenizerWorker::create(const TokenizerTrainConfig& config,
                                                                 const Parameters& parameters) {
  std::unique_ptr<TokenizerWorker> worker(new TokenizerWorker(config, parameters));
  TRY(worker->ops_, make_torch_ops("cpu"));
  const VisualTensorSource source = [&](const VisualTensor& tensor) -> Result<Weight> {
    Parameter* parameter = worker->parameters_.find(tensor.name);
    if (parameter == nullptr) return fail("no parameter is called '", tensor.name, "'");
    return Weight{wrap(parameter->value), {}};
  };
  TRY(worker->network_, VisualNetwork::create(config.shape, source, *worker->ops_));
  return worker;
}

at::Tensor TokenizerWorker::forward(const VisualLesson& lesson, const CodeScales& running,
                                    ScaleSource source) {
  const Tensor before = wrap(lesson.before);
  const at::Tensor pre_codes = unwrap(network_.encode(wrap(lesson.patches), before, *ops_));
  const at::Tensor flat = pre_codes.view({-1, pre_codes.size(3)});
  const at::Tensor mean = flat.mean(0);
  const at::Tensor variance = (flat - mean).square().mean(0);
  batch_scales_ = {mean.detach(), variance.detach()};
  const bool own = source == ScaleSource::batch;
  const at::Tensor normal = (pre_codes - (own ? mean : running.mean)) *
                            ((own ? variance : running.variance) + kScaleEpsilon).rsqrt();
  at::Tensor values = unwrap(ops_->squash(wrap(normal), config_.shape.levels));
  if (lesson.unrounded.defined()) {
    const at::Tensor smooth = unwrap(ops_->squash(wrap(normal), 0));
    values = values + (smooth - values) * lesson.unrounded;
  }
  if (lesson.shown.defined()) values = values * lesson.shown;
  const at::Tensor restored = unwrap(network_.decode(wrap(values), before, *ops_));
  return visual_loss(restored, lesson, config_.shape, config_.loss);
}

double TokenizerWorker::learn(const VisualLesson& lesson, const CodeScales& running,
                              ScaleSource source, double share) {
  const at::Tensor loss = forward(lesson, running, source);
  torch::autograd::backward({loss * share}, {});
  return loss.item<double>();
}

double TokenizerWorker::measure(const VisualLesson& lesson, const CodeScales& running) {
  at::NoGradGuard no_gradients;
  return forward(lesson, running, ScaleSource::running).item<double>();
}

}  // namespace hadal
