// SPDX-License-Identifier: MIT
// `hadal eval drafts`: how often a draft head is right, and what that brings, on held-out
// documents.
//
//   hadal eval drafts --model models/nano --data valid.shard --temperature 0 --draft auto
//
// The first half of each document (at most 256 tokens) is the prompt.  It is continued twice, with
// guesses and without, in turns, so that both meet the same machine; the two texts must be the
// same.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_drafts(CLI::App& eval, Command& chosen);

}  // namespace hadal
