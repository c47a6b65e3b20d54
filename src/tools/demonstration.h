// SPDX-License-Identifier: MIT
// What `hadal generate` does without a prompt: says which model it runs, and shows some answers.
//
// Prompts come from prompts.txt in the model's folder: one a line; "chat: " before a question to
// the assistant; # begins a comment.  Without the file a usual sentence is continued.
#pragma once

#include "base/result.h"
#include "tools/open_model.h"
#include "tools/options.h"

namespace hadal {

Result<int> demonstrate(OpenModel& open, const SamplingChoice& sampling, bool quiet);

}  // namespace hadal
