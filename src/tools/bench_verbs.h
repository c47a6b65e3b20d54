// SPDX-License-Identifier: MIT
// `hadal bench verbs`: where the time of a small pass goes, verb by verb.
//
// A pass reads one token each of K streams (a batch of answers), or with --one-stream K tokens of
// one stream (guesses that are looked at), behind --context tokens, and computes logits of all of
// them.  The table has a line for each verb, and for each shape and format of product:
// microseconds of a pass for each K, and how many passes over one token the last column costs.
// "between" is what the model and the bookkeeping take.
#pragma once

#include "tools/command.h"

namespace hadal {

// Under `hadal bench`.
void add_bench_verbs(CLI::App& bench, Command& chosen);

}  // namespace hadal
