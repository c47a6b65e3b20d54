// SPDX-License-Identifier: MIT
// `hadal bench serve`: how a model serves several at once, without the network.
//
//   together    tokens a second of C answers that are written side by side, prompts read before
//   open loop   requests come when they come, whoever is still being served: C in the time that
//               one takes alone, at random moments; lengths vary, half of the prompts begin alike.
//               Throughput, time to the first token (with waiting), gaps between tokens
//   pace        with --long-prompt: while that prompt is read, for each other stream the 95th
//               percentile of its gaps over their median; the worst is told
#pragma once

#include "tools/command.h"

namespace hadal {

// Under `hadal bench`.
void add_bench_serve(CLI::App& bench, Command& chosen);

}  // namespace hadal
