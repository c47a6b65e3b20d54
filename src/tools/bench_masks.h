// SPDX-License-Identifier: MIT
// What holding an answer to a form costs a token, at the vocabulary of the published models.
#pragma once

#include <string>

#include "base/result.h"

namespace hadal {

// A table: for some forms, the time from one token to the next mask, and what compiling took.
// The vocabulary is made up: 129,280 tokens, of the lengths that a tokenizer learns.
Result<std::string> mask_costs();

}  // namespace hadal
