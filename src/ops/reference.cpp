// SPDX-License-Identifier: MIT
// What each verb of ops.h means: plain loops, one thread, sums in f64.
//
// Never fast, never clever.  It is held to vectors of DeepSeek's own code (tests/goldens), and
// every back end is held to it.  The order of functions is that of ops.h.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/ops.h"
#include "ops/row_rounding.h"
#include "ops/weight_rows.h"

namespace hadal {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

Tensor floats(Shape shape) {
  return Tensor::zeros(DType::f32, std::move(shape));
}

double sigmoid(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

double dot(const float* a, const float* b, int64_t width) {
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double mean_square(const float* x, int64_t width) {
  return dot(x, x, width) / static_cast<double>(width);
}

int64_t index_at(const Tensor& ids, int64_t i) {
  return ids.dtype() == DType::i32 ? ids.data<int32_t>()[i] : ids.data<int64_t>()[i];
}

Shape with_last(Shape shape, int64_t width) {
  shape.back() = width;
  return shape;
}

double score_of(double logit, Scoring scoring) {
  if (scoring == Scoring::sigmoid) return sigmoid(logit);
  // softplus, stable for large logits
  return std::sqrt(std::max(logit, 0.0) + std::log1p(std::exp(-std::fabs(logit))));
}

// All scores of one token.
std::vector<float> router_scores(const float* logits, int64_t experts,
                                 const RouterOptions& options) {
  std::vector<float> scores(static_cast<size_t>(experts));
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e) {
    const double logit = logits[e] / options.temperature;
    const double score =
        options.scoring == Scoring::softmax
            ? std::exp(logit - *std::max_element(logits, logits + experts) / options.temperature)
            : score_of(logit, options.scoring);
    scores[static_cast<size_t>(e)] = static_cast<float>(score);
    sum += score;
  }
  if (options.scoring == Scoring::softmax)
    for (float& score : scores) score = static_cast<float>(score / sum);
  return scores;
}

// Weights of the chosen experts: their unbiased scores, normalised and scaled.
void route_weights(const std::vector<float>& scores, const int64_t* ids, float* weights,
                   const RouterOptions& options) {
  double sum = 0;
  for (int64_t n = 0; n < options.experts_per_token; ++n) {
    weights[n] = scores[static_cast<size_t>(ids[n])];
    sum += weights[n];
  }
  for (int64_t n = 0; n < options.experts_per_token; ++n) {
    const double share =
        options.normalise ? weights[n] / (sum + options.weight_epsilon) : weights[n];
    weights[n] = static_cast<float>(share * options.scale);
  }
}

class ReferenceOps final : public Ops {
 public:
  std::string_view name() const override { return "reference"; }

  // ---- dense

  Tensor embed(const Weight& table, const Tensor& ids) override {
    const int64_t per_row = ids.rank() == 2 ? ids.size(1) : 1;
    const int64_t width = table.inputs();
    Tensor out = floats({ids.size(0), per_row * width});
    for (int64_t i = 0; i < ids.count(); ++i)
      dequantise_row(table, index_at(ids, i), out.data<float>() + i * width);
    return out;
  }

  Tensor linear(const Tensor& x, const Weight& w) override {
    Tensor out = floats(with_last(x.shape(), w.outputs()));
    const Tensor matrix = dequantise(w);
    const int64_t inputs = w.inputs(), outputs = w.outputs();
    CHECK(x.size(-1) == inputs, shape_text(x.shape()), " meets ", shape_text(matrix.shape()));
    for (int64_t t = 0; t < x.count() / inputs; ++t)
      for (int64_t o = 0; o < outputs; ++o)
        out.data<float>()[t * outputs + o] = static_cast<float>(
            dot(x.data<float>() + t * inputs, matrix.data<float>() + o * inputs, inputs));
    return out;
  }

  Tensor linear_grouped(const Tensor& x, const Weight& w, int64_t groups) override {
    const int64_t tokens = x.size(0), inputs = w.inputs(), outputs = w.outputs();
    CHECK(x.row_width() == groups * inputs || tokens == 0);
    Tensor out = floats({tokens, outputs});
    const Tensor matrix = dequantise(w);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t o = 0; o < outputs; ++o) {
        const int64_t group = o / (outputs / groups);
        out.data<float>()[t * outputs + o] =
            static_cast<float>(dot(x.data<float>() + (t * groups + group) * inputs,
                                   matrix.data<float>() + o * inputs, inputs));
      }
    return out;
  }

  Tensor rms_norm(const Tensor& x, const Tensor& weight, float epsilon) override {
    Tensor out = floats(x.shape());
    const int64_t width = x.size(-1);
    for (int64_t row = 0; row < x.count() / width; ++row) {
      const float* in = x.data<float>() + row * width;
      const double inverse = 1.0 / std::sqrt(mean_square(in, width) + epsilon);
      for (int64_t i = 0; i < width; ++i) {
        const double gain = weight.defined() ? weight.data<float>()[i] : 1.0;
        out.data<float>()[row * width + i] = static_cast<float>(in[i] * inverse * gain);
      }
    }
    return out;
  }

  Tensor rope(const Tensor& x, const Tensor& positions, const RopeTable& table,
              Turn turn) override {
    Tensor out = floats(x.shape());
    std::copy_n(x.data<float>(), x.count(), out.data<float>());
    const int64_t width = x.size(-1);
    const int64_t heads = x.size(0) == 0 ? 0 : x.row_width() / width;
    for (int64_t t = 0; t < x.size(0); ++t)
      for (int64_t h = 0; h < heads; ++h)
        turn_head(out.data<float>() + (t * heads + h) * width + width - table.width, positions, t,
                  table, turn);
    return out;
  }

  Tensor swiglu(const Tensor& gate, const Tensor& up, float limit) override {
    Tensor out = floats(gate.shape());
    for (int64_t i = 0; i < gate.count(); ++i)
      out.data<float>()[i] =
          static_cast<float>(gated(gate.data<float>()[i], up.data<float>()[i], limit));
    return out;
  }

  Tensor hadamard(const Tensor& x) override {
    Tensor out = floats(x.shape());
    std::copy_n(x.data<float>(), x.count(), out.data<float>());
    const int64_t width = x.size(-1);
    const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)));
    for (int64_t row = 0; row < x.count() / width; ++row) {
      float* v = out.data<float>() + row * width;
      for (int64_t half = 1; half < width; half *= 2)
        for (int64_t i = 0; i < width; ++i)
          if ((i & half) == 0) {
            const float a = v[i], b = v[i + half];
            v[i] = a + b;
            v[i + half] = a - b;
          }
      for (int64_t i = 0; i < width; ++i) v[i] *= scale;
    }
    return out;
  }

  Tensor round_to(const Tensor& x, RowFormat format, int64_t tail) override {
    Tensor out = floats(x.shape());
    std::copy_n(x.data<float>(), x.count(), out.data<float>());
    const int64_t width = x.size(-1);
    for (int64_t row = 0; row < x.count() / width; ++row)
      round_row(out.data<float>() + row * width, width, format, tail);
    return out;
  }

  Tensor add(const Tensor& a, const Tensor& b) override {
    Tensor out = floats(a.shape());
    CHECK(a.count() == b.count());
    for (int64_t i = 0; i < a.count(); ++i)
      out.data<float>()[i] = a.data<float>()[i] + b.data<float>()[i];
    return out;
  }

  Tensor add_row(const Tensor& x, const Tensor& row) override {
    Tensor out = floats(x.shape());
    CHECK(row.count() == x.size(-1));
    for (int64_t i = 0; i < x.count(); ++i)
      out.data<float>()[i] = x.data<float>()[i] + row.data<float>()[i % row.count()];
    return out;
  }

  Tensor silu(const Tensor& x) override {
    return each(x, [](double v) { return v * sigmoid(v); });
  }

  Tensor gelu(const Tensor& x) override {
    return each(x, [](double v) { return v * 0.5 * std::erfc(-v / std::sqrt(2.0)); });
  }

  Tensor take_rows(const Tensor& x, const Tensor& ids) override {
    Shape shape = x.shape();
    shape[0] = ids.count();
    Tensor out = Tensor::zeros(x.dtype(), shape);
    const int64_t row_bytes = x.row_width() * element_bytes(x.dtype());
    for (int64_t i = 0; i < ids.count(); ++i)
      std::copy_n(x.raw() + index_at(ids, i) * row_bytes, row_bytes, out.raw() + i * row_bytes);
    return out;
  }

  // ---- rows

  void write_rows(Tensor& pool, const Tensor& ids, const Tensor& rows) override {
    const int64_t width = pool.size(1);
    CHECK(ids.count() == 0 || rows.row_width() == width);
    for (int64_t t = 0; t < ids.count(); ++t) {
      const int64_t id = index_at(ids, t);
      CHECK(id < pool.size(0), "row ", id, " of a pool of ", pool.size(0));
      if (id >= 0)
        std::copy_n(rows.data<float>() + t * width, width, pool.data<float>() + id * width);
    }
  }

  Tensor blend(const Tensor& values, const Tensor& scores, const Tensor& ids,
               int64_t width) override {
    const int64_t groups = ids.size(0), members = ids.size(1);
    const bool overlap = values.size(1) == 2 * width;
    Tensor out = floats({groups, width});
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t c = 0; c < width; ++c) {
        std::vector<double> member_scores, member_values;
        for (int64_t n = 0; n < members; ++n) {
          const int64_t id = index_at(ids, g * members + n);
          if (id < 0) continue;
          const int64_t channel = overlap && n >= members / 2 ? c + width : c;
          member_scores.push_back(scores.data<float>()[id * scores.size(1) + channel]);
          member_values.push_back(values.data<float>()[id * values.size(1) + channel]);
        }
        out.data<float>()[g * width + c] =
            static_cast<float>(softmax_average(member_scores, member_values));
      }
    return out;
  }

  Tensor score(const Tensor& q, const Tensor& w, const Pool& pool, const Tensor& first,
               const Tensor& count, float scale) override {
    const Tensor& keys = pool.rows;
    const int64_t tokens = q.size(0), heads = q.size(1), width = q.size(2);
    int64_t entries = 1;
    for (int64_t t = 0; t < tokens; ++t) entries = std::max(entries, index_at(count, t));
    Tensor out = floats({tokens, entries});
    std::fill_n(out.data<float>(), out.count(), kMinusInfinity);
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t j = 0; j < index_at(count, t); ++j) {
        const float* key = keys.data<float>() + (index_at(first, t) + j) * width;
        double sum = 0;
        for (int64_t h = 0; h < heads; ++h) {
          const double match = dot(q.data<float>() + (t * heads + h) * width, key, width);
          sum += w.data<float>()[t * heads + h] * std::max(match, 0.0);
        }
        out.data<float>()[t * entries + j] = static_cast<float>(sum * scale);
      }
    return out;
  }

  Tensor candidates(const Tensor& scores, const Tensor& count, int64_t block,
                    int64_t keep) override {
    const int64_t tokens = scores.size(0), entries = scores.size(1);
    const int64_t blocks = (entries + block - 1) / block;
    Tensor out = Tensor::zeros(DType::u8, {tokens, blocks});
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<float> best(static_cast<size_t>(blocks), kMinusInfinity);
      for (int64_t j = 0; j < entries; ++j) {
        float& top = best[static_cast<size_t>(j / block)];
        top = std::max(top, scores.data<float>()[t * entries + j]);
      }
      if (index_at(count, t) > 0)
        best[static_cast<size_t>((index_at(count, t) - 1) / block)] = -kMinusInfinity;
      for (int64_t b : best_indices(best.data(), blocks, keep))
        out.data<uint8_t>()[t * blocks + b] = 1;
    }
    return out;
  }

  Tensor mask_scores(const Tensor& scores, const Tensor& kept, int64_t block) override {
    Tensor out = floats(scores.shape());
    const int64_t entries = scores.size(1);
    for (int64_t i = 0; i < scores.count(); ++i) {
      const int64_t t = i / entries, j = i % entries, b = j / block;
      const bool inside = b < kept.size(1) && kept.data<uint8_t>()[t * kept.size(1) + b] != 0;
      out.data<float>()[i] = inside ? scores.data<float>()[i] : kMinusInfinity;
    }
    return out;
  }

  Tensor pick(const Tensor& scores, const Tensor& first, int64_t limit) override {
    const int64_t tokens = scores.size(0), entries = scores.size(1);
    const int64_t width = std::min(limit, entries);
    Tensor out = Tensor::zeros(DType::i64, {tokens, width});
    std::fill_n(out.data<int64_t>(), out.count(), -1);
    for (int64_t t = 0; t < tokens; ++t) {
      std::vector<int64_t> best = best_indices(scores.data<float>() + t * entries, entries, limit);
      std::sort(best.begin(), best.end());
      for (size_t n = 0; n < best.size(); ++n)
        out.data<int64_t>()[t * width + static_cast<int64_t>(n)] = index_at(first, t) + best[n];
    }
    return out;
  }

  Tensor attend(const Tensor& q, const Sight& window, const Sight& compressed, const Tensor& sink,
                float scale) override {
    const int64_t heads = q.size(1), width = q.size(2);
    Tensor out = floats(q.shape());
    for (int64_t t = 0; t < q.size(0); ++t) {
      const std::vector<const float*> rows = rows_in_sight(t, width, window, compressed);
      for (int64_t h = 0; h < heads && !rows.empty(); ++h) {
        const int64_t head = (t * heads + h) * width;
        std::vector<double> logits;
        for (const float* row : rows)
          logits.push_back(scale * dot(q.data<float>() + head, row, width));
        average_rows(rows, logits, sink.data<float>()[h], out.data<float>() + head, width);
      }
    }
    return out;
  }

  // ---- experts

  Routes route(const Tensor& logits, const Tensor& bias, const RouterOptions& options) override {
    const int64_t tokens = logits.size(0), experts = logits.size(1);
    Routes routes = empty_routes(tokens, options);
    for (int64_t t = 0; t < tokens; ++t) {
      const std::vector<float> scores =
          router_scores(logits.data<float>() + t * experts, experts, options);
      std::vector<float> biased = scores;
      if (bias.defined())
        for (int64_t e = 0; e < experts; ++e)
          biased[static_cast<size_t>(e)] +=
              bias.data<float>()[bias.rank() == 2 ? t * experts + e : e];
      const std::vector<int64_t> best =
          best_indices(biased.data(), experts, options.experts_per_token);
      int64_t* ids = routes.ids_TN.data<int64_t>() + t * options.experts_per_token;
      std::copy(best.begin(), best.end(), ids);
      route_weights(scores, ids, routes.weights_TN.data<float>() + t * options.experts_per_token,
                    options);
    }
    return routes;
  }

  Routes route_by_table(const Tensor& logits, const Tensor& table, const Tensor& token_ids,
                        const RouterOptions& options) override {
    const int64_t tokens = logits.size(0), experts = logits.size(1);
    const int64_t chosen = options.experts_per_token;
    Routes routes = empty_routes(tokens, options);
    for (int64_t t = 0; t < tokens; ++t) {
      int64_t* ids = routes.ids_TN.data<int64_t>() + t * chosen;
      for (int64_t n = 0; n < chosen; ++n)
        ids[n] = index_at(table, index_at(token_ids, t) * chosen + n);
      route_weights(router_scores(logits.data<float>() + t * experts, experts, options), ids,
                    routes.weights_TN.data<float>() + t * chosen, options);
    }
    return routes;
  }

  Tensor experts(const Tensor& x, const Routes& routes, const ExpertWeights& weights, float limit,
                 RowFormat hidden_format) override {
    const int64_t chosen = routes.ids_TN.size(1);
    Tensor out = floats(x.shape());
    const Experts dense(weights);
    for (int64_t t = 0; t < x.size(0); ++t) {
      std::vector<int64_t> order(static_cast<size_t>(chosen));
      std::iota(order.begin(), order.end(), t * chosen);
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        return index_at(routes.ids_TN, a) < index_at(routes.ids_TN, b);
      });
      std::vector<double> sum(static_cast<size_t>(x.size(1)));
      for (int64_t place : order)
        dense.add(index_at(routes.ids_TN, place), routes.weights_TN.data<float>()[place],
                  x.data<float>() + t * x.size(1), limit, hidden_format, sum);
      std::copy(sum.begin(), sum.end(), out.data<float>() + t * x.size(1));
    }
    return out;
  }

  // ---- residual streams

  Tensor spread(const Tensor& x, int64_t streams) override {
    const int64_t tokens = x.size(0), width = x.size(1);
    Tensor out = floats({tokens, streams, width});
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t s = 0; s < streams; ++s)
        std::copy_n(x.data<float>() + t * width, width,
                    out.data<float>() + (t * streams + s) * width);
    return out;
  }

  Mix mix(const Tensor& x, const MixWeights& weights, const MixOptions& options) override {
    const int64_t tokens = x.size(0), streams = x.size(1);
    Mix mix{floats({tokens, streams}), floats({tokens, streams}),
            floats({tokens, streams, streams})};
    const float* base = weights.base.data<float>();
    const float* scale = weights.scale.data<float>();
    for (int64_t t = 0; t < tokens; ++t) {
      const std::vector<double> mu = mixes(x, t, weights.fn, options.norm_epsilon);
      for (int64_t s = 0; s < streams; ++s) {
        const size_t pre = static_cast<size_t>(s), post = static_cast<size_t>(streams + s);
        mix.pre_TS.data<float>()[t * streams + s] =
            static_cast<float>(sigmoid(mu[pre] * scale[0] + base[pre]) + options.epsilon);
        mix.post_TS.data<float>()[t * streams + s] =
            static_cast<float>(2 * sigmoid(mu[post] * scale[1] + base[post]));
      }
      std::vector<double> comb(static_cast<size_t>(streams * streams));
      for (size_t i = 0; i < comb.size(); ++i) {
        const size_t place = static_cast<size_t>(2 * streams) + i;
        comb[i] = mu[place] * scale[2] + base[place];
      }
      sinkhorn(comb, streams, options);
      std::copy(comb.begin(), comb.end(), mix.comb_TSS.data<float>() + t * streams * streams);
    }
    return mix;
  }

  Tensor mix_head(const Tensor& x, const MixWeights& weights, const MixOptions& options) override {
    const int64_t tokens = x.size(0), streams = x.size(1);
    Tensor pre = floats({tokens, streams});
    for (int64_t t = 0; t < tokens; ++t) {
      const std::vector<double> mu = mixes(x, t, weights.fn, options.norm_epsilon);
      for (int64_t s = 0; s < streams; ++s)
        pre.data<float>()[t * streams + s] =
            static_cast<float>(sigmoid(mu[static_cast<size_t>(s)] * weights.scale.data<float>()[0] +
                                       weights.base.data<float>()[s]) +
                               options.epsilon);
    }
    return pre;
  }

  Tensor narrow(const Tensor& x, const Tensor& pre) override {
    const int64_t tokens = x.size(0), streams = x.size(1), width = x.size(2);
    Tensor out = floats({tokens, width});
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t i = 0; i < width; ++i) {
        double sum = 0;
        for (int64_t s = 0; s < streams; ++s)
          sum += static_cast<double>(pre.data<float>()[t * streams + s]) *
                 x.data<float>()[(t * streams + s) * width + i];
        out.data<float>()[t * width + i] = static_cast<float>(sum);
      }
    return out;
  }

  Tensor widen(const Tensor& y, const Tensor& x, const Tensor& post, const Tensor& comb) override {
    const int64_t tokens = x.size(0), streams = x.size(1), width = x.size(2);
    Tensor out = floats(x.shape());
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t k = 0; k < streams; ++k)
        for (int64_t i = 0; i < width; ++i) {
          double sum = static_cast<double>(post.data<float>()[t * streams + k]) *
                       y.data<float>()[t * width + i];
          for (int64_t j = 0; j < streams; ++j)
            sum += static_cast<double>(comb.data<float>()[(t * streams + j) * streams + k]) *
                   x.data<float>()[(t * streams + j) * width + i];
          out.data<float>()[(t * streams + k) * width + i] = static_cast<float>(sum);
        }
    return out;
  }

  // ---- memory

  Tensor engram(const Tensor& x, const Tensor& kv, const Tensor& q_weight, const Tensor& k_weight,
                const Tensor& dead, float epsilon) override {
    const int64_t tokens = x.size(0), streams = x.size(1), width = x.size(2);
    Tensor out = floats(x.shape());
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t s = 0; s < streams; ++s) {
        const float* stream = x.data<float>() + (t * streams + s) * width;
        const float* key = kv.data<float>() + (t * (streams + 1) + s) * width;
        const float* value = kv.data<float>() + (t * (streams + 1) + streams) * width;
        double match = 0;
        for (int64_t i = 0; i < width; ++i)
          match += static_cast<double>(stream[i]) * key[i] *
                   (static_cast<double>(q_weight.data<float>()[s * width + i]) *
                    k_weight.data<float>()[s * width + i]);
        match /= std::sqrt(mean_square(stream, width) + epsilon) *
                 std::sqrt(mean_square(key, width) + epsilon) *
                 std::sqrt(static_cast<double>(width));
        double gate = sigmoid(std::copysign(std::sqrt(std::max(std::fabs(match), 1e-6)), match));
        if (dead.defined() && index_at(dead, t) != 0) gate = 0;
        for (int64_t i = 0; i < width; ++i)
          out.data<float>()[(t * streams + s) * width + i] =
              static_cast<float>(stream[i] + gate * value[i]);
      }
    return out;
  }

  // ---- pictures

  Tensor convolve(const Tensor& x, const Weight& w, const Tensor& bias) override {
    const int64_t height = x.size(1), width = x.size(2), channels = x.size(3);
    const int64_t k = std::lround(std::sqrt(static_cast<double>(w.inputs() / channels)));
    CHECK(k % 2 == 1 && k * k * channels == w.inputs(), w.inputs(), " inputs over ", channels,
          " channels");
    const Tensor matrix = dequantise(w);
    Tensor out = floats({x.size(0), height, width, w.outputs()});
    for (int64_t i = 0; i < x.size(0) * height * width; ++i) {
      const std::vector<float> patch =
          neighbours(x, i / (height * width), i / width % height, i % width, k);
      for (int64_t o = 0; o < w.outputs(); ++o)
        out.data<float>()[i * w.outputs() + o] = static_cast<float>(
            dot(patch.data(), matrix.data<float>() + o * w.inputs(), w.inputs()) +
            (bias.defined() ? bias.data<float>()[o] : 0.0f));
    }
    return out;
  }

  Tensor space_to_depth(const Tensor& x, int64_t block) override {
    CHECK(x.size(1) % block == 0 && x.size(2) % block == 0, shape_text(x.shape()), " by ", block);
    Tensor out =
        floats({x.size(0), x.size(1) / block, x.size(2) / block, block * block * x.size(3)});
    move_pixels(x, out, block, true);
    return out;
  }

  Tensor depth_to_space(const Tensor& x, int64_t block) override {
    CHECK(x.size(3) % (block * block) == 0, shape_text(x.shape()), " by ", block);
    Tensor out =
        floats({x.size(0), x.size(1) * block, x.size(2) * block, x.size(3) / (block * block)});
    move_pixels(out, x, block, false);
    return out;
  }

  Tensor squash(const Tensor& x, int64_t levels) override {
    return each(x, [levels](double v) {
      const double u = sigmoid(1.6 * v), steps = static_cast<double>(levels);
      if (levels == 0) return 2 * u - 1;
      return 2 * (std::min(std::floor(u * steps), steps - 1) + 0.5) / steps - 1;
    });
  }

  Tensor attend_all(const Tensor& q, const Tensor& keys, const Tensor& values, const Tensor& first,
                    const Tensor& count, float scale) override {
    const int64_t heads = q.size(1), width = q.size(2);
    Tensor out = floats({q.size(0), heads, values.size(2)});
    for (int64_t i = 0; i < q.size(0) * heads; ++i) {
      const int64_t t = i / heads, h = i % heads, seen = index_at(count, t);
      if (seen == 0) continue;
      std::vector<double> logits;
      std::vector<const float*> rows;
      for (int64_t r = index_at(first, t); r < index_at(first, t) + seen; ++r) {
        logits.push_back(scale * dot(q.data<float>() + i * width,
                                     keys.data<float>() + (r * heads + h) * width, width));
        rows.push_back(values.data<float>() + (r * heads + h) * values.size(2));
      }
      average_rows(rows, logits, -std::numeric_limits<double>::infinity(),
                   out.data<float>() + i * values.size(2), values.size(2));
    }
    return out;
  }

 private:
  static void turn_head(float* tail, const Tensor& positions, int64_t t, const RopeTable& table,
                        Turn turn) {
    const int64_t axes = positions.rank() == 2 ? positions.size(1) : 1, pairs = table.width / 2;
    for (int64_t i = 0; i < pairs; ++i) {
      const int64_t axis = table.axes.empty() ? 0 : table.axes[static_cast<size_t>(i)];
      // The product is rounded to f32 before cos and sin, as the official tables are.
      const float angle = static_cast<float>(index_at(positions, t * axes + axis)) *
                          table.frequencies.data<float>()[i];
      const double cosine = std::cos(static_cast<double>(angle));
      const double sine = std::sin(static_cast<double>(angle)) * (turn == Turn::back ? -1 : 1);
      float& first = tail[table.paired_halves ? i : 2 * i];
      float& second = tail[table.paired_halves ? i + pairs : 2 * i + 1];
      const double a = first, b = second;
      first = static_cast<float>(a * cosine - b * sine);
      second = static_cast<float>(a * sine + b * cosine);
    }
  }

  // out[i] = function(x[i])
  template <typename Function>
  static Tensor each(const Tensor& x, Function function) {
    Tensor out = floats(x.shape());
    for (int64_t i = 0; i < x.count(); ++i)
      out.data<float>()[i] = static_cast<float>(function(static_cast<double>(x.data<float>()[i])));
    return out;
  }

  // Moves pixels between [F, Y, X, C] and [F, Y/block, X/block, block·block·C].
  static void move_pixels(const Tensor& wide, const Tensor& deep, int64_t block, bool deepen) {
    const int64_t height = wide.size(1), width = wide.size(2), channels = wide.size(3);
    for (int64_t f = 0; f < wide.size(0); ++f)
      for (int64_t y = 0; y < height; ++y)
        for (int64_t x = 0; x < width; ++x) {
          const int64_t cell = (f * (height / block) + y / block) * (width / block) + x / block;
          const int64_t place = cell * block * block + y % block * block + x % block;
          float* a = wide.data<float>() + ((f * height + y) * width + x) * channels;
          float* b = deep.data<float>() + place * channels;
          std::copy_n(deepen ? a : b, channels, deepen ? b : a);
        }
  }

  // The k·k neighbours of a pixel, one after the other; beyond a border lies the border.
  static std::vector<float> neighbours(const Tensor& in, int64_t f, int64_t y, int64_t x,
                                       int64_t k) {
    const int64_t height = in.size(1), width = in.size(2), channels = in.size(3);
    std::vector<float> patch;
    for (int64_t j = 0; j < k * k; ++j) {
      const int64_t row = std::clamp(y + j / k - k / 2, int64_t{0}, height - 1);
      const int64_t column = std::clamp(x + j % k - k / 2, int64_t{0}, width - 1);
      const float* pixel = in.data<float>() + ((f * height + row) * width + column) * channels;
      patch.insert(patch.end(), pixel, pixel + channels);
    }
    return patch;
  }

  static double gated(double gate, double up, float limit) {
    if (limit > 0) {
      gate = std::min<double>(gate, limit);
      up = std::clamp<double>(up, -limit, limit);
    }
    return gate * sigmoid(gate) * up;
  }

  static double softmax_average(const std::vector<double>& scores,
                                const std::vector<double>& values) {
    if (scores.empty()) return 0;
    const double top = *std::max_element(scores.begin(), scores.end());
    double sum = 0, total = 0;
    for (size_t n = 0; n < scores.size(); ++n) {
      const double p = std::exp(scores[n] - top);
      sum += p;
      total += p * values[n];
    }
    return total / sum;
  }

  // The best `limit` above -inf, best first; ties: the lower index.
  static std::vector<int64_t> best_indices(const float* scores, int64_t count, int64_t limit) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < count; ++i)
      if (scores[i] > kMinusInfinity) order.push_back(i);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
    if (static_cast<int64_t>(order.size()) > limit) order.resize(static_cast<size_t>(limit));
    return order;
  }

  static std::vector<const float*> rows_in_sight(int64_t t, int64_t width, const Sight& window,
                                                 const Sight& compressed) {
    std::vector<const float*> rows;
    for (const Sight* sight : {&window, &compressed}) {
      if (!sight->ids_TN.defined()) continue;
      const int64_t entries = sight->ids_TN.size(1);
      for (int64_t n = 0; n < entries; ++n) {
        const int64_t id = index_at(sight->ids_TN, t * entries + n);
        if (id >= 0) rows.push_back(sight->pool.rows.data<float>() + id * width);
      }
    }
    return rows;
  }

  static void average_rows(const std::vector<const float*>& rows, const std::vector<double>& logits,
                           double sink, float* out, int64_t width) {
    const double top = std::max(sink, *std::max_element(logits.begin(), logits.end()));
    double sum = std::exp(sink - top);
    std::vector<double> total(static_cast<size_t>(width));
    for (size_t n = 0; n < rows.size(); ++n) {
      const double p = std::exp(logits[n] - top);
      sum += p;
      for (int64_t i = 0; i < width; ++i) total[static_cast<size_t>(i)] += p * rows[n][i];
    }
    for (int64_t i = 0; i < width; ++i)
      out[i] = static_cast<float>(total[static_cast<size_t>(i)] / sum);
  }

  static Routes empty_routes(int64_t tokens, const RouterOptions& options) {
    return {Tensor::zeros(DType::i64, {tokens, options.experts_per_token}),
            floats({tokens, options.experts_per_token})};
  }

  // The experts' matrices, dequantised when first asked for.
  class Experts {
   public:
    explicit Experts(const ExpertWeights& weights)
        : weights_(weights), dense_(3 * weights.gate.size()) {}

    void add(int64_t expert, float weight, const float* x, float limit, RowFormat format,
             std::vector<double>& sum) const {
      const Tensor& gate = matrix(weights_.gate, expert, 0);
      const Tensor& up = matrix(weights_.up, expert, 1);
      const Tensor& down = matrix(weights_.down, expert, 2);
      const int64_t inner = gate.size(0), width = gate.size(1);
      std::vector<float> hidden(static_cast<size_t>(inner));
      for (int64_t i = 0; i < inner; ++i) {
        const float g = static_cast<float>(dot(gate.data<float>() + i * width, x, width));
        const float u = static_cast<float>(dot(up.data<float>() + i * width, x, width));
        hidden[static_cast<size_t>(i)] = static_cast<float>(weight * gated(g, u, limit));
      }
      round_row(hidden.data(), inner, format, 0);
      for (int64_t i = 0; i < width; ++i)
        sum[static_cast<size_t>(i)] +=
            static_cast<float>(dot(down.data<float>() + i * inner, hidden.data(), inner));
    }

   private:
    const Tensor& matrix(const std::vector<Weight>& list, int64_t expert, size_t kind) const {
      Tensor& dense = dense_[3 * static_cast<size_t>(expert) + kind];
      if (!dense.defined()) dense = dequantise(list[static_cast<size_t>(expert)]);
      return dense;
    }

    const ExpertWeights& weights_;
    mutable std::vector<Tensor> dense_;
  };

  // μ = fn·v · rsqrt(mean(v²) + epsilon) of token t.
  static std::vector<double> mixes(const Tensor& x, int64_t t, const Tensor& fn, float epsilon) {
    const int64_t width = x.row_width();
    const float* v = x.data<float>() + t * width;
    const double inverse = 1.0 / std::sqrt(mean_square(v, width) + epsilon);
    std::vector<double> mu;
    for (int64_t i = 0; i < fn.size(0); ++i)
      mu.push_back(dot(fn.data<float>() + i * width, v, width) * inverse);
    return mu;
  }

  // [K4]: row softmax plus epsilon, a column step, then rounds-1 times rows and columns.
  static void sinkhorn(std::vector<double>& m, int64_t n, const MixOptions& options) {
    const double epsilon = options.epsilon;
    auto at = [&](int64_t j, int64_t k) -> double& { return m[static_cast<size_t>(j * n + k)]; };
    auto columns = [&] {
      for (int64_t k = 0; k < n; ++k) {
        double sum = epsilon;
        for (int64_t j = 0; j < n; ++j) sum += at(j, k);
        for (int64_t j = 0; j < n; ++j) at(j, k) /= sum;
      }
    };
    for (int64_t j = 0; j < n; ++j) {
      double top = at(j, 0), sum = 0;
      for (int64_t k = 1; k < n; ++k) top = std::max(top, at(j, k));
      for (int64_t k = 0; k < n; ++k) sum += at(j, k) = std::exp(at(j, k) - top);
      for (int64_t k = 0; k < n; ++k) at(j, k) = at(j, k) / sum + epsilon;
    }
    columns();
    for (int64_t round = 1; round < options.rounds; ++round) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = epsilon;
        for (int64_t k = 0; k < n; ++k) sum += at(j, k);
        for (int64_t k = 0; k < n; ++k) at(j, k) /= sum;
      }
      columns();
    }
  }
};

}  // namespace

std::unique_ptr<Ops> make_reference_ops() {
  return std::make_unique<ReferenceOps>();
}

}  // namespace hadal
