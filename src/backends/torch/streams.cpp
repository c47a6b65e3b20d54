// SPDX-License-Identifier: MIT
// Residual streams (mHC, model-spec §2) and the Engram gate (§5.3).
#include "backends/torch/fused.h"
#include "backends/torch/torch_verbs.h"

#include <cmath>

namespace hadal {
namespace {

// μ = fn·v · rsqrt(mean(v²) + epsilon)
at::Tensor mixes(const at::Tensor& x_TSD, const at::Tensor& fn, float epsilon) {
  const at::Tensor v = x_TSD.flatten(1);
  return at::linear(v, fn) * at::rsqrt(v.square().mean(1, true) + epsilon);
}

// [K4]: row softmax plus epsilon, a column step, then rounds-1 times rows and columns.
at::Tensor sinkhorn(const at::Tensor& logits_TSS, const MixOptions& options) {
  const double epsilon = options.epsilon;
  at::Tensor m = at::softmax(logits_TSS, 2) + epsilon;
  m = m / (m.sum(1, true) + epsilon);
  for (int64_t round = 1; round < options.rounds; ++round) {
    m = m / (m.sum(2, true) + epsilon);
    m = m / (m.sum(1, true) + epsilon);
  }
  return m;
}

}  // namespace

Tensor TorchOps::spread(const Tensor& x_, int64_t streams) {
  const at::Tensor x = real(x_);
  return wrap(x.unsqueeze(1).expand({x.size(0), streams, x.size(1)}));
}

Mix TorchOps::mix(const Tensor& x_, const MixWeights& weights, const MixOptions& options) {
  const at::Tensor x = real(x_), base = real(weights.base), scale = real(weights.scale);
  const int64_t tokens = x.size(0), streams = x.size(1), pairs = streams * streams;
  if (fused_ && streams == kFusedStreams) {
    const FusedMix mix = fused_mix(x, real(weights.fn), base, scale,
                                   {options.rounds, options.norm_epsilon, options.epsilon});
    return {wrap(mix.pre_TS), wrap(mix.post_TS), wrap(mix.comb_TSS)};
  }
  const at::Tensor mu = mixes(x, real(weights.fn), options.norm_epsilon);
  const auto part = [&](int64_t first, int64_t count, int64_t which) {
    return mu.narrow(1, first, count) * scale.select(0, which) + base.narrow(0, first, count);
  };
  const at::Tensor comb = part(2 * streams, pairs, 2).view({tokens, streams, streams});
  return {wrap(at::sigmoid(part(0, streams, 0)) + options.epsilon),
          wrap(2 * at::sigmoid(part(streams, streams, 1))), wrap(sinkhorn(comb, options))};
}

Tensor TorchOps::mix_head(const Tensor& x_, const MixWeights& weights, const MixOptions& options) {
  const at::Tensor mu = mixes(real(x_), real(weights.fn), options.norm_epsilon);
  return wrap(at::sigmoid(mu * real(weights.scale) + real(weights.base)) + options.epsilon);
}

Tensor TorchOps::narrow(const Tensor& x_TSD, const Tensor& pre_TS) {
  if (fused_ && x_TSD.size(1) == kFusedStreams)
    return wrap(fused_narrow(real(x_TSD), real(pre_TS)));
  return wrap(at::bmm(real(pre_TS).unsqueeze(1), real(x_TSD)).squeeze(1));
}

Tensor TorchOps::widen(const Tensor& y_TD, const Tensor& x_TSD, const Tensor& post_TS,
                       const Tensor& comb_TSS) {
  if (fused_ && x_TSD.size(1) == kFusedStreams)
    return wrap(fused_widen(real(y_TD), real(x_TSD), real(post_TS), real(comb_TSS)));
  const at::Tensor own = real(post_TS).unsqueeze(2) * real(y_TD).unsqueeze(1);
  return wrap(own + at::bmm(real(comb_TSS).transpose(1, 2), real(x_TSD)));
}

Tensor TorchOps::engram(const Tensor& x_, const Tensor& kv_, const Tensor& q_weight_SD,
                        const Tensor& k_weight_SD, const Tensor& dead_T, float epsilon) {
  const at::Tensor x_TSD = real(x_);
  const int64_t tokens = x_TSD.size(0), streams = x_TSD.size(1), width = x_TSD.size(2);
  if (fused_) {
    const at::Tensor dead = dead_T.defined() ? unwrap(dead_T).ne(0).to(at::kByte) : at::Tensor();
    return wrap(
        fused_engram(x_TSD, real(kv_), real(q_weight_SD) * real(k_weight_SD), dead, epsilon));
  }
  const at::Tensor kv = real(kv_).view({tokens, streams + 1, width});
  const at::Tensor key_TSD = kv.narrow(1, 0, streams), value = kv.narrow(1, streams, 1);
  const at::Tensor weight_SD = real(q_weight_SD) * real(k_weight_SD);
  const auto inverse_rms = [&](const at::Tensor& v) {
    return at::rsqrt(v.square().mean(2) + epsilon);
  };
  const at::Tensor match_TS = (x_TSD * weight_SD * key_TSD).sum(2) * inverse_rms(x_TSD) *
                              inverse_rms(key_TSD) / std::sqrt(static_cast<double>(width));
  const at::Tensor root = at::sqrt(match_TS.abs().clamp_min(1e-6));
  at::Tensor gate_TS = at::sigmoid(at::copysign(root, match_TS.detach()));
  if (dead_T.defined())
    gate_TS = gate_TS.masked_fill(unwrap(dead_T).to(device_).ne(0).view({-1, 1}), 0);
  return wrap(x_TSD + gate_TS.unsqueeze(2) * value);
}

}  // namespace hadal
