// SPDX-License-Identifier: MIT
// One token of an answer, chosen as its request asks: penalties, sampling, what is told beside it.
//
//   TokenChoice choice(request);
//   GeneratedToken token = choice.pick(logits, position);     // position: where it will stand
//
// Remembers how often the answer holds each token.  One object an answer, one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <span>

#include "serve/worker.h"

namespace hadal {

// A token behind these logits, and the likeliest in its place; `ends` is not looked at.
GeneratedToken tell_token(std::span<const float> logits, int64_t id, int64_t likeliest);

class TokenChoice {
 public:
  // `words`: the tokens of an answer without a form (engine/span_grammar.h); empty: all.  Both must
  // outlive this.
  explicit TokenChoice(const GenerationRequest& request, std::span<const uint64_t> words = {})
      : request_(&request), words_(words) {}

  GeneratedToken pick(std::span<const float> logits, int64_t position);
  // This one, told like any other.
  GeneratedToken take(std::span<const float> logits, int64_t id);

 private:
  GeneratedToken told(std::span<const float> logits, const Sample& sample);
  Sample sample(std::span<const float> logits, int64_t position) const;

  const GenerationRequest* request_;
  std::span<const uint64_t> words_;
  std::map<int64_t, int64_t> counts_;
};

}  // namespace hadal
