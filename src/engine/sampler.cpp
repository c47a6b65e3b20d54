// SPDX-License-Identifier: MIT
// The sampler's steps, in the order that sampler.h gives.
#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/random.h"

namespace hadal {
namespace {

struct Candidate {
  int64_t id = 0;
  double weight = 0;  // probability times a common factor: 1 for the likeliest
};

using Allowed = std::span<const uint64_t>;

bool is_allowed(Allowed allowed, size_t id) {
  return allowed.empty() || (allowed[id / 64] >> (id % 64) & 1) != 0;
}

// The id of the largest logit, the lowest of equals.
int64_t largest(std::span<const float> logits, Allowed allowed = {}) {
  CHECK(allowed.empty() || allowed.size() * 64 >= logits.size(), allowed.size());
  int64_t best = -1;
  float peak = -std::numeric_limits<float>::infinity();
  for (size_t id = 0; id < logits.size(); ++id) {
    // One comparison for most: what is not above the peak is below it, a first one, or no number.
    if (logits[id] <= peak && best >= 0) continue;
    CHECK(!std::isnan(logits[id]), "logit of token ", id, " is not a number");
    if (!is_allowed(allowed, id)) continue;
    best = static_cast<int64_t>(id);
    peak = logits[id];
  }
  CHECK(best >= 0, "no logits to sample from");
  CHECK(std::isfinite(peak), "largest logit is ", peak);
  return best;
}

// ---- exponentials of a whole vocabulary
//
// Two at a time, for every token of the vocabulary; within two units in the last place, and the
// same on every machine.

typedef double Doubles __attribute__((vector_size(16)));
typedef int64_t Longs __attribute__((vector_size(16)));
constexpr int64_t kDoubles = 2;

// e^x for x up to 0; 0 below -700.  x = n·ln 2 + r, a Taylor polynomial in r, times 2^n.
Doubles exponential_of(Doubles x) {
  constexpr double kRound = 0x1.8p52;  // its last bit is worth 1
  constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr std::array kTaylor = {1.0 / 6227020800,
                                  1.0 / 479001600,
                                  1.0 / 39916800,
                                  1.0 / 3628800,
                                  1.0 / 362880,
                                  1.0 / 40320,
                                  1.0 / 5040,
                                  1.0 / 720,
                                  1.0 / 120,
                                  1.0 / 24,
                                  1.0 / 6,
                                  1.0 / 2,
                                  1.0,
                                  1.0};
  const Longs gone = x < -700.0;
  x = gone ? Doubles{} : x;
  const Doubles shifted = x * 1.44269504088896340736 + kRound;
  const Doubles n = shifted - kRound;
  const Doubles r = (x - n * kLn2High) - n * kLn2Low;
  Doubles p = Doubles{} + kTaylor[0];
  for (size_t i = 1; i < kTaylor.size(); ++i) p = p * r + kTaylor[i];
  const Doubles power = std::bit_cast<Doubles>((std::bit_cast<Longs>(shifted) + 1023) << 52);
  return gone ? Doubles{} : p * power;
}

// Tokens of a block share a partial sum: a draw finds its block first, then its token.
constexpr size_t kBlockTokens = 64;

// e^((logit - peak) / temperature) of every token that may be drawn, 0 of the others.
class Weights {
 public:
  Weights(std::span<const float> logits, double peak, double temperature, Allowed allowed)
      : count_(logits.size()), weights_((logits.size() + kBlockTokens - 1) / kBlockTokens) {
    for (size_t block = 0; block < weights_.size(); ++block) {
      sums_.push_back(
          weigh_block(logits.subspan(block * kBlockTokens), peak, temperature, weights_[block]));
      total_ += sums_.back();
    }
    if (!allowed.empty()) forbid_others(allowed);
  }

  double total() const { return total_; }

  // In order of ids, those above zero.
  std::vector<Candidate> candidates() const {
    std::vector<Candidate> candidates;
    candidates.reserve(count_);
    for (size_t id = 0; id < count_; ++id)
      if (at(id) > 0) candidates.push_back({static_cast<int64_t>(id), at(id)});
    return candidates;
  }

  // The token at share u of the total.
  int64_t draw(double u) const {
    double goal = u * total_;
    size_t block = 0;
    while (block + 1 < sums_.size() && goal >= sums_[block]) goal -= sums_[block++];
    size_t end = std::min(count_, (block + 1) * kBlockTokens);
    for (size_t id = block * kBlockTokens; id < end; ++id) {
      if (goal < at(id)) return static_cast<int64_t>(id);
      goal -= at(id);
    }
    while (!(at(end - 1) > 0)) --end;  // rounding left a hair of the last one over
    return static_cast<int64_t>(end) - 1;
  }

 private:
  using Block = std::array<double, kBlockTokens>;

  // The weights of a block's tokens, zeros after the last token; gives their sum.
  static double weigh_block(std::span<const float> logits, double peak, double temperature,
                            Block& weights) {
    const size_t count = std::min(kBlockTokens, logits.size());
    std::fill(weights.begin(), weights.end(), -std::numeric_limits<double>::infinity());
    std::copy_n(logits.begin(), count, weights.begin());
    Doubles sum = {};
    for (size_t i = 0; i < kBlockTokens; i += kDoubles) {
      Doubles weight;
      std::memcpy(&weight, weights.data() + i, sizeof weight);
      weight = exponential_of((weight - peak) / temperature);
      std::memcpy(weights.data() + i, &weight, sizeof weight);
      sum += weight;
    }
    return sum[0] + sum[1];
  }
  void forbid_others(Allowed allowed) {
    total_ = 0;
    for (size_t block = 0; block < weights_.size(); ++block) {
      sums_[block] = 0;
      for (size_t i = 0; i < kBlockTokens && block * kBlockTokens + i < count_; ++i) {
        double& weight = weights_[block][i];
        if (!is_allowed(allowed, block * kBlockTokens + i)) weight = 0;
        sums_[block] += weight;
      }
      total_ += sums_[block];
    }
  }
  double at(size_t id) const { return weights_[id / kBlockTokens][id % kBlockTokens]; }

