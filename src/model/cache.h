// SPDX-License-Identifier: MIT
// Cache and batch: which rows of which pool every token writes and sees.
//
// A batch is ragged: T rows of tokens from several sequences, each a span of consecutive
// positions.  Prefill, decode, drafting and training are the same call with other spans.  The
// cache of a model is pools of rows; what a token writes and sees are row ids, computed here by
// pure arithmetic and tested alone.
//
// Per sequence slot
//   window pool of every layer      a ring of window-1+max_chunk rows, position p at p mod ring
//   compressed pool, ratio m        entry j (tokens m·j … m·j+m-1) at row j of the slot's region
//   state pools, ratio m > 1        pooling inputs of recent tokens, a ring of k·m-1+max_chunk
//                                   rows rounded up to whole groups (k = 2 where groups overlap)
// Windows, compressed rows and index keys are rounded as the model was trained with (§3.6) and, on
// a back end that packs, held in those bytes; pooling inputs are floats.  Pools are reserved for
// all positions, and take memory where rows were written. The rings are long enough for every query
// of a chunk to find the rows that its own position calls for: so a chunk of any size sees exactly
// what token-by-token decoding sees (§3.4).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/visual_sequence.h"
#include "ops/ops.h"

namespace hadal {

// `count` rows of the batch, from row `first_row`: positions start, start+1, … of one sequence.
struct Span {
  int64_t slot = 0;
  int64_t first_row = 0;
  int64_t count = 0;
  int64_t start = 0;
  // A block that is being refined: its rows see each other both ways through the window, and
  // nothing of them is compressed.  It is read again, once, when it is decided.
  bool two_way = false;
};

// Rows whose embeddings are given instead of looked up: what the encoder of images saw (§7.5).
struct GivenRows {
  std::vector<int64_t> rows;  // ascending
  Tensor values_ND;           // f32, one for each of them; on the host or where the verbs work

  bool empty() const { return rows.empty(); }
};

struct Batch {
  std::vector<int64_t> ids;     // T token ids
  std::vector<Span> spans;      // in row order, covering all rows
  std::vector<int64_t> wanted;  // rows whose logits are asked for, ascending
  // Positions before this one (one a span; empty: 0) will never be asked about again once the
  // compressors have read them: layers of the decoder half may skip rows that no later layer and
  // no later token can see (§1.3).  Set by who knows the end of the prompt.
  std::vector<int64_t> needed_from;
  // A number a row (or none at all) that Engram's hash takes in: 0 leaves the n-gram as it is, any
  // other makes it one that was never met.  Training only (train/lesson.h).
  std::vector<uint64_t> engram_salt_T;
  GivenRows given;

  // One span more.
  void append(int64_t slot, int64_t start, const std::vector<int64_t>& tokens,
              bool two_way = false);
  int64_t rows() const { return static_cast<int64_t>(ids.size()); }
  Tensor ids_T() const;
};

// Row ids of one compression ratio for one batch.
struct GroupPlan {
  Tensor state_ids_T;      // where each token's pooling inputs go
  Tensor phase_T;          // position mod ratio (row of the APE table)
  Tensor member_ids_GN;    // state rows of the groups that this batch completes
  Tensor entry_ids_G;      // rows of the compressed pool they fill
  Tensor entry_rows_G;     // rows of the batch that complete them
  Tensor entry_positions;  // [G] or [G, 3]: of token ratio·j, for their rotation
  Tensor first_T;          // first row of the sequence's region
  Tensor count_T;          // entries visible to each token: floor((t+1)/ratio)
  Tensor all_ids_TN;       // those rows, padded with -1 (only for layers without an indexer)
};

struct Plan {
  Tensor positions;                     // [T], or [T, 3] for models with a visual vocabulary
  Tensor write_ids_T;                   // window ring rows of the tokens
  Tensor window_ids_TW;                 // rows each token sees, oldest first, -1 before the start
  Tensor block_ids_TB;                  // plan_blocks: rows of the block's own pool that it sees
  std::map<int64_t, GroupPlan> groups;  // by ratio
};

// Which roundings of the official inference code are computed (§3.6, §8.3): none, or those of
// cached rows, index queries and of activations that meet quantised weights.
enum class Rounding { none, published };
// The rotary channels of V4's rows: BF16 as the published kernels hold them, or the f32 that the
// goldens were computed with.
enum class RotaryTail { bf16, f32 };

struct CacheOptions {
  int64_t slots = 1;
  int64_t max_positions = 0;                // 0: the model's own limit
  int64_t max_chunk = 512;                  // most rows of one sequence in one batch
  Rounding rounding = Rounding::published;  // must be the model's
  RotaryTail tail = RotaryTail::bf16;
};

// What the rows of a model's pools are.
struct CacheLayouts {
  RowLayout window, compressed, index_keys;
};
CacheLayouts cache_layouts(const ModelConfig& config, const CacheOptions& options);

struct LayerCache {
  Pool window;                        // [slots·ring, K]
  Pool compressed;                    // layers that own compressed rows: [slots·entries, K]
  Pool index_keys;                    // … and index keys: [slots·entries, index width]
  Tensor state_values, state_scores;  // pooling inputs
  Tensor index_state_values, index_state_scores;  // V4's indexer has a compressor of its own
};

class Cache {
 public:
  Cache(const ModelConfig& config, Ops& ops, const CacheOptions& options);

