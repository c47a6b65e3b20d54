// SPDX-License-Identifier: MIT
// Routing, and the experts: tokens are sorted by expert, each expert multiplies its own rows.
#include "backends/torch/fused.h"
#include "backends/torch/rounding.h"
#include "backends/torch/torch_verbs.h"

#include <algorithm>

namespace hadal {
namespace {

// softplus is floored at the smallest normal number: at zero the root would have no gradient.
at::Tensor scores_of(const at::Tensor& logits_TE, const RouterOptions& options) {
  const at::Tensor logits = options.temperature == 1 ? logits_TE : logits_TE / options.temperature;
  switch (options.scoring) {
    case Scoring::softmax:
      return at::softmax(logits, -1);
    case Scoring::sigmoid:
      return at::sigmoid(logits);
    default:
      return at::sqrt(at::softplus(logits).clamp_min(0x1p-126));
  }
}

Routes weigh(const at::Tensor& scores_TE, const at::Tensor& ids_TN, const RouterOptions& options) {
  at::Tensor weights = scores_TE.gather(1, ids_TN);
  if (options.normalise) weights = weights / (weights.sum(1, true) + options.weight_epsilon);
  if (options.scale != 1) weights = weights * options.scale;
  return {wrap(ids_TN), wrap(weights)};
}

ExpertPlan plan_of(const at::Tensor& ids_TN, int64_t experts, at::Device device) {
  const int64_t count = ids_TN.numel(), chosen = ids_TN.size(1);
  const int64_t* ids = ids_TN.data_ptr<int64_t>();
  ExpertPlan plan;
  plan.rows.assign(static_cast<size_t>(experts), 0);
  for (int64_t i = 0; i < count; ++i) {
    CHECK(ids[i] >= 0 && ids[i] < experts, "expert ", ids[i], " of ", experts);
    ++plan.rows[static_cast<size_t>(ids[i])];
  }
  std::vector<int64_t> next(static_cast<size_t>(experts), 0);
  for (size_t e = 1; e < next.size(); ++e) next[e] = next[e - 1] + plan.rows[e - 1];
  plan.tokens = at::empty({count}, at::kLong);
  plan.pairs = at::empty({count}, at::kLong);
  plan.places = at::empty({count}, at::kLong);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t place = next[static_cast<size_t>(ids[i])]++;
    plan.tokens.data_ptr<int64_t>()[place] = i / chosen;
    plan.pairs.data_ptr<int64_t>()[place] = i;
    plan.places.data_ptr<int64_t>()[i] = place;
  }
  for (int64_t i = 0; i < count; i += chosen)
    std::sort(plan.places.data_ptr<int64_t>() + i, plan.places.data_ptr<int64_t>() + i + chosen);
  plan.tokens = plan.tokens.to(device);
  plan.pairs = plan.pairs.to(device);
  plan.places = plan.places.to(device);
  return plan;
}

}  // namespace

Routes TorchOps::route(const Tensor& logits_TE, const Tensor& bias, const RouterOptions& options) {
  const at::Tensor scores = scores_of(real(logits_TE), options);
  at::Tensor ranked = scores.detach();
  if (bias.defined()) ranked = ranked + real(bias).detach();
  const at::Tensor order = std::get<1>(at::sort(ranked, /*stable=*/true, 1, /*descending=*/true));
  return weigh(scores, order.narrow(1, 0, options.experts_per_token).contiguous(), options);
}

Routes TorchOps::route_by_table(const Tensor& logits_TE, const Tensor& table_Vk,
                                const Tensor& ids_T, const RouterOptions& options) {
  const at::Tensor ids = ints(table_Vk).index_select(0, ints(ids_T));
  return weigh(scores_of(real(logits_TE), options), ids, options);
}

Tensor TorchOps::experts(const Tensor& x_, const Routes& routes, const ExpertWeights& weights,
                         float limit, RowFormat hidden_format) {
  const at::Tensor x_TD = real(x_), ids_TN = host_ints(routes.ids_TN).contiguous();
  const int64_t tokens = x_TD.size(0), chosen = ids_TN.size(1);
  if (tokens == 0) return wrap(x_TD);
  const ExpertPlan plan = plan_of(ids_TN, static_cast<int64_t>(weights.gate.size()), device_);
  if (fused_) {
    FusedExperts all{{}, limit, hidden_format};
    for (const std::vector<Weight>* kind : {&weights.gate, &weights.up, &weights.down})
      for (const Weight& weight : *kind) all.weights.push_back(matrix(weight));
    return wrap(fused_experts(x_TD, real(routes.weights_TN), plan, all));
  }
  // One split of all instead of a slice for each: the way back of a slice writes the whole.
  const std::vector<at::Tensor> inputs =
      x_TD.index_select(0, plan.tokens).split_with_sizes(plan.rows);
  const std::vector<at::Tensor> shares =
      real(routes.weights_TN).view({-1, 1}).index_select(0, plan.pairs).split_with_sizes(plan.rows);
  std::vector<at::Tensor> outputs;
  for (size_t e = 0; e < plan.rows.size(); ++e) {
    if (plan.rows[e] == 0) continue;
    const Tensor x_e = wrap(inputs[e]);
    const Tensor gated = swiglu(linear(x_e, weights.gate[e]), linear(x_e, weights.up[e]), limit);
    const at::Tensor weighted = real(gated) * shares[e];
    const Tensor hidden = round_to(wrap(weighted), hidden_format, 0);
    outputs.push_back(real(linear(hidden, weights.down[e])));
  }
  const at::Tensor sorted = at::cat(outputs, 0);
  return wrap(sorted.index_select(0, plan.places).view({tokens, chosen, -1}).sum(1));
}

}  // namespace hadal
