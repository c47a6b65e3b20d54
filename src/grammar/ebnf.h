// SPDX-License-Identifier: MIT
// Grammars in the EBNF that users of llama.cpp (GBNF), vLLM and XGrammar write.
//
//   root  ::= "yes" | "no" reason?          # the text is what `root` matches
//   reason ::= " because " [^\n]{1,80}
//
//   TRY(Grammar grammar, ebnf_grammar(text));
//
// Read: "literals" and 'literals' with escapes, [classes], . (any character), (groups), names,
// | * + ? {m} {m,} {m,n}, comments.  A rule goes on over lines until the next "name ::=".
// Refused: left recursion (when the grammar is compiled).  Stateless; any thread.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"

namespace hadal {

Result<Grammar> ebnf_grammar(std::string_view text);

}  // namespace hadal
