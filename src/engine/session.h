// SPDX-License-Identifier: MIT
// A session: one sequence of tokens, what the model has read of it, and its next logits.
//
//   Session session(*model, ops, cache, {.fingerprint = fingerprint});
//   TRY(Prefill prefill, session.extend(prompt_ids, nullptr));   // reads what is new
//   Sample next = pick_token(session.logits(), sampler, session.length());
//   session.append(next.id);                                     // reads one token
//
// What always holds
//   After any way to the same ids (in one piece, in chunks, token by token, over a shared prefix,
//   from a file) the logits are the same bits on the CPU: it is the caches that make it so.
//   extend() keeps the longest prefix that the rings of the cache still cover: at most max_chunk
//   tokens can be taken back, otherwise reading starts anew.
// A session owns its slot of the cache.  One thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/cache.h"
#include "model/model.h"
#include "ops/ops.h"

namespace hadal {

struct SessionOptions {
  int64_t slot = 0;
  // Prompts ask for the logits of their last token only, so layers of the decoder half may skip
  // what it cannot see (V4.1, model-spec §1.3).
  bool prompt_shortcut = true;
  // What a stored session must agree with (fingerprint.h); empty: sessions cannot be stored.
  std::string fingerprint = {};
};

// What extend() did.
struct Prefill {
  int64_t reused = 0;  // tokens that were in the cache already
  int64_t read = 0;    // tokens read now
  double seconds = 0;
  bool cancelled = false;  // the session holds the part that was read, and no logits
};

class Session {
 public:
  Session(Model& model, Ops& ops, Cache& cache, SessionOptions options);

  // Makes the sequence equal to `ids` and computes the logits after it.  Refuses, changing
  // Makes the sequence equal to `ids` and computes the logits after it.  Refuses, changing
  // nothing, ids outside the vocabulary and more than the cache holds.  `cancel` is looked at
  // between chunks.  `given`: positions whose embeddings are not looked up (images); two
  // sequences are one only where these agree too.  Its values must be on the host.
  Result<Prefill> extend(std::span<const int64_t> ids, const std::atomic<bool>* cancel,
                         const GivenRows& given = {});
  // One token more.  Requires: room() > 0 and a token of the vocabulary.
  void append(int64_t id);
  // An empty sequence.
  void reset();

  // Of the position after the last token; empty before extend() and after a cancelled one.
  std::span<const float> logits() const;
  const std::vector<int64_t>& ids() const { return ids_; }
  int64_t length() const { return static_cast<int64_t>(ids_.size()); }
  int64_t capacity() const { return capacity_; }
  int64_t room() const { return capacity_ - length(); }

  // The file is session_file.h's.  `note` is the caller's own text and comes back from load().
  Status save(const std::string& path, const std::string& note) const;
  // Refuses, changing nothing, a file that is damaged, of another model or too long.
  Result<std::string> load(const std::string& path);

 private:
  Status check_ids(std::span<const int64_t> ids) const;
  // What is to be read: ids, their marks, and the rows that some marks stand for.
  struct Sequence {
    std::span<const int64_t> ids;
    std::vector<int64_t> marks;
    const GivenRows& given;
  };

  Status check_given(const GivenRows& given, int64_t count) const;
  int64_t reusable(const Sequence& wanted, int64_t needed_from) const;
  void truncate(int64_t length);
  // The next `count` tokens.
  void read(const Sequence& wanted, int64_t count, int64_t needed_from, bool wants_logits);
  void run(Batch& batch, bool wants_logits);
  std::string numerics() const;

  Model& model_;
  Ops& ops_;
  Cache& cache_;
  SessionOptions options_;
  int64_t capacity_ = 0;
  std::vector<int64_t> ids_;
  std::vector<int64_t> marks_;  // one an id: 0, or the checksum of the embedding that was given
  Tensor logits_V_;
  // Rings hold the rows of positions below `written_`; older ones were written over.
  int64_t written_ = 0;
  // Positions before this one cannot be taken back to: a stored session has no older rows.
  int64_t oldest_return_ = 0;
  // Layers of the decoder half have what queries from here on need, and no more.
  int64_t needed_from_ = 0;
};

}  // namespace hadal
