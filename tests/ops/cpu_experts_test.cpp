// SPDX-License-Identifier: MIT
// Router, experts, residual streams and Engram of the CPU back end against the reference.
#include "conformance.h"

namespace hadal {
namespace {

class CpuExperts : public CpuTest {
 protected:
  ExpertWeights expert_weights(const StoredFormat& format, int64_t experts, int64_t inner,
                               int64_t width) {
    ExpertWeights weights;
    for (int64_t e = 0; e < experts; ++e) {
      weights.gate.push_back(weight(format, inner, width));
      weights.up.push_back(weight(format, inner, width));
      weights.down.push_back(weight(format, width, inner));
    }
    return weights;
  }
  Routes routes_among(int64_t tokens, int64_t experts, int64_t chosen) {
    RouterOptions options;
    options.experts_per_token = chosen;
    return reference_->route(floats({tokens, experts}), {}, options);
  }
};
HADAL_FOR_ALL_BUILDS(CpuExperts);

TEST_P(CpuExperts, RouteAgrees) {
  for (Scoring scoring : {Scoring::sqrt_softplus, Scoring::softmax, Scoring::sigmoid})
    for (bool biased : {false, true}) {
      RouterOptions options;
      options.experts_per_token = 6;
      options.scoring = scoring;
      options.scale = 2.5f;
      options.temperature = 0.7f;
      options.normalise = biased;
      const Tensor logits = floats({50, 67}, 4), bias = biased ? floats({67}, 0.1f) : Tensor{};
      const Routes found = cpu_->route(logits, bias, options);
      const Routes expected = reference_->route(logits, bias, options);
      expect_same_bits(found.ids_TN, expected.ids_TN, "experts");
      expect_agrees(found.weights_TN, expected.weights_TN, Tolerance::exponentials, "weights");
    }
}

TEST_P(CpuExperts, EqualScoresTakeTheLowerExpert) {
  RouterOptions options;
  options.experts_per_token = 3;
  const Tensor logits = Tensor::of_floats({1, 6}, {1, 2, 2, 2, 2, 1});
  const Routes found = cpu_->route(logits, {}, options);
  EXPECT_EQ(found.ids_TN.data<int64_t>()[0], 1);
  EXPECT_EQ(found.ids_TN.data<int64_t>()[1], 2);
  EXPECT_EQ(found.ids_TN.data<int64_t>()[2], 3);
}

TEST_P(CpuExperts, RouteByTableAgrees) {
  RouterOptions options;
  options.experts_per_token = 2;
  options.weight_epsilon = 1e-20f;
  const Tensor table = Tensor::of_ints({3, 2}, {4, 1, 0, 0, 2, 3});
  const Tensor tokens = Tensor::of_ints({4}, {2, 0, 1, 2});
  const Tensor logits = floats({4, 5});
  const Routes found = cpu_->route_by_table(logits, table, tokens, options);
  const Routes expected = reference_->route_by_table(logits, table, tokens, options);
  expect_same_bits(found.ids_TN, expected.ids_TN, "experts");
  expect_agrees(found.weights_TN, expected.weights_TN, Tolerance::exponentials, "weights");
}

TEST_P(CpuExperts, ExpertsAgreeForEveryFormat) {
  for (const StoredFormat& format : kStoredFormats) {
    const ExpertWeights weights = expert_weights(format, 5, 80, 96);
    for (int64_t tokens : {0, 1, 3, 40}) {
      const Tensor x = floats({tokens, 96}, 0.1f);
      const Routes routes = routes_among(tokens, 5, 2);
      expect_agrees(cpu_->experts(x, routes, weights, 10, RowFormat::f32),
                    reference_->experts(x, routes, weights, 10, RowFormat::f32),
                    Tolerance::exponentials,
                    std::string(format.name) + " x " + std::to_string(tokens));
    }
  }
}

TEST_P(CpuExperts, ExpertsRoundTheirHiddenRows) {
  const ExpertWeights weights = expert_weights(kStoredFormats[8], 5, 128, 64);
  const Tensor x = floats({20, 64}, 0.1f);
  const Routes routes = routes_among(20, 5, 3);
  for (RowFormat hidden : {RowFormat::fp8_128, RowFormat::fp8_32})
    expect_agrees(cpu_->experts(x, routes, weights, 10, hidden),
                  reference_->experts(x, routes, weights, 10, hidden), Tolerance::rounded,
                  "rounded");
}

TEST_P(CpuExperts, AnExpertChosenTwiceCountsTwice) {
  const ExpertWeights weights = expert_weights(kStoredFormats[1], 2, 16, 32);
  const Tensor x = floats({3, 32});
  const Routes routes{Tensor::of_ints({3, 2}, {1, 1, 0, 1, 0, 0}), floats({3, 2})};
  expect_agrees(cpu_->experts(x, routes, weights, 0, RowFormat::f32),
                reference_->experts(x, routes, weights, 0, RowFormat::f32), Tolerance::exponentials,
                "twice");
}

using CpuStreams = CpuTest;
HADAL_FOR_ALL_BUILDS(CpuStreams);

TEST_P(CpuStreams, MixAgrees) {
  for (int64_t streams : {1, 2, 4})
    for (int64_t tokens : {0, 1, 9}) {
      const int64_t width = 83, coefficients = (2 + streams) * streams;
      const MixWeights weights{floats({coefficients, streams * width}, 0.3f),
                               floats({coefficients}), floats({3})};
      const Tensor x = floats({tokens, streams, width});
      const Mix found = cpu_->mix(x, weights, {}), expected = reference_->mix(x, weights, {});
      expect_agrees(found.pre_TS, expected.pre_TS, Tolerance::exponentials, "pre");
      expect_agrees(found.post_TS, expected.post_TS, Tolerance::exponentials, "post");
      expect_agrees(found.comb_TSS, expected.comb_TSS, Tolerance::sinkhorn, "comb");
      const MixWeights head{floats({streams, streams * width}, 0.3f), floats({streams}),
                            floats({1})};
      expect_agrees(cpu_->mix_head(x, head, {}), reference_->mix_head(x, head, {}),
                    Tolerance::exponentials, "head");
    }
}

TEST_P(CpuStreams, SpreadNarrowAndWidenAgree) {
  for (int64_t width : {1, 17, 130, 1024})
    for (int64_t streams : {1, 4}) {
      const Tensor x = floats({6, streams, width}), y = floats({6, width});
      const Tensor pre = floats({6, streams}), comb = floats({6, streams, streams});
      expect_same_bits(cpu_->spread(y, streams), reference_->spread(y, streams), "spread");
      expect_agrees(cpu_->narrow(x, pre), reference_->narrow(x, pre), Tolerance::sums, "narrow");
      expect_agrees(cpu_->widen(y, x, pre, comb), reference_->widen(y, x, pre, comb),
                    Tolerance::sums, "widen");
    }
}

TEST_P(CpuStreams, EngramAgrees) {
  for (int64_t width : {17, 256}) {
    const Tensor x = floats({5, 4, width}), kv = floats({5, 5 * width});
    const Tensor q = floats({4, width}), k = floats({4, width});
    const Tensor dead = Tensor::of_ints({5}, {0, 1, 0, 0, 1});
    for (const Tensor& mask : {Tensor{}, dead})
      expect_agrees(cpu_->engram(x, kv, q, k, mask, 1e-20f),
                    reference_->engram(x, kv, q, k, mask, 1e-20f), Tolerance::exponentials,
                    "engram");
  }
}

}  // namespace
}  // namespace hadal
