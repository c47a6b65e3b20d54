// SPDX-License-Identifier: MIT
// The n-gram baseline: probabilities by hand, and that they are probabilities.
#include "train/ngram.h"

#include <gtest/gtest.h>

#include <vector>

namespace hadal {
namespace {

TEST(NgramTest, BigramByHand) {
  // Documents 0 1 2, 0 1 3, 0 2 3 over the vocabulary 0 … 3.
  NgramModel model(2);
  for (std::vector<int32_t> ids : {std::vector<int32_t>{0, 1, 2}, {0, 1, 3}, {0, 2, 3}})
    model.learn(ids);
  model.finish(4);
  // Bigrams: 0→1 twice, 0→2, 1→2, 1→3, 2→3 once: D2 = 4/(4+2) = 2/3.
  // Unigrams by distinct tokens before them: 1: {0}, 2: {0,1}, 3: {1,2}: n1 = 1, n2 = 2, D1 = 1/5.
  double uniform = 1.0 / 4, d1 = 1.0 / 5, d2 = 2.0 / 3;
  double one = (1 - d1) / 5 + d1 * 3 / 5 * uniform;
  EXPECT_NEAR(model.probability(std::vector<int32_t>{0}, 1), (2 - d2) / 3 + d2 * 2 / 3 * one,
              1e-12);
  EXPECT_NEAR(model.probability(std::vector<int32_t>{0, 1}, 1), d2 * 2 / 2 * one, 1e-12);
  EXPECT_NEAR(model.probability(std::vector<int32_t>{3}, 1), one, 1e-12);  // nothing follows 3
}

TEST(NgramTest, ProbabilitiesAddUpToOne) {
  for (int64_t order = 1; order <= 5; ++order) {
    NgramModel model(order);
    std::vector<int32_t> ids;
    for (int i = 0; i < 400; ++i) ids.push_back((i * i * 7 + i / 3) % 11);
    model.learn(ids);
    model.learn(std::vector<int32_t>{0, 3, 5, 5, 5, 5, 5});
    model.finish(12);
    for (size_t length : {1, 2, 3, 7, 40}) {
      double sum = 0;
      for (int32_t token = 0; token < 12; ++token)
        sum += model.probability(std::vector<int32_t>(ids.begin(), ids.begin() + length), token);
      EXPECT_NEAR(sum, 1, 1e-9) << order << "-gram, history " << length;
    }
  }
}

}  // namespace
}  // namespace hadal
