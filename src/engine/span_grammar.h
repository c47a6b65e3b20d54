// SPDX-License-Identifier: MIT
// What may come next in an answer of words, pictures and clips: the grammar of
// model/visual_sequence.h as masks for the sampler.
//
//   SpanGrammar grammar(config, limits);
//   if (grammar.wants_cell())                 // its codes are drawn, not a token
//   else pick_token(logits, sampler, position, grammar.allowed(room));
//   grammar.accept(id);
//
// Always true of what was allowed and accepted: it is a document of that grammar, no span is larger
// than the limits say, and every span that was begun can be finished in the room that there was.
// A span that the prompt leaves open is not gone on with: a word follows, which makes it text.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"
#include "model/visual_sequence.h"

namespace hadal {

struct SpanLimits {
  int64_t spans = 0;         // of one answer; 0: words alone
  int64_t positions = 4096;  // of one span, with all that is not cells
  int64_t frames = 64;       // latent ones of one span
};

// Tokens that are words, one bit each; empty for a model without a visual vocabulary, of which all
// are.  Borders of spans, and what stands inside them alone, are no words.
std::vector<uint64_t> word_mask(const ModelConfig& config);

class SpanGrammar {
 public:
  SpanGrammar(const ModelConfig& config, const SpanLimits& limits)
      : config_(config), limits_(limits), words_(word_mask(config)) {}

  bool in_span() const { return reader_.expects() != SequenceReader::Expects::text; }
  bool wants_cell() const { return reader_.expects() == SequenceReader::Expects::cell; }
  // The tokens that may follow; at most `room` ids will be accepted from here on.
  // Requires: !wants_cell().  Lends until the next call.
  std::span<const uint64_t> allowed(int64_t room);
  // An allowed token, or a cell where one is wanted.
  void accept(int64_t id);

 private:
  bool fits(int64_t token) const;
  void allow(int64_t token);

  const ModelConfig& config_;
  SpanLimits limits_;
  std::vector<uint64_t> words_, next_;
  SequenceReader reader_;
  int64_t begun_ = 0;  // spans
  int64_t room_ = 0;   // of the span that is open, or may be opened next
};

}  // namespace hadal
