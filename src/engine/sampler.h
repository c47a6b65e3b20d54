// SPDX-License-Identifier: MIT
// The sampler: logits to one token.
//
//   SamplerOptions options{.temperature = 0.8, .top_p = 0.95, .seed = 7};
//   TRY_STATUS(check(options));
//   Sample sample = pick_token(logits, options, position);
//
// The order of steps, as in vLLM: softmax(logits / temperature); top-k keeps the k likeliest;
// top-p keeps the fewest whose share of what is left reaches p; min-p drops what is less likely
// than min_p times the likeliest; one is drawn from the rest.  Equal logits count in the order of
// ids, so that nothing depends on a sort.  Temperature 0 takes the likeliest and draws nothing.
//
// The draw is a function of (seed, position): the same seed gives the same answer, alone or in
// a batch, fresh or resumed.  Any thread may use it.  -inf forbids a token; NaN, +inf and "all
// forbidden" are bugs of the model and stop the program.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace hadal {

struct SamplerOptions {
  double temperature = 1;
  int64_t top_k = 0;  // 0: all
  double top_p = 1;   // 1: all
  double min_p = 0;   // 0: all
  uint64_t seed = 0;
};

// The caller's mistakes: one line that names the option, what was found and what may stand there.
Status check(const SamplerOptions& options);

struct Sample {
  int64_t id = 0;
  // Natural logarithm of the model's own probability: before temperature and cuts.
  float logprob = 0;
};

// `allowed`: one bit for each token, of at least as many as there are logits; only those are
// candidates, in every step.  Empty: all.
Sample pick_token(std::span<const float> logits, const SamplerOptions& options, int64_t position,
                  std::span<const uint64_t> allowed = {});

// The `count` likeliest tokens under the model's own probabilities, likeliest first.
std::vector<Sample> likeliest(std::span<const float> logits, int64_t count);

}  // namespace hadal
