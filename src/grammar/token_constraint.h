// SPDX-License-Identifier: MIT
// Holds one answer to a form: which tokens may come next.
//
//   auto constraint = make_constraint(grammar, {.end_ids = {1}, .gates = {{.token = think_end}}});
//   while (!constraint->finished()) {
//     Sample token = pick_token(logits, options, position, constraint->allowed());
//     constraint->accept(token.id);
//   }
//
// What always holds: the text of the tokens since the form began is a beginning of something that
// the grammar matches; a token that ends the answer is allowed exactly when it matches; some token
// is always allowed; control tokens only where the grammar names them.  One answer, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "grammar/token_grammar.h"

namespace hadal {

class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  // One bit for each token of the vocabulary; empty: every token.  Good until the next call.
  virtual std::span<const uint64_t> allowed() = 0;
  // Requires: a token that is allowed.
  virtual void accept(int64_t token) = 0;
  // A token that ends the answer was accepted.
  virtual bool finished() const = 0;
};

// What comes before the form.
struct Gate {
  // The form, or the next gate, begins behind this token.
  int64_t token = -1;
  // If not empty: the answer may also end here without any form, and the token may come only after
  // this text.  If empty, the answer may not end before the token.
  std::string after_text;
};

struct ConstraintOptions {
  std::vector<int64_t> end_ids;
  std::vector<Gate> gates;
};

std::unique_ptr<TokenConstraint> make_constraint(std::shared_ptr<const TokenGrammar> grammar,
                                                 ConstraintOptions options);

}  // namespace hadal
