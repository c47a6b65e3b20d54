// SPDX-License-Identifier: MIT
// The sampler's steps, in the order that sampler.h gives.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
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
  for (size_t id = 0; id < logits.size(); ++id) {
    CHECK(!std::isnan(logits[id]), "logit of token ", id, " is not a number");
    if (!is_allowed(allowed, id)) continue;
    if (best < 0 || logits[id] > logits[static_cast<size_t>(best)]) best = static_cast<int64_t>(id);
  }
  CHECK(best >= 0, "no logits to sample from");
  CHECK(std::isfinite(logits[static_cast<size_t>(best)]), "largest logit is ",
        logits[static_cast<size_t>(best)]);
  return best;
}

// log Σ exp(logit), without overflow.
double log_sum(std::span<const float> logits, double peak) {
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - peak);
  return peak + std::log(sum);
}

// Tokens that may be drawn at all, in order of ids.
std::vector<Candidate> softmax(std::span<const float> logits, double peak, double temperature,
                               Allowed allowed) {
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!is_allowed(allowed, id)) continue;
    const double weight = std::exp((static_cast<double>(logits[id]) - peak) / temperature);
    if (weight > 0) candidates.push_back({static_cast<int64_t>(id), weight});
  }
  return candidates;
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
  int64_t id = best;
  if (options.temperature > 0) {
    std::vector<Candidate> candidates = softmax(logits, peak, options.temperature, allowed);
    if (options.top_k > 0 || options.top_p < 1) cut(candidates, options);
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < options.min_p; });
    id = draw(candidates, uniform(options.seed, position, 0));
  }
  // The model's own probability counts the others too, of which one may be the largest.
  const double highest = allowed.empty() ? peak : logits[static_cast<size_t>(largest(logits))];
  return {id, static_cast<float>(logits[static_cast<size_t>(id)] - log_sum(logits, highest))};
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
