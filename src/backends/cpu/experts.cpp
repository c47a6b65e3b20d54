// SPDX-License-Identifier: MIT
// The router, and the experts.
//
// Experts run in three passes over (token, choice) pairs sorted by expert: gate and up with their
// activation, rounding, down.  In each pass a thread owns a range of outputs for all experts, so
// a decoded panel of an expert serves all of its tokens, and the sum over a token's experts is in
// ascending order without a lock.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {
namespace {

// Tokens that share one pass: more would only make the hidden rows larger.
constexpr int64_t kTokensPerPass = 1024;
// Of gate and of up, numbers that are held at a time: half a megabyte, so that they stay in the
// second cache.  Few rows take all outputs at once, and their weights are read in one go.
constexpr int64_t kGateNumbers = int64_t{1} << 16;
constexpr int64_t kLeastGateOutputs = 64;
// In simple operations on floats.
constexpr int64_t kCostOfScore = 256;
constexpr int64_t kCostOfRounding = 8;

double score_of(double logit, Scoring scoring) {
  if (scoring == Scoring::sigmoid) return 1.0 / (1.0 + std::exp(-logit));
  // softplus, stable for large logits
  return std::sqrt(std::max(logit, 0.0) + std::log1p(std::exp(-std::fabs(logit))));
}

void score_experts(const float* logits, int64_t experts, const RouterOptions& options,
                   float* scores) {
  if (options.scoring != Scoring::softmax) {
    for (int64_t e = 0; e < experts; ++e)
      scores[e] = static_cast<float>(score_of(logits[e] / options.temperature, options.scoring));
    return;
  }
  const float top = *std::max_element(logits, logits + experts) / options.temperature;
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e)
    sum += std::exp(static_cast<double>(logits[e] / options.temperature) - top);
  for (int64_t e = 0; e < experts; ++e)
    scores[e] = static_cast<float>(
        std::exp(static_cast<double>(logits[e] / options.temperature) - top) / sum);
}

// The best `chosen` of scores + bias, best first; ties: the lower expert.
void choose(const float* scores, const float* bias, int64_t experts, int64_t chosen, int64_t* ids) {
  float best[64];
  CHECK(chosen <= 64 && chosen <= experts, chosen, " of ", experts, " experts a token");
  int64_t held = 0;
  for (int64_t e = 0; e < experts; ++e) {
    const float score = scores[e] + (bias != nullptr ? bias[e] : 0.0f);
    if (held == chosen && !(score > best[held - 1])) continue;
    int64_t place = held < chosen ? held++ : held - 1;
    for (; place > 0 && score > best[place - 1]; --place) {
      best[place] = best[place - 1];
      ids[place] = ids[place - 1];
    }
    best[place] = score;
    ids[place] = e;
  }
}

void weigh(const float* scores, const int64_t* ids, const RouterOptions& options, float* weights) {
  double sum = 0;
  for (int64_t n = 0; n < options.experts_per_token; ++n) sum += weights[n] = scores[ids[n]];
  for (int64_t n = 0; n < options.experts_per_token; ++n) {
    const double share =
        options.normalise ? weights[n] / (sum + options.weight_epsilon) : weights[n];
    weights[n] = static_cast<float>(share * options.scale);
  }
}

// (token, choice) pairs in ascending order of expert, then of token.
struct Pairs {
  std::vector<int64_t> tokens;  // counted from the first of the pass
  std::vector<float> weights;
  std::vector<int64_t> starts;   // of each used expert's pairs, and the end
  std::vector<int64_t> experts;  // the used ones

  int64_t count() const { return static_cast<int64_t>(tokens.size()); }
};

Pairs sort_pairs(const Routes& routes, int64_t first_token, int64_t tokens) {
  const int64_t chosen = routes.ids_TN.size(1);
  std::vector<int64_t> order;
  order.reserve(static_cast<size_t>(tokens * chosen));
  for (int64_t place = first_token * chosen; place < (first_token + tokens) * chosen; ++place)
    if (index_at(routes.ids_TN, place) >= 0) order.push_back(place);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return index_at(routes.ids_TN, a) < index_at(routes.ids_TN, b);
  });
  Pairs pairs;
  for (int64_t place : order) {
    const int64_t expert = index_at(routes.ids_TN, place);
    if (pairs.experts.empty() || pairs.experts.back() != expert) {
      pairs.experts.push_back(expert);
      pairs.starts.push_back(pairs.count());
    }
    pairs.tokens.push_back(place / chosen - first_token);
    pairs.weights.push_back(routes.weights_TN.data<float>()[place]);
  }
  pairs.starts.push_back(pairs.count());
  return pairs;
}

}  // namespace

