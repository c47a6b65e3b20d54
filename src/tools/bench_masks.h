// SPDX-License-Identifier: MIT
// What holding an answer to a form costs a token, at the vocabulary of the published models.
#pragma once

#include <string>

#include "base/result.h"

namespace hadal {

// A table: for some forms, the time from one token to the next mask, and its share of a model's
// step.  The vocabulary is made up: 129,280 tokens, of the lengths that a tokenizer learns.  Times
// are the thread's own.
Result<std::string> mask_costs(double step_seconds);

}  // namespace hadal
