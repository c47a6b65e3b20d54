// SPDX-License-Identifier: MIT
// A sequence: the tokens of one slot of a cache, what of them was read, and what is still to be.
//
//   TRY(Wanted wanted, sequence.check(ids, given));
//   sequence.want(std::move(wanted));              // keeps what the slot holds of it
//   Batch batch;
//   sequence.add_to(batch, count);                 // the next `count` of sequence.unread()
//   …                                              // others add theirs; one forward for all
//   sequence.took(logits_V);                       // its row, if batch.wanted names one of its own
//
// What always holds
//   After any way to the same ids (in one piece, in chunks, token by token, beside others, over a
//   kept prefix, from a stored state) the logits are the same bits on the CPU: it is the caches
//   that make it so.
//   The longest prefix that the rings of the cache still cover is kept: at most max_chunk tokens
//   can be taken back, otherwise reading starts anew.
// A sequence owns its slot.  One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/cache.h"

namespace hadal {

struct SequenceOptions {
  int64_t slot = 0;
  // Prompts ask for the logits of their last token only, so layers of the decoder half may skip
  // what it cannot see (V4.1, model-spec §1.3).
  bool prompt_shortcut = true;
};

// Ids to be read.  Two sequences are one only where their marks agree too.
struct Wanted {
  std::vector<int64_t> ids;
  std::vector<int64_t> marks;  // one an id: 0, or the checksum of the embedding that is given
  GivenRows given;
  int64_t needed_from = 0;  // logits of earlier positions will not be asked for
};

// All that a slot needs to go on from a position; what Cache::save gives, and what it cannot know.
struct SequenceState {
  std::vector<int64_t> ids, marks;
  int64_t needed_from = 0;
  Tensor logits_V;                        // undefined unless they were computed
  std::map<std::string, Tensor> tensors;  // on the host; with "tokens", the ids once more
};

// Whether a state of `length` tokens, read with one needed_from, serves a prompt with another: the
// decoder half's windows hold what queries from needed_from on can reach, and no more.
bool serves(const ModelConfig& config, int64_t length, int64_t state_needed_from,
            int64_t needed_from);

class Sequence {
 public:
  Sequence(const ModelConfig& config, Cache& cache, SequenceOptions options);

  // Refuses ids outside the vocabulary, more than the cache holds, and embeddings that do not fit.
  Result<Wanted> check(std::span<const int64_t> ids, const GivenRows& given = {}) const;
  // How many of these tokens the slot holds already and can keep.
  int64_t reusable(const Wanted& wanted) const;
  // From now on they are what is to be read.  Gives how many of them are kept.
  int64_t want(Wanted wanted);
  // One token more.  Requires: room() > 0, nothing unread, a token of the vocabulary.
  void want_one(int64_t id) { want_more({&id, 1}); }
  // Several, the last of which may be taken back.  Requires: the same, and room for all.
  void want_more(std::span<const int64_t> ids);

  int64_t unread() const { return static_cast<int64_t>(wanted_.ids.size()) - length(); }
  // The next `count` unread tokens become a span; with the last of them the logits are asked for.
  // Requires: 1 to min(unread(), max_chunk).
  void add_to(Batch& batch, int64_t count);
  // The batch was run.
  void took(Tensor logits_V);

  // Back to the first `length` tokens and the logits after them.  Requires: nothing unread,
  // can_save(length).
  void take_back(int64_t length, Tensor logits_V);
  // Nothing is left of it.
  void reset();

  // Of the position after the last token that was read; undefined in the midst of a prompt.
  const Tensor& logits_V() const { return logits_V_; }
  const std::vector<int64_t>& ids() const { return ids_; }
  int64_t length() const { return static_cast<int64_t>(ids_.size()); }
  int64_t capacity() const { return capacity_; }
  int64_t room() const { return capacity_ - length(); }

  // The state after the first `length` tokens.  Requires: can_save(length).
  bool can_save(int64_t length) const;
  SequenceState save(int64_t length) const;
  // Refuses, changing nothing, what does not fit the cache.  What is wanted is what it holds.
  Status load(SequenceState state);

 private:
  Status check_ids(std::span<const int64_t> ids) const;
  Status check_given(const GivenRows& given, int64_t count) const;
  void truncate(int64_t length);

  const ModelConfig& config_;
  Cache& cache_;
  SequenceOptions options_;
  int64_t capacity_ = 0;
  Wanted wanted_;             // begins with ids_
  std::vector<int64_t> ids_;  // read
  int64_t adding_ = 0;        // tokens of the batch that is being run
  Tensor logits_V_;
  // Rings hold the rows of positions below `written_`; older ones were written over.
  int64_t written_ = 0;
  // Positions before this one cannot be taken back to: a stored state has no older rows.
  int64_t oldest_return_ = 0;
  // Layers of the decoder half have what queries from here on need, and no more.
  int64_t needed_from_ = 0;
};

}  // namespace hadal
