// SPDX-License-Identifier: MIT
// The bytes of every token, in the order in which a grammar looks at them: a tree of prefixes.
//
//   TRY(Vocabulary vocabulary, Vocabulary::make(std::move(tokens), size));
//
// A token that is no text (a control token) may only be chosen where a grammar names it; one that
// a grammar must never choose is left empty.  Every byte must be a token of its own: then whatever
// a grammar begins can be ended.  Does not change once made; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

struct VocabularyToken {
  std::string bytes;
  bool control = false;
};

class Vocabulary {
 public:
  // One node for each prefix, each before what it begins.
  struct Node {
    int32_t token = -1;  // whose bytes end here
    int32_t after = 0;   // the first node that this one does not begin
    uint16_t depth = 0;  // bytes from the root: 1 and more
    uint8_t byte = 0;
  };

  // tokens[id]; the model's logits are `size` long, at least as many.
  static Result<Vocabulary> make(std::vector<VocabularyToken> tokens, int64_t size);

  // Tokens of at most kHorizon bytes, and the longer ones.
  const std::vector<Node>& short_tree() const { return short_; }
  const std::vector<Node>& long_tree() const { return long_; }
  // As a grammar sees them: a control token in control_bytes.
  std::string_view bytes(int64_t token) const { return bytes_[static_cast<size_t>(token)]; }
  // The next token of the same bytes, or -1.
  int32_t same(int32_t token) const { return same_[static_cast<size_t>(token)]; }
  // Ids, as many as there are logits.
  int64_t size() const { return size_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<int32_t> same_;
  std::vector<Node> short_, long_;
  int64_t size_ = 0;
};

}  // namespace hadal
