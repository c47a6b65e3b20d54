// SPDX-License-Identifier: MIT
// `hadal eval needles`: does a model find what stands anywhere in a long context?
//
//   hadal eval needles --model DIR --tokens 1048576 --needles 50 --svg depth.svg
//
// The haystack (haystack.h) is read once.  Each question is read behind it and answered greedily,
// then taken back, so that none sees another.  `--dense` asks once more with attention to all
// entries instead of the indexer's choice, where a machine can afford it.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_needles(CLI::App& eval, Command& chosen);

}  // namespace hadal