  // Notes the tokens of a batch: what Engram looks back on, and where cells stand.
  void note(const Batch& batch);
  // Ids of all rows that a noted `batch` writes and sees.  Pure arithmetic over positions (and
  // places of cells).  `list_all` also lists every visible entry for layers with an indexer.
  Plan plan(const Batch& batch, bool list_all = false) const;
  // Of blocks that guess: each span of the batch follows tokens that were noted, is not noted
  // itself and leaves nothing in the cache.  Its rows see the last W tokens before the span, and
  // each other both ways in a pool of their own, of one row a token of the batch. Requires: no span
  // stands inside a picture.
  Plan plan_blocks(const Batch& batch) const;
  // The token at a position of a slot's sequence, as noted.
  int64_t token_at(int64_t slot, int64_t position) const;

  // Everything a sequence needs to go on from `length` positions, as named host tensors, and the
  // way back.  A stored cache is hostile: sizes are checked, contents are the caller's checksum.
  std::vector<std::pair<std::string, Tensor>> save(int64_t slot, int64_t length);
  Status load(int64_t slot, int64_t length, const std::map<std::string, Tensor>& tensors);

  const CacheOptions& options() const { return options_; }
  int64_t ring() const { return ring_; }

  std::vector<LayerCache> layers;

 private:
  // A pool of one layer, and where a slot's live rows are in it.
  struct LiveRows {
    std::string name;
    Tensor* rows;
    RowLayout layout;
    std::vector<int64_t> ids;
  };

  // The tokens of one slot, and for models with a visual vocabulary their places.
  struct Sequence {
    std::vector<int64_t> tokens;
    std::vector<RotaryPlace> places;
    SequenceReader reader;  // has read all of them
    // Its state before every kStateEvery-th token: the way back to a position.
    std::vector<SequenceReader> states;
  };
  static constexpr int64_t kStateEvery = 256;

  void note(Sequence& sequence, int64_t position, int64_t id) const;
  const RotaryPlace& place_at(int64_t slot, int64_t position) const {
    return sequences_[static_cast<size_t>(slot)].places[static_cast<size_t>(position)];
  }
  Tensor positions_of(const std::vector<std::pair<int64_t, int64_t>>& slots_and_positions) const;
  // Positions that a row sees through its window, in ascending order.
  void window_of(const Span& span, int64_t position, std::vector<int64_t>& seen) const;
  void plan_window(const Batch& batch, Plan& plan) const;
  GroupPlan plan_groups(const Batch& batch, int64_t ratio, bool list_all) const;
  void make_pools(int64_t layer);
  bool overlapping_ratio(int64_t ratio) const;
  int64_t entries_of(int64_t ratio) const;     // compressed rows a slot
  int64_t state_ring_of(int64_t ratio) const;  // state rows a slot
  std::vector<LiveRows> live_rows(int64_t slot, int64_t length);

  ModelConfig config_;
  Ops& ops_;
  CacheOptions options_;
  int64_t ring_ = 0;
  std::vector<Sequence> sequences_;  // one a slot
};

}  // namespace hadal
