// SPDX-License-Identifier: MIT
// Cases of routing and of the experts.
#include "cases.h"

namespace hadal {
namespace {

using Inputs = std::vector<Tensor>;

constexpr int64_t kExperts = 6, kChosen = 2, kWidth = 7, kInner = 5;

RouterOptions router(Scoring scoring, bool normalise) {
  return {.experts_per_token = kChosen,
          .scoring = scoring,
          .normalise = normalise,
          .weight_epsilon = 1e-20f,
          .scale = 1.5f,
          .temperature = normalise ? 1.0f : 2.0f};
}

void add_route_cases(std::vector<Case>& cases, Numbers& numbers, int64_t tokens) {
  const Tensor bias = numbers.floats({kExperts}), table = numbers.ids({9, kChosen}, kExperts);
  const Tensor token_ids = numbers.ids({tokens}, 9);
  for (Scoring scoring : {Scoring::sqrt_softplus, Scoring::softmax, Scoring::sigmoid})
    for (bool normalise : {true, false}) {
      const std::string name = std::to_string(tokens) + " scoring " +
                               std::to_string(static_cast<int>(scoring)) +
                               (normalise ? " normalised" : "");
      const RouterOptions options = router(scoring, normalise);
      const auto both = [](const Routes& routes) {
        return Inputs{routes.weights_TN, routes.ids_TN};
      };
      cases.push_back(
          {"route " + name,
           {numbers.floats({tokens, kExperts}, 3)},
           [=](Ops& ops, const Inputs& in) { return both(ops.route(in[0], {}, options)); }});
      cases.push_back(
          {"route biased " + name,
           {numbers.floats({tokens, kExperts}, 3)},
           [=](Ops& ops, const Inputs& in) { return both(ops.route(in[0], bias, options)); }});
      cases.push_back({"route_by_table " + name,
                       {numbers.floats({tokens, kExperts}, 3)},
                       [=](Ops& ops, const Inputs& in) {
                         return both(ops.route_by_table(in[0], table, token_ids, options));
                       }});
    }
}

// Inputs: x, routing weights, then gate, up and down of every expert.
void add_expert_cases(std::vector<Case>& cases, Numbers& numbers, int64_t tokens) {
  Tensor ids = Tensor::zeros(DType::i64, {tokens, kChosen});
  for (int64_t t = 0; t < tokens; ++t) {  // distinct experts, descending; the last one unused
    ids.data<int64_t>()[kChosen * t] = 1 + t * 3 % 4;
    ids.data<int64_t>()[kChosen * t + 1] = t * 3 % 4;
  }
  Inputs inputs = {numbers.floats({tokens, kWidth}), numbers.floats({tokens, kChosen})};
  for (int64_t e = 0; e < kExperts; ++e) {
    inputs.push_back(numbers.floats({kInner, kWidth}));
    inputs.push_back(numbers.floats({kInner, kWidth}));
    inputs.push_back(numbers.floats({kWidth, kInner}));
  }
  for (float limit : {0.0f, 1.0f})
    for (RowFormat format : {RowFormat::f32, RowFormat::fp8_32})
      cases.push_back({"experts " + std::to_string(tokens) + " limit " + std::to_string(limit),
                       inputs,
                       [=](Ops& ops, const Inputs& in) {
                         ExpertWeights weights;
                         for (size_t i = 2; i < in.size(); i += 3) {
                           weights.gate.push_back(Weight{in[i], {}, 1, 1});
                           weights.up.push_back(Weight{in[i + 1], {}, 1, 1});
                           weights.down.push_back(Weight{in[i + 2], {}, 1, 1});
                         }
                         return Inputs{ops.experts(in[0], {ids, in[1]}, weights, limit, format)};
                       },
                       format == RowFormat::f32});
}

}  // namespace

std::vector<Case> expert_cases() {
  std::vector<Case> cases;
  Numbers numbers(3);
  for (int64_t tokens : {0, 1, 9}) {
    add_route_cases(cases, numbers, tokens);
    add_expert_cases(cases, numbers, tokens);
  }
  return cases;
}

}  // namespace hadal
