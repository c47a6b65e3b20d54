// SPDX-License-Identifier: MIT
// `hadal eval ngram`: bits per byte of an n-gram model, the baseline of `hadal eval bpb`.
//
//   hadal eval ngram --order 5 --train train.shard --valid valid.shard
#pragma once

#include "tools/command.h"

namespace hadal {

void add_ngram(CLI::App& eval, Command& chosen);

}  // namespace hadal
