// SPDX-License-Identifier: MIT
// The sampler: which tokens may be drawn, and how often.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

namespace hadal {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Logits whose softmax is `probabilities`.
std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (double p : probabilities)
    logits.push_back(p > 0 ? std::log(static_cast<float>(p)) : kMinusInfinity);
  return logits;
}

std::map<int64_t, int64_t> counts(const std::vector<float>& logits, const SamplerOptions& options,
                                  int64_t draws) {
  std::map<int64_t, int64_t> counted;
  for (int64_t position = 0; position < draws; ++position)
    ++counted[pick_token(logits, options, position).id];
  return counted;
}

std::set<int64_t> support(const std::vector<float>& logits, const SamplerOptions& options) {
  std::set<int64_t> seen;
  for (const auto& [id, count] : counts(logits, options, 2000)) seen.insert(id);
  return seen;
}

TEST(Sampler, TemperatureZeroTakesTheLikeliestAndTheLowestOfEquals) {
  const std::vector<float> logits = {0.5F, 2, -1, 2};
  for (uint64_t seed = 0; seed < 20; ++seed)
    EXPECT_EQ(pick_token(logits, {.temperature = 0, .seed = seed}, 3).id, 1);
}

TEST(Sampler, DrawsFollowTheProbabilities) {
  const std::vector<double> expected = {0.4, 0.25, 0.2, 0.1, 0.05};
  constexpr int64_t kDraws = 20000;
  std::map<int64_t, int64_t> found = counts(logits_of(expected), {.seed = 7}, kDraws);
  double chi_square = 0;
  for (size_t id = 0; id < expected.size(); ++id) {
    const double mean = expected[id] * kDraws;
    const double off = static_cast<double>(found[static_cast<int64_t>(id)]) - mean;
    chi_square += off * off / mean;
  }
  EXPECT_LT(chi_square, 18.5);  // 4 degrees of freedom: exceeded once in a thousand seeds
}

TEST(Sampler, TemperatureSharpensAndFlattens) {
  const std::vector<float> logits = logits_of({0.8, 0.2});
  constexpr int64_t kDraws = 20000;
  // p^(1/T), normalised: T = 0.5 gives 16/17, T = 2 gives 2/3.
  EXPECT_NEAR(counts(logits, {.temperature = 0.5}, kDraws)[0] / double{kDraws}, 16.0 / 17, 0.008);
  EXPECT_NEAR(counts(logits, {.temperature = 2}, kDraws)[0] / double{kDraws}, 2.0 / 3, 0.014);
}

