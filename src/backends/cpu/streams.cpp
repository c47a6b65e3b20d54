// SPDX-License-Identifier: MIT
// Residual streams (mHC, model-spec §2) and Engram's gate (§5.3).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {
namespace {

// A token's coefficients after the products: two dozen exponentials and the Sinkhorn rounds.
constexpr int64_t kCostOfMix = 4096;
constexpr int64_t kMixedTogether = 16;  // tokens: lanes of the widest register

float sigmoid(float x) {
  return 1.0f / (1.0f + std::exp(-x));
}

}  // namespace

Tensor CpuOps::spread(const Tensor& x, int64_t streams) {
  const int64_t tokens = x.size(0), width = x.size(1);
  const Tensor out = Tensor::empty(DType::f32, {tokens, streams, width});
  for (int64_t i = 0; i < tokens * streams; ++i)
    std::copy_n(x.data<float>() + i / streams * width, width, out.data<float>() + i * width);
  return out;
}

Tensor CpuOps::mix_coefficients(const Tensor& x, const Tensor& fn, float epsilon) {
  const int64_t tokens = x.size(0), coefficients = fn.size(0), width = fn.size(1);
  CHECK(tokens == 0 || x.row_width() == width, shape_text(x.shape()), " meets ", width);
  const Tensor mu = Tensor::empty(DType::f32, {tokens, coefficients});
  multiply(
      Weight{fn, {}}, {.rows = {x.data<float>(), width, nullptr}, .whole = {}},
      {.last = coefficients, .rows = tokens, .out = {mu.data<float>(), coefficients, nullptr}});
  split_rows(tokens, width, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const float squares = kernels_.sum_of_squares(x.data<float>() + t * width, width);
      const float inverse = 1.0f / std::sqrt(squares / static_cast<float>(width) + epsilon);
      for (int64_t i = 0; i < coefficients; ++i) mu.data<float>()[t * coefficients + i] *= inverse;
    }
  });
  return mu;
}

Mix CpuOps::mix(const Tensor& x, const MixWeights& weights, const MixOptions& options) {
  const int64_t tokens = x.size(0), streams = x.size(1), square = streams * streams;
  CHECK(streams <= kMostStreams, streams, " streams");
  const Tensor mu = mix_coefficients(x, weights.fn, options.norm_epsilon);
  Mix mix{Tensor::empty(DType::f32, {tokens, streams}),
          Tensor::empty(DType::f32, {tokens, streams}),
          Tensor::empty(DType::f32, {tokens, streams, streams})};
  const int64_t coefficients = 2 * streams + square;
  deal((tokens + kMixedTogether - 1) / kMixedTogether, kMixedTogether * kCostOfMix,
       [&](int64_t unit) {
         const int64_t first = unit * kMixedTogether;
         stream_kernels_.mix(
             {mu.data<float>() + first * coefficients, std::min(kMixedTogether, tokens - first),
              streams, weights.scale.data<float>(), weights.base.data<float>(), options.epsilon,
              options.rounds, mix.pre_TS.data<float>() + first * streams,
              mix.post_TS.data<float>() + first * streams,
              mix.comb_TSS.data<float>() + first * square});
       });
  return mix;
}

Tensor CpuOps::mix_head(const Tensor& x, const MixWeights& weights, const MixOptions& options) {
  const int64_t streams = x.size(1);
  const Tensor pre = mix_coefficients(x, weights.fn, options.norm_epsilon);
  const float* base = weights.base.data<float>();
  const float scale = weights.scale.data<float>()[0];
  float* values = pre.data<float>();
  for (int64_t i = 0; i < pre.count(); ++i)
    values[i] = sigmoid(values[i] * scale + base[i % streams]) + options.epsilon;
  return pre;
}

Tensor CpuOps::narrow(const Tensor& x, const Tensor& pre) {
  const int64_t tokens = x.size(0), streams = x.size(1), width = x.size(2);
  CHECK(streams <= kMostStreams, streams, " streams");
  const Tensor out = Tensor::empty(DType::f32, {tokens, width});
  split_rows(tokens, streams * width, [&](int64_t begin, int64_t end) {
    const float* rows[kMostStreams];
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t s = 0; s < streams; ++s) rows[s] = x.data<float>() + (t * streams + s) * width;
      kernels_.combine(rows, pre.data<float>() + t * streams, streams, width,
                       out.data<float>() + t * width);
    }
  });
  return out;
}

Tensor CpuOps::widen(const Tensor& y, const Tensor& x, const Tensor& post, const Tensor& comb) {
  const int64_t tokens = x.size(0), streams = x.size(1), width = x.size(2);
  CHECK(streams <= kMostStreams, streams, " streams");
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  split_rows(tokens, streams * (streams + 1) * width, [&](int64_t begin, int64_t end) {
    const float* rows[kMostStreams + 1];
    float factors[kMostStreams + 1];
    for (int64_t t = begin; t < end; ++t) {
      rows[0] = y.data<float>() + t * width;
      for (int64_t j = 0; j < streams; ++j)
        rows[j + 1] = x.data<float>() + (t * streams + j) * width;
      for (int64_t k = 0; k < streams; ++k) {
        factors[0] = post.data<float>()[t * streams + k];
        for (int64_t j = 0; j < streams; ++j)
          factors[j + 1] = comb.data<float>()[(t * streams + j) * streams + k];
        kernels_.combine(rows, factors, streams + 1, width,
                         out.data<float>() + (t * streams + k) * width);
      }
    }
  });
  return out;
}

Tensor CpuOps::engram(const Tensor& x, const Tensor& kv, const Tensor& q_weight,
                      const Tensor& k_weight, const Tensor& dead, float epsilon) {
  const int64_t tokens = x.size(0), streams = x.size(1), width = x.size(2);
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  // Both gains at once: they belong to the weights, not to the token.
  std::vector<float> gains(static_cast<size_t>(streams * width));
  for (size_t i = 0; i < gains.size(); ++i)
    gains[i] = q_weight.data<float>()[i] * k_weight.data<float>()[i];
  split_rows(tokens, 4 * streams * width, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * streams; row < end * streams; ++row) {
      const int64_t t = row / streams, s = row % streams;
      const float* stream = x.data<float>() + row * width;
      const float* key = kv.data<float>() + (t * (streams + 1) + s) * width;
      const float* value = kv.data<float>() + (t * (streams + 1) + streams) * width;
      const float count = static_cast<float>(width);
      const float stream_size = std::sqrt(kernels_.sum_of_squares(stream, width) / count + epsilon);
      const float key_size = std::sqrt(kernels_.sum_of_squares(key, width) / count + epsilon);
      const float match = kernels_.sum_of_products(stream, gains.data() + s * width, key, width) /
                          stream_size / key_size / std::sqrt(count);
      float gate = sigmoid(std::copysign(std::sqrt(std::max(std::fabs(match), 1e-6f)), match));
      if (dead.defined() && index_at(dead, t) != 0) gate = 0;
      const float* rows[2] = {stream, value};
      const float factors[2] = {1.0f, gate};
      kernels_.combine(rows, factors, 2, width, out.data<float>() + row * width);
    }
  });
  return out;
}

}  // namespace hadal::cpu
