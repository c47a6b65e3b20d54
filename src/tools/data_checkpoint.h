// SPDX-License-Identifier: MIT
// `hadal data checkpoint`: random weights in the published layout, to measure speed with.
//
//   hadal data checkpoint --config bench/v4-5b.json -o /tmp/v4-5b --seed 1
//
// Any configuration that config.json can say, with its formats: FP8 tiles, packed FP4, BF16, E8M0
// scales.  Weights have unit gain, so that activations stay near one, every token chooses other
// experts, and the indexer chooses other rows; what such a model says means nothing.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_checkpoint_data(CLI::App& data, Command& chosen);

}  // namespace hadal
