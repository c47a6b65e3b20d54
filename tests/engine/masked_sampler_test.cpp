// SPDX-License-Identifier: MIT
// A mask in the sampler: only its tokens, with the model's own probabilities.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace hadal {
namespace {

const std::vector<float> kLogits = {1, 5, 2, 4, 3, 0, -1, 2.5F};

TEST(MaskedSampler, OnlyAllowedTokensAreDrawn) {
  const std::vector<uint64_t> mask = {0b10010101};
  std::set<int64_t> seen;
  for (int64_t position = 0; position < 400; ++position)
    seen.insert(pick_token(kLogits, {.temperature = 2, .seed = 3}, position, mask).id);
  EXPECT_EQ(seen, (std::set<int64_t>{0, 2, 4, 7}));
  EXPECT_EQ(pick_token(kLogits, {.temperature = 0}, 0, mask).id, 4);
  // Cuts count what is allowed: the likeliest of all is not among them.
  for (int64_t position = 0; position < 50; ++position)
    EXPECT_EQ(pick_token(kLogits, {.top_k = 1}, position, mask).id, 4);
}

TEST(MaskedSampler, ProbabilitiesStayTheModels) {
  const std::vector<uint64_t> one = {uint64_t{1} << 6};
  double sum = 0;
  for (const float logit : kLogits) sum += std::exp(static_cast<double>(logit));
  const Sample sample = pick_token(kLogits, {}, 0, one);
  EXPECT_EQ(sample.id, 6);
  EXPECT_NEAR(sample.logprob, -1 - std::log(sum), 1e-5);
}

TEST(MaskedSampler, AMaskOfAllChangesNothing) {
  const std::vector<uint64_t> all = {~uint64_t{0}};
  for (int64_t position = 0; position < 100; ++position) {
    const SamplerOptions options{.temperature = 1.3, .top_p = 0.9, .min_p = 0.01, .seed = 5};
    const Sample masked = pick_token(kLogits, options, position, all);
    const Sample plain = pick_token(kLogits, options, position);
    EXPECT_EQ(masked.id, plain.id);
    EXPECT_EQ(masked.logprob, plain.logprob);
  }
}

}  // namespace
}  // namespace hadal