TEST(Sampler, CutsKeepWhatTheyShould) {
  const std::vector<float> logits = logits_of({0.1, 0.4, 0.05, 0.25, 0.2});
  EXPECT_EQ(support(logits, {.top_k = 2}), (std::set<int64_t>{1, 3}));
  EXPECT_EQ(support(logits, {.top_k = 99}), (std::set<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(support(logits, {.top_p = 0.6}), (std::set<int64_t>{1, 3}));
  EXPECT_EQ(support(logits, {.top_p = 0.7}), (std::set<int64_t>{1, 3, 4}));
  EXPECT_EQ(support(logits, {.top_p = 1e-9}), (std::set<int64_t>{1}));
  EXPECT_EQ(support(logits, {.min_p = 0.3}), (std::set<int64_t>{1, 3, 4}));
  EXPECT_EQ(support(logits, {.min_p = 1}), (std::set<int64_t>{1}));
  // top-p counts what top-k has left: 0.4 / 0.65 > 0.6.
  EXPECT_EQ(support(logits, {.top_k = 2, .top_p = 0.6}), (std::set<int64_t>{1}));
}

TEST(Sampler, EqualLogitsAreKeptInTheOrderOfIds) {
  const std::vector<float> logits(10, 1.0F);
  EXPECT_EQ(support(logits, {.top_k = 3}), (std::set<int64_t>{0, 1, 2}));
  EXPECT_EQ(support(logits, {.top_p = 0.2}), (std::set<int64_t>{0, 1}));
}

TEST(Sampler, ForbiddenTokensAreNeverDrawn) {
  const std::vector<float> logits = logits_of({0, 0.5, 0, 0.5});
  EXPECT_EQ(support(logits, {}), (std::set<int64_t>{1, 3}));
  EXPECT_EQ(support(logits, {.top_k = 4, .top_p = 0.9999}), (std::set<int64_t>{1, 3}));
}

TEST(Sampler, ExtremeLogitsAndTemperaturesStayFinite) {
  const std::vector<float> logits = {1e30F, -1e30F, 3e38F, kMinusInfinity};
  const Sample sample = pick_token(logits, {.temperature = 1e-6}, 0);
  EXPECT_EQ(sample.id, 2);
  EXPECT_EQ(sample.logprob, 0);
  EXPECT_EQ(pick_token(std::vector<float>{5}, {.temperature = 100}, 9).id, 0);
}

// Of a vocabulary of several blocks, the last of them not whole.
TEST(Sampler, ManyTokensAreDrawnAsOftenAsTheirProbabilitiesSay) {
  constexpr int64_t kTokens = 1000, kDraws = 200000, kGroups = 20;
  std::vector<float> logits;
  for (int64_t id = 0; id < kTokens; ++id)
    logits.push_back(static_cast<float>(4 * std::sin(0.37 * static_cast<double>(id))));
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit));
  std::vector<double> expected(kGroups), found(kGroups);
  for (int64_t id = 0; id < kTokens; ++id)
    expected[static_cast<size_t>(id * kGroups / kTokens)] +=
        kDraws * std::exp(static_cast<double>(logits[static_cast<size_t>(id)])) / sum;
  for (int64_t position = 0; position < kDraws; ++position) {
    const Sample sample = pick_token(logits, {.seed = 11}, position);
    ++found[static_cast<size_t>(sample.id * kGroups / kTokens)];
    ASSERT_NEAR(sample.logprob, logits[static_cast<size_t>(sample.id)] - std::log(sum), 1e-5);
  }
  double chi_square = 0;
  for (size_t i = 0; i < kGroups; ++i)
    chi_square += (found[i] - expected[i]) * (found[i] - expected[i]) / expected[i];
  EXPECT_LT(chi_square, 43.8);  // 19 degrees of freedom: exceeded once in a thousand seeds
}

TEST(Sampler, AllowedTokensAloneAreDrawnWhereverTheyStand) {
  std::vector<float> logits(1000, 2.0F);
  logits[500] = 30;
  for (int64_t only : {0, 63, 64, 998, 999}) {
    std::vector<uint64_t> allowed(16);
    allowed[static_cast<size_t>(only / 64)] = uint64_t{1} << (only % 64);
    for (int64_t position = 0; position < 20; ++position)
      EXPECT_EQ(pick_token(logits, {}, position, allowed).id, only);
  }
}

TEST(Sampler, LogprobIsTheModelsOwn) {
  const std::vector<float> logits = logits_of({0.7, 0.3});
  const Sample sample = pick_token(logits, {.temperature = 0.1, .top_k = 1}, 0);
  EXPECT_NEAR(sample.logprob, std::log(0.7), 1e-6);
  const std::vector<Sample> best = likeliest(logits, 5);
  ASSERT_EQ(best.size(), 2U);
  EXPECT_EQ(best[1].id, 1);
  EXPECT_NEAR(best[1].logprob, std::log(0.3), 1e-6);
}

TEST(Sampler, WrongOptionsAreNamed) {
  EXPECT_TRUE(check({}));
  EXPECT_EQ(check({.temperature = -1}).error().message, "temperature is -1, expected 0 to 100");
  EXPECT_EQ(check({.temperature = std::nan("")}).error().message,
            "temperature is nan, expected 0 to 100");
  EXPECT_EQ(check({.top_k = -2}).error().message, "top-k is -2, expected 0 (all) or more");
  EXPECT_EQ(check({.top_p = 0}).error().message, "top-p is 0, expected more than 0 and at most 1");
  EXPECT_EQ(check({.min_p = 1.5}).error().message, "min-p is 1.5, expected 0 to 1");
}

using SamplerDeathTest = testing::Test;

TEST(SamplerDeathTest, LogitsThatAreNoNumbersStopTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(pick_token(std::vector<float>{0, std::nanf("")}, {}, 0), "logit of token 1");
  EXPECT_DEATH(pick_token(std::vector<float>{kMinusInfinity}, {}, 0), "largest logit is -inf");
  EXPECT_DEATH(pick_token(std::vector<float>{}, {}, 0), "no logits");
}

}  // namespace
}  // namespace hadal
