// SPDX-License-Identifier: MIT
// Forward passes whose states are added up.
#include "engine/text_embedding.h"

#include <cmath>
#include <utility>

namespace hadal {

TextEmbedding::TextEmbedding(Model& model, Ops& ops, Cache& cache, Text text)
    : model_(model),
      ops_(ops),
      cache_(cache),
      text_(std::move(text)),
      sum_D_(static_cast<size_t>(model.config().width), 0) {
  CHECK(!text_.ids.empty(), "a text without tokens");
}

void TextEmbedding::read(int64_t count) {
  CHECK(count > 0 && count <= unread(), count);
  Batch batch;
  batch.append(text_.slot, read_, {text_.ids.begin() + read_, text_.ids.begin() + read_ + count});
  batch.needed_from.push_back(0);  // nothing may be skipped: every row is looked at
  for (int64_t row = 0; row < count; ++row) batch.wanted.push_back(row);
  const Tensor states_TD = ops_.to_host(model_.states(batch, cache_));
  const float* value = states_TD.data<float>();
  for (int64_t row = 0; row < count; ++row)
    for (double& sum : sum_D_) sum += *value++;
  read_ += count;
}

std::vector<float> TextEmbedding::mean() const {
  CHECK(unread() == 0, unread());
  double square = 0;
  for (const double sum : sum_D_) square += sum * sum;
  const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
  std::vector<float> mean;
  for (const double sum : sum_D_) mean.push_back(static_cast<float>(sum * scale));
  return mean;
}

}  // namespace hadal
