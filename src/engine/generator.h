// SPDX-License-Identifier: MIT
// The generator: tokens one after the other, until something ends the answer.
//
//   TRY(Prefill prefill, session.extend(prompt, &cancel));
//   Generated answer = generate(session, options, [&](const Sample& token) {
//     return show(token.id) ? Flow::go_on : Flow::stop;
//   });
//
// A model with a visual vocabulary may open pictures and clips in its answer, as far as `spans`
// allows; their borders, sizes and cells (ids above the vocabulary) come to the callback like
// tokens, and are whole spans by the grammar unless the answer was cancelled (span_grammar.h).  An
// answer that is held to a form has none.
//
// The end-of-sequence token is counted and kept in `ids`, but not handed to the callback.  The
// last token was not read by the model yet: the next extend() reads it with what follows.
// One thread at a time; `cancel` may be set from any thread, or from a signal handler.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "engine/draft_length.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "engine/span_grammar.h"
#include "grammar/token_constraint.h"

namespace hadal {

struct SpanOptions {
  SpanLimits limits;
  double temperature = 1;  // of codes, as in painter.h
  int64_t top_k = 0;
};

struct GenerateOptions {
  SamplerOptions sampler;
  SpanOptions spans = {};
  int64_t max_tokens = 0;  // 0: as many as the context holds
  std::vector<int64_t> end_ids;
  const std::atomic<bool>* cancel = nullptr;
  TokenConstraint* constraint = nullptr;  // the form that the answer is held to
  // Tokens are guessed and read several at once; the answer is the same.  Null: one by one.
  DraftLength* drafts = nullptr;
};

// Why an answer ended.
enum class Finish {
  end,        // an end-of-sequence token
  stop,       // the callback: a stop string
  length,     // max_tokens
  context,    // the sequence is as long as the cache
  cancelled,  // the cancel flag
};
std::string_view finish_name(Finish finish);

enum class Flow { go_on, stop };
using TokenSink = std::function<Flow(const Sample& token)>;

struct Generated {
  std::vector<int64_t> ids;
  Finish finish = Finish::length;
  double seconds = 0;
};

// Requires: the session holds at least one token.
Generated generate(Session& session, const GenerateOptions& options, const TokenSink& sink);

}  // namespace hadal
