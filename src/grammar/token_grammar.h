// SPDX-License-Identifier: MIT
// A grammar over the tokens of one vocabulary: what is known about masks, for all answers that
// are held to it.
//
//   TRY(auto grammar, TokenGrammar::make(rules, vocabulary));    // shared_ptr; kept for next time
//
// Most tokens can be decided without knowing the stack: those that stay within the rules that are
// running, and those that fit none of them.  This is found out once for each set of instructions
// on top of a stack and kept here: a walk over the vocabulary's trees, past all of a kind where
// every text of that kind fits.  What is left are tokens that end a rule and go on behind it: their
// beginnings are kept too, and each answer looks at them with its own stack.  Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "grammar/program.h"
#include "grammar/text_reach.h"
#include "grammar/token_mask.h"
#include "grammar/vocabulary.h"
#include "grammar/walker.h"

namespace hadal {

// What can be said of tokens of at most kHorizon bytes where only the top of the stack is known.
struct LocalMask {
  TokenMask fits;
  // By tree of the vocabulary, nodes of it: what they begin fits or not, depending on the stack.
  std::vector<std::vector<int32_t>> open;
  int64_t work = 0;  // what finding it took, in places looked at
};

class TokenGrammar {
 public:
  static Result<std::shared_ptr<const TokenGrammar>> make(
      const Grammar& grammar, std::shared_ptr<const Vocabulary> vocabulary);

  const Program& program() const { return program_; }
  const TextBytes& text_bytes() const { return text_bytes_; }
  const Vocabulary& vocabulary() const { return *vocabulary_; }
  // For instructions on top of one stack, sorted.
  std::shared_ptr<const LocalMask> local(const std::vector<Address>& top) const;

 private:
  TokenGrammar(Program program, std::shared_ptr<const Vocabulary> vocabulary);
  LocalMask walk(const std::vector<Address>& top) const;
  int64_t walk_tree(size_t index, TextReach& reach, int32_t start, LocalMask& local) const;

  const Program program_;
  const TextBytes text_bytes_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  mutable std::mutex mutex_;
  mutable std::map<std::vector<Address>, std::shared_ptr<const LocalMask>> known_;
};

}  // namespace hadal