  size_t count_;
  std::vector<Block> weights_;
  std::vector<double> sums_;  // of each block
  double total_ = 0;
};

// log Σ exp(logit), without overflow.
double log_sum(std::span<const float> logits, double peak) {
  return peak + std::log(Weights(logits, peak, 1, {}).total());
}

bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
}

double total(const std::vector<Candidate>& candidates) {
  return std::accumulate(candidates.begin(), candidates.end(), 0.0,
                         [](double sum, const Candidate& c) { return sum + c.weight; });
}

// Likeliest first; no more than top_k, no more than it takes to reach top_p.  A nucleus is usually
// a few tokens of thousands: they are sorted piece by piece, as far as the sum needs them.
void cut(std::vector<Candidate>& candidates, const SamplerOptions& options) {
  constexpr size_t kFirstPiece = 64;
  const auto select = [&](size_t from, size_t to) {
    const auto at = [&](size_t index) { return candidates.begin() + static_cast<long>(index); };
    if (to < candidates.size()) std::nth_element(at(from), at(to), candidates.end(), likelier);
    std::sort(at(from), at(to), likelier);
  };
  if (options.top_k > 0 && static_cast<size_t>(options.top_k) < candidates.size()) {
    select(0, static_cast<size_t>(options.top_k));
    candidates.resize(static_cast<size_t>(options.top_k));
  }
  const double goal = options.top_p * total(candidates);
  double sum = 0;
  size_t count = 0, sorted = 0, piece = kFirstPiece;
  while (count < candidates.size() && (count == 0 || sum < goal)) {
    if (count == sorted) {
      const size_t next = std::min(candidates.size(), sorted + piece);
      select(sorted, next);
      sorted = next;
      piece *= 4;
    }
    sum += candidates[count++].weight;
  }
  candidates.resize(count);
}

int64_t draw(const std::vector<Candidate>& candidates, double u) {
  const double goal = u * total(candidates);
  double sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += candidate.weight;
    if (goal < sum) return candidate.id;
  }
  return candidates.back().id;  // rounding left a hair of the last one over
}

}  // namespace

Status check(const SamplerOptions& options) {
  // The negated form refuses NaN too.
  if (!(options.temperature >= 0 && options.temperature <= 100))
    return fail("temperature is ", options.temperature, ", expected 0 to 100");
  if (options.top_k < 0) return fail("top-k is ", options.top_k, ", expected 0 (all) or more");
  if (!(options.top_p > 0 && options.top_p <= 1))
    return fail("top-p is ", options.top_p, ", expected more than 0 and at most 1");
  if (!(options.min_p >= 0 && options.min_p <= 1))
    return fail("min-p is ", options.min_p, ", expected 0 to 1");
  return Ok{};
}

Sample pick_token(std::span<const float> logits, const SamplerOptions& options, int64_t position,
                  std::span<const uint64_t> allowed) {
  const int64_t best = largest(logits, allowed);
  const double peak = logits[static_cast<size_t>(best)];
  // The model's own probability counts the others too, of which one may be the largest.
  const double highest = allowed.empty() ? peak : logits[static_cast<size_t>(largest(logits))];
  const auto sample = [&](int64_t id, double log_sum) {
    return Sample{id, static_cast<float>(logits[static_cast<size_t>(id)] - log_sum)};
  };
  if (options.temperature == 0) return sample(best, log_sum(logits, highest));
  const Weights weights(logits, peak, options.temperature, allowed);
  const double u = uniform(options.seed, position, 0);
  int64_t id = 0;
  if (options.top_k == 0 && options.top_p == 1 && options.min_p == 0) {
    id = weights.draw(u);
  } else {
    std::vector<Candidate> candidates = weights.candidates();
    if (options.top_k > 0 || options.top_p < 1) cut(candidates, options);
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < options.min_p; });
    id = draw(candidates, u);
  }
  const bool own = options.temperature == 1 && allowed.empty();
  return sample(id, own ? peak + std::log(weights.total()) : log_sum(logits, highest));
}

std::vector<Sample> likeliest(std::span<const float> logits, int64_t count) {
  const double peak = logits[static_cast<size_t>(largest(logits))];
  const double norm = log_sum(logits, peak);
  std::vector<int64_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), int64_t{0});
  const auto end = ids.begin() + std::clamp<int64_t>(count, 0, static_cast<int64_t>(ids.size()));
  const auto logit = [&](int64_t id) { return logits[static_cast<size_t>(id)]; };
  std::partial_sort(ids.begin(), end, ids.end(), [&](int64_t a, int64_t b) {
    return logit(a) > logit(b) || (logit(a) == logit(b) && a < b);
  });
  std::vector<Sample> samples;
  for (auto id = ids.begin(); id != end; ++id)
    samples.push_back({*id, static_cast<float>(logit(*id) - norm)});
  return samples;
}

}  // namespace hadal
