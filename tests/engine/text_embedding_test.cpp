// SPDX-License-Identifier: MIT
// Embeddings: the states that the head reads, whatever the cuts and whatever the slot held before.
#include "engine/text_embedding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/step.h"
#include "tiny_model.h"

namespace hadal {
namespace {

std::vector<float> embedded(const TinyModel& tiny, Cache& cache, const std::vector<int64_t>& ids,
                            int64_t chunk, int64_t slot = 0) {
  TextEmbedding embedding(*tiny.model, *tiny.ops, cache, {.slot = slot, .ids = ids});
  while (embedding.unread() > 0) embedding.read(std::min(chunk, embedding.unread()));
  EXPECT_EQ(embedding.length(), static_cast<int64_t>(ids.size()));
  return embedding.mean();
}

class TextEmbeddingTest : public testing::TestWithParam<const char*> {};

TEST_P(TextEmbeddingTest, IsTheMeanOfTheStatesThatTheHeadReads) {
  const TinyModel tiny(GetParam());
  Cache cache = tiny.cache(2, 64);
  const std::vector<int64_t> ids = TinyModel::ids(40);
  const std::vector<float> whole = embedded(tiny, cache, ids, 64);
  ASSERT_EQ(static_cast<int64_t>(whole.size()), tiny.model->config().width);
  double square = 0;
  for (const float value : whole) square += static_cast<double>(value) * value;
  EXPECT_NEAR(square, 1, 1e-5);
  EXPECT_EQ(embedded(tiny, cache, ids, 7), whole) << "in pieces, over what the slot held";
  EXPECT_EQ(embedded(tiny, cache, ids, 1, 1), whole) << "token by token, in another slot";
  EXPECT_NE(embedded(tiny, cache, TinyModel::ids(40, 1), 64), whole);

  // By hand: one token's state alone, up to its length.
  Batch batch;
  batch.append(0, 0, {ids[0]});
  batch.wanted = {0};
  const Tensor state = tiny.ops->to_host(tiny.model->states(batch, cache));
  const std::vector<float> one = embedded(tiny, cache, {ids[0]}, 1);
  double length = 0;
  for (size_t i = 0; i < one.size(); ++i)
    length += static_cast<double>(state.data<float>()[i]) * state.data<float>()[i];
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_NEAR(one[i], state.data<float>()[i] / std::sqrt(length), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Both, TextEmbeddingTest, testing::Values("v4-tiny", "v41-tiny"));

}  // namespace
}  // namespace hadal
