// SPDX-License-Identifier: MIT
// A session: one sequence alone with its model, and the logits after it.
//
//   Session session(*model, ops, cache, {.fingerprint = fingerprint});
//   TRY(Prefill prefill, session.extend(prompt_ids, nullptr));   // reads what is new
//   Sample next = pick_token(session.logits(), sampler, session.length());
//   session.append(next.id);                                     // reads one token
//
// What always holds is sequence.h's: the same ids give the same bits, however they were read.
// A session owns its slot of the cache.  One thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "model/cache.h"
#include "model/model.h"
#include "ops/ops.h"

namespace hadal {

struct SessionOptions {
  int64_t slot = 0;
  bool prompt_shortcut = true;  // as in SequenceOptions
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

// A token that may follow, as the draft head of the model guesses.
struct GuessedToken {
  int64_t id = 0;
  float confidence = 1;  // the head's own estimate; 1: it makes none
};

class Session {
 public:
  Session(Model& model, Ops& ops, Cache& cache, SessionOptions options);

  // Makes the sequence equal to `ids` and computes the logits after it.  Refuses, changing
  // nothing, ids outside the vocabulary and more than the cache holds.  `cancel` is looked at
  // between chunks.  `given`: positions whose embeddings are not looked up (images); two
  // sequences are one only where these agree too.  Its values must be on the host.
  Result<Prefill> extend(std::span<const int64_t> ids, const std::atomic<bool>* cancel,
                         const GivenRows& given = {});
  // One token more.  Requires: room() > 0 and a token of the vocabulary.
  void append(int64_t id);

  // ---- guesses (speculation.h)
  // How many tokens the model's draft head can guess from here; 0: none.
  int64_t most_guesses() const;
  // At most `count` tokens that may follow `id`, which is to be appended: drawn from the head's
  // logits as the sampler will draw at their positions.  Requires: count up to most_guesses().
  std::vector<GuessedToken> guess(int64_t id, int64_t count, const SamplerOptions& sampler);
  // Several tokens in one pass -> the logits after each of them, f32 [ids, V] on the host.
  Tensor append_all(std::span<const int64_t> ids);
  // Undoes the last of them: the first `length` tokens, and the logits after them.
  void take_back(int64_t length, const Tensor& logits_V) { sequence_.take_back(length, logits_V); }

  // ---- cells of a span that the model writes (span_grammar.h)
  // One id more, after which a cell follows.  Requires: as append().
  void append_before_cell(int64_t id);
  // That cell, code after code; the draw is a function of the seed and the cell's position.
  // Requires: append_before_cell() came last.
  Sample draw_cell(const SamplerOptions& sampler);

  // An empty sequence.
  void reset() { sequence_.reset(); }

  // Of the position after the last token; empty before extend() and after a cancelled one.
  std::span<const float> logits() const;
  const std::vector<int64_t>& ids() const { return sequence_.ids(); }
  int64_t length() const { return sequence_.length(); }
  int64_t capacity() const { return sequence_.capacity(); }
  int64_t room() const { return sequence_.room(); }
  const ModelConfig& config() const { return model_.config(); }

  // The file is session_file.h's.  `note` is the caller's own text and comes back from load().
  Status save(const std::string& path, const std::string& note) const;
  // Refuses, changing nothing, a file that is damaged, of another model or too long.
  Result<std::string> load(const std::string& path);

 private:
  Model& model_;
  Ops& ops_;
  Cache& cache_;
  SessionOptions options_;
  Sequence sequence_;
  Tensor state_1D_;  // of the last id, if a cell follows it
};

}  // namespace hadal
