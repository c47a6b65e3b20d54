// SPDX-License-Identifier: MIT
// Reading ahead: a draft head guesses the next tokens, one pass reads them, those that would have
// been chosen stay.
//
//   Speculation ahead(session, sampler, &length);
//   Sample token = pick_token(ahead.logits(), sampler, ahead.length());
//   ahead.append(token.id, most);         // often without a pass: it was guessed and read
//   ahead.settle();                       // the session holds what was appended, and no more
//
// It is used as a session is.  What always holds: logits() are the bits that the session alone
// would have after the same tokens (sequence.h: rows of a batch are as if read one by one, and what
// is taken back leaves nothing behind), so whatever is chosen from them (the likeliest, a draw, a
// token that a form allows) is what plain decoding chooses.  No token depends on a guess.
//
// The usual rule keeps a guess x with probability min(1, p(x)/q(x)) and draws from max(0, p - q)
// after the first one that fell: it keeps the distribution, but not the text, which would then
// hang on how many were guessed, and so on the clock.  Here the sampler draws as ever, and guesses
// are drawn with the same random number at the same position (session.h, guess), which makes the
// two draws agree about as often as that rule keeps a guess.
// One thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/draft_length.h"
#include "engine/sampler.h"
#include "engine/session.h"

namespace hadal {

class Speculation {
 public:
  // `drafts`: null, and nothing is guessed.  All are lent.
  Speculation(Session& session, const SamplerOptions& sampler, DraftLength* drafts)
      : session_(session), sampler_(sampler), drafts_(drafts) {}

  std::span<const float> logits() const;
  int64_t length() const;
  int64_t room() const { return session_.capacity() - length(); }
  // One token more; at most `most` guesses at what follows are of use.  Requires: room() > 0.
  void append(int64_t id, int64_t most);
  // One id more, without guesses: a cell follows (session.h).  Requires: room() > 0.
  void append_before_cell(int64_t id) {
    settle();
    session_.append_before_cell(id);
  }
  // Takes back what was read and not appended.
  void settle();

 private:
  void begin(int64_t id, int64_t most);
  int64_t waiting() const { return static_cast<int64_t>(guesses_.size()) - round_.right; }

  Session& session_;
  SamplerOptions sampler_;
  DraftLength* drafts_;
  std::vector<int64_t> guesses_;  // read, the first round_.right of them appended
  Tensor logits_WV_;              // after the token before them, and after each
  DraftRound round_;
  bool open_ = false;  // a round has begun and was not learnt from
};

}  // namespace hadal
