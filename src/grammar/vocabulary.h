// SPDX-License-Identifier: MIT
// The bytes of every token, in the order in which a grammar looks at them: trees of prefixes.
//
//   TRY(Vocabulary vocabulary, Vocabulary::make(std::move(tokens), size));
//
// A token that is no text (a control token) may only be chosen where a grammar names it; one that
// a grammar must never choose is left empty.  Every byte must be a token of its own: then whatever
// a grammar begins can be ended.  Does not change once made; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/text_kind.h"
#include "grammar/token_mask.h"

namespace hadal {

struct VocabularyToken {
  std::string bytes;
  bool control = false;
};

// Tokens of one kind of text, all of at most kHorizon bytes or all longer.
struct TokenTree {
  // One for each prefix, each before what it begins; and one behind them all.
  struct Node {
    int32_t first = 0;     // of `tokens`: whose bytes end here; up to the next node's first
    int32_t after = 0;     // the first node that this one does not begin
    uint16_t depth = 0;    // bytes from the root: 1 and more
    uint16_t deepest = 0;  // of what it begins
    uint8_t byte = 0;
  };

  TextKind kind = TextKind::other;
  bool is_long = false;
  std::vector<Node> nodes;
  std::vector<int32_t> tokens;
  TokenMask whole;  // all tokens
  int32_t deepest = 0;

  int32_t size() const { return static_cast<int32_t>(nodes.size()) - 1; }
  const Node& at(int32_t node) const { return nodes[static_cast<size_t>(node)]; }
  // Tokens of these very bytes, and all that begin with them.
  std::span<const int32_t> ending_at(int32_t node) const {
    return between(at(node).first, at(node + 1).first);
  }
  std::span<const int32_t> below(int32_t node) const {
    return between(at(node).first, at(at(node).after).first);
  }

 private:
  std::span<const int32_t> between(int32_t begin, int32_t end) const {
    return {tokens.data() + begin, static_cast<size_t>(end - begin)};
  }
};

class Vocabulary {
 public:
  // tokens[id]; the model's logits are `size` long, at least as many.
  static Result<Vocabulary> make(std::vector<VocabularyToken> tokens, int64_t size);

  const std::vector<TokenTree>& trees() const { return trees_; }
  // As a grammar sees them: a control token in control_bytes.
  std::string_view bytes(int64_t token) const { return bytes_[static_cast<size_t>(token)]; }
  // Ids, as many as there are logits.
  int64_t size() const { return size_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<TokenTree> trees_;
  int64_t size_ = 0;
};

}  // namespace hadal
