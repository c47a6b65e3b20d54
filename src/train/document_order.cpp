// SPDX-License-Identifier: MIT
// Shuffling, length classes, cutting.
#include "train/document_order.h"

#include <algorithm>
#include <bit>

#include "base/random.h"
#include "base/result.h"

namespace hadal {

namespace {

// Pieces of one token have nothing to predict and are left out.
void append_pieces(const Shard& shard, int64_t shard_index, int64_t max_length,
                   std::vector<Piece>& pieces) {
  for (int64_t d = 0; d < shard.documents(); ++d)
    for (int64_t first = 0; first + 1 < shard.length(d); first += max_length)
      pieces.push_back({shard_index, d, first, std::min(max_length, shard.length(d) - first)});
}

template <typename T>
void shuffle(std::vector<T>& items, Random& random) {
  for (int64_t i = static_cast<int64_t>(items.size()) - 1; i > 0; --i)
    std::swap(items[static_cast<size_t>(i)], items[static_cast<size_t>(random.below(i + 1))]);
}

// Cuts a list into micro-batches; each holds at least one piece.
void cut(const std::vector<Piece>& pieces, int64_t micro_tokens, std::vector<MicroBatch>& out) {
  MicroBatch batch;
  int64_t tokens = 0;
  for (const Piece& piece : pieces) {
    if (!batch.empty() && tokens + piece.count > micro_tokens) {
      out.push_back(std::move(batch));
      batch.clear();
      tokens = 0;
    }
    batch.push_back(piece);
    tokens += piece.count;
  }
  if (!batch.empty()) out.push_back(std::move(batch));
}

// Up to 64 tokens, up to 128, …: each class is at most twice as long as its shortest member.
size_t length_class(int64_t count) {
  return static_cast<size_t>(
      std::bit_width(static_cast<uint64_t>(std::max<int64_t>(count, 33) - 1)));
}

}  // namespace

DocumentOrder::DocumentOrder(const std::vector<Shard>& shards, const OrderOptions& options)
    : options_(options) {
  CHECK(options.micro_tokens > 0 && options.max_length > 1);
  for (size_t s = 0; s < shards.size(); ++s)
    append_pieces(shards[s], static_cast<int64_t>(s), options.max_length, pieces_);
  CHECK(!pieces_.empty());
}

void DocumentOrder::make_epoch(int64_t epoch) {
  Random random(seed_for(options_.seed, "epoch " + std::to_string(epoch)));
  std::vector<Piece> pieces = pieces_;
  shuffle(pieces, random);
  std::vector<std::vector<Piece>> classes(64);
  for (const Piece& piece : pieces) classes[length_class(piece.count)].push_back(piece);
  batches_.clear();
  for (const std::vector<Piece>& members : classes) cut(members, options_.micro_tokens, batches_);
  shuffle(batches_, random);
  epoch_ = epoch;
}

int64_t DocumentOrder::epoch_of(int64_t index) {
  // Epochs differ a little in their number of micro-batches, so each start is found by making the
  // epochs before it; a run sees few of them.
  while (epoch_starts_.back() <= index) {
    make_epoch(static_cast<int64_t>(epoch_starts_.size()) - 1);
    epoch_starts_.push_back(epoch_starts_.back() + static_cast<int64_t>(batches_.size()));
  }
  auto after = std::upper_bound(epoch_starts_.begin(), epoch_starts_.end(), index);
  return after - epoch_starts_.begin() - 1;
}

const MicroBatch& DocumentOrder::micro_batch(int64_t index) {
  int64_t epoch = epoch_of(index);
  if (epoch != epoch_) make_epoch(epoch);
  return batches_[static_cast<size_t>(index - epoch_starts_[static_cast<size_t>(epoch)])];
}

std::vector<MicroBatch> in_file_order(const Shard& shard, int64_t micro_tokens,
                                      int64_t max_length) {
  std::vector<Piece> pieces;
  append_pieces(shard, 0, max_length, pieces);
  std::vector<MicroBatch> batches;
  cut(pieces, micro_tokens, batches);
  return batches;
}

}  // namespace hadal
