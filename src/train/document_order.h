// SPDX-License-Identifier: MIT
// Which documents are read together, and when: a pure function of the seed.
//
//   DocumentOrder order(shards, {.seed = 1, .micro_tokens = 4096, .max_length = 1024});
//   for (const Piece& piece : order.micro_batch(index)) …
//
// An epoch reads every document once.  Documents are shuffled, put aside by length class (a cache
// is cut for the longest sequence of its batch, so that long and short ones waste less apart), and
// each class is cut into micro-batches of at most `micro_tokens`; then the micro-batches are
// shuffled.  A document longer than `max_length` is read in pieces that do not see each other.
// Nothing but the index of a micro-batch has to be remembered to go on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/shard.h"

namespace hadal {

struct Piece {
  int64_t shard = 0;
  int64_t document = 0;
  int64_t first = 0;  // token of the document
  int64_t count = 0;
};
using MicroBatch = std::vector<Piece>;

struct OrderOptions {
  uint64_t seed = 1;
  int64_t micro_tokens = 4096;
  int64_t max_length = 1024;
};

class DocumentOrder {
 public:
  DocumentOrder(const std::vector<Shard>& shards, const OrderOptions& options);

  // The index-th micro-batch since the start of training; epochs follow one another.
  const MicroBatch& micro_batch(int64_t index);
  int64_t epoch_of(int64_t index);

 private:
  void make_epoch(int64_t epoch);

  std::vector<Piece> pieces_;  // all of them, in file order
  OrderOptions options_;
  std::vector<int64_t> epoch_starts_ = {0};  // first micro-batch of each epoch seen so far
  int64_t epoch_ = -1;                       // the epoch in batches_
  std::vector<MicroBatch> batches_;
};

// The same documents in file order, cut by token count: for validation.
std::vector<MicroBatch> in_file_order(const Shard& shard, int64_t micro_tokens, int64_t max_length);

}  // namespace hadal
