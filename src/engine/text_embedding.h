// SPDX-License-Identifier: MIT
// A text as one vector: the mean of what the output head would read behind each of its tokens, of
// unit length.
//
//   TextEmbedding embedding(*model, ops, cache, {.slot = 0, .ids = ids});
//   while (embedding.unread() > 0) embedding.read(64);      // one forward pass each
//   std::vector<float> vector = embedding.mean();
//
// Models that write were not trained for this; texts that they would go on from alike come close to
// each other.  The same bits on the CPU, however it was cut.  The slot is its own until it is read;
// who has it next begins anew.  One thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"
#include "ops/ops.h"

namespace hadal {

class TextEmbedding {
 public:
  struct Text {
    int64_t slot = 0;
    std::vector<int64_t> ids;  // at least one, of the vocabulary; the cache holds them all
  };
  TextEmbedding(Model& model, Ops& ops, Cache& cache, Text text);

  int64_t length() const { return read_; }
  int64_t unread() const { return static_cast<int64_t>(text_.ids.size()) - read_; }
  // Requires: 1 to min(unread(), max_chunk).
  void read(int64_t count);
  // Requires: nothing unread.
  std::vector<float> mean() const;

 private:
  Model& model_;
  Ops& ops_;
  Cache& cache_;
  const Text text_;
  int64_t read_ = 0;
  std::vector<double> sum_D_;
};

}  // namespace hadal
