// SPDX-License-Identifier: MIT
// Finds out beforehand which masks the answers that are held to a grammar are likely to need.
//
//   TRY(auto grammar, TokenGrammar::make(rules, vocabulary));
//   look_ahead(*grammar);                     // some 50 ms for JSON and 129,280 tokens, once
//
// A mask costs a walk over the vocabulary the first time that its instructions stand on top of a
// stack, and next to nothing from then on.  Who holds up no token with it (a form is compiled while
// others are answered) lets the first answer be as quick as the rest.  What answers say does not
// depend on it.  Any thread.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "grammar/token_grammar.h"

namespace hadal {

// What may be looked at, in places: a form of a hundred members ends well below.
inline constexpr int64_t kUsualLookAhead = int64_t{1} << 22;

// What stands on top of stacks: keys of TokenGrammar::local(), each address by its twin.
using StackTops = std::set<std::vector<Address>>;

// Whether finding the mask of these takes long: much of the vocabulary may come next.
bool costs_a_walk(const Program& program, const std::vector<Address>& top);

// From the beginning, over all bytes that the grammar tells apart, until all is known or
// `most_work` is done; what lies behind something new comes first.  Masks that take
// long to find are found; gives whose.
StackTops look_ahead(const TokenGrammar& grammar, int64_t most_work = kUsualLookAhead);

}  // namespace hadal