Routes CpuOps::route(const Tensor& logits, const Tensor& bias, const RouterOptions& options) {
  const int64_t tokens = logits.size(0), experts = logits.size(1);
  const int64_t chosen = options.experts_per_token;
  Routes routes{Tensor::empty(DType::i64, {tokens, chosen}),
                Tensor::empty(DType::f32, {tokens, chosen})};
  const float* biases = bias.defined() ? bias.data<float>() : nullptr;
  split_rows(tokens, experts * kCostOfScore, [&](int64_t begin, int64_t end) {
    float* scores = workspace().floats(Workspace::first, experts);
    for (int64_t t = begin; t < end; ++t) {
      int64_t* ids = routes.ids_TN.data<int64_t>() + t * chosen;
      score_experts(logits.data<float>() + t * experts, experts, options, scores);
      const bool of_token = biases != nullptr && bias.rank() == 2;
      choose(scores, of_token ? biases + t * experts : biases, experts, chosen, ids);
      weigh(scores, ids, options, routes.weights_TN.data<float>() + t * chosen);
    }
  });
  return routes;
}

Routes CpuOps::route_by_table(const Tensor& logits, const Tensor& table, const Tensor& token_ids,
                              const RouterOptions& options) {
  const int64_t tokens = logits.size(0), experts = logits.size(1);
  const int64_t chosen = options.experts_per_token;
  Routes routes{Tensor::empty(DType::i64, {tokens, chosen}),
                Tensor::empty(DType::f32, {tokens, chosen})};
  split_rows(tokens, experts * kCostOfScore, [&](int64_t begin, int64_t end) {
    float* scores = workspace().floats(Workspace::first, experts);
    for (int64_t t = begin; t < end; ++t) {
      int64_t* ids = routes.ids_TN.data<int64_t>() + t * chosen;
      for (int64_t n = 0; n < chosen; ++n)
        ids[n] = index_at(table, index_at(token_ids, t) * chosen + n);
      score_experts(logits.data<float>() + t * experts, experts, options, scores);
      weigh(scores, ids, options, routes.weights_TN.data<float>() + t * chosen);
    }
  });
  return routes;
}

// ---- the three passes ---------------------------------------------------------------------------

// The tokens of one pass, and what the passes hand on.
struct CpuOps::ExpertPass {
  const ExpertWeights& weights;
  Pairs pairs;
  int64_t tokens, width, inner;
  float limit;
  RowFormat format;
  Tensor hidden;           // [pairs, inner]
  ProductRows down_input;  // the same, rounded and as the down products want it

  // calls each(place, expert, first pair, number of pairs), experts ascending
  template <typename Each>
  void for_experts(const Each& each) const {
    for (size_t i = 0; i < pairs.experts.size(); ++i)
      each(i, static_cast<size_t>(pairs.experts[i]), pairs.starts[i],
           pairs.starts[i + 1] - pairs.starts[i]);
  }
  // What is read after outputs [first, last) of the expert at a place: those of the next expert,
  // and after the last one those that lie behind them.
  void set_next(Piece& piece, const std::vector<Weight>& matrices, size_t place, int64_t first,
                int64_t last) const {
    const bool is_last = place + 1 == pairs.experts.size();
    const Weight& next = matrices[static_cast<size_t>(pairs.experts[is_last ? 0 : place + 1])];
    piece.next = is_last && last == next.outputs() ? nullptr : &next;
    piece.next_first = is_last ? last : first;
  }
  // Each expert's rows of x, and of what it makes of them.
  std::vector<RowGroup> token_groups() const {
    std::vector<RowGroup> groups;
    for_experts([&](size_t, size_t, int64_t start, int64_t count) {
      groups.push_back({.rows = count, .index = pairs.tokens.data() + start});
    });
    return groups;
  }
  std::vector<RowGroup> pair_groups() const {
    std::vector<RowGroup> groups;
    for_experts([&](size_t, size_t, int64_t start, int64_t count) {
      groups.push_back({.rows = count, .first_row = start});
    });
    return groups;
  }
};

// hidden[pair][first..last) = weight · swiglu(gate · x, up · x)
void CpuOps::gate_and_up(const ExpertPass& pass, const ProductRows& x, int64_t first,
                         int64_t last) const {
  pass.for_experts([&](size_t place, size_t expert, int64_t start, int64_t count) {
    const int64_t most = std::max(kLeastGateOutputs, kGateNumbers / count / 32 * 32);
    for (int64_t o = first; o < last; o += most) {
      const int64_t outputs = std::min(most, last - o);
      float* gate = workspace().floats(Workspace::first, count * outputs);
      float* up = workspace().floats(Workspace::second, count * outputs);
      Piece piece{.first = o,
                  .last = o + outputs,
                  .rows = count,
                  .group = place,
                  .out = {gate, outputs, nullptr},
                  .next = &pass.weights.up[expert],
                  .next_first = o};
      multiply_here(pass.weights.gate[expert], x, piece);
      piece.out.base = up;
      piece.next = &pass.weights.gate[expert];
      piece.next_first = o + outputs;
      if (o + outputs == last) pass.set_next(piece, pass.weights.gate, place, first, last);
      multiply_here(pass.weights.up[expert], x, piece);
      for (int64_t n = 0; n < count; ++n)
        kernels_.swiglu(gate + n * outputs, up + n * outputs, pass.limit,
                        pass.pairs.weights[static_cast<size_t>(start + n)], outputs,
                        pass.hidden.data<float>() + (start + n) * pass.inner + o);
    }
  });
}

// Adds outputs [first, last) of every expert to its tokens' rows.
void CpuOps::add_down(const ExpertPass& pass, float* out, int64_t first, int64_t last) const {
  for (int64_t t = 0; t < pass.tokens; ++t)
    std::fill(out + t * pass.width + first, out + t * pass.width + last, 0.0f);
  pass.for_experts([&](size_t place, size_t expert, int64_t start, int64_t count) {
    Piece piece{.first = first,
                .last = last,
                .rows = count,
                .group = place,
                .out = {out + first, pass.width, pass.pairs.tokens.data() + start},
                .add = true};
    pass.set_next(piece, pass.weights.down, place, first, last);
    multiply_here(pass.weights.down[expert], pass.down_input, piece);
  });
}

void CpuOps::run_experts(ExpertPass& pass, const float* x, float* out) {
  const int64_t pairs = pass.pairs.count();
  if (pairs == 0) {
    std::fill_n(out, pass.tokens * pass.width, 0.0f);
    return;
  }
  // All experts of a layer are stored in one format, so the first speaks for all.
  const size_t any = static_cast<size_t>(pass.pairs.experts[0]);
  const ProductRows in = product_rows(pass.weights.gate[any], x, pass.tokens, pass.token_groups());
  pass.hidden = Tensor::empty(DType::f32, {pairs, pass.inner});
  split_outputs(pass.inner, 2 * pairs * pass.width,
                [&](int64_t first, int64_t last) { gate_and_up(pass, in, first, last); });
  split_rows(pairs, pass.inner * kCostOfRounding, [&](int64_t begin, int64_t end) {
    round_rows(pass.hidden.data<float>() + begin * pass.inner, end - begin, pass.inner, pass.format,
               0);
  });
  pass.down_input =
      product_rows(pass.weights.down[any], pass.hidden.data<float>(), pairs, pass.pair_groups());
  split_outputs(pass.width, pairs * pass.inner,
                [&](int64_t first, int64_t last) { add_down(pass, out, first, last); });
}

Tensor CpuOps::experts(const Tensor& x, const Routes& routes, const ExpertWeights& weights,
                       float limit, RowFormat hidden_format) {
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t width = x.size(1);
  for (int64_t t = 0; t < x.size(0); t += kTokensPerPass) {
    const int64_t tokens = std::min(kTokensPerPass, x.size(0) - t);
    ExpertPass pass{weights,
                    sort_pairs(routes, t, tokens),
                    tokens,
                    width,
                    weights.gate.at(0).outputs(),
                    limit,
                    hidden_format,
                    {},
                    {}};
    run_experts(pass, x.data<float>() + t * width, out.data<float>() + t * width);
  }
  return out;
}

}  // namespace hadal::cpu
