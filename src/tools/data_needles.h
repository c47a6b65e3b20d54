// SPDX-License-Identifier: MIT
// `hadal data needles`: documents that teach a model to find needles in haystacks (haystack.h).
//
//   hadal data needles --documents 4000 --shortest 128 --longest 1024 --vocab 512 --out train.shard
#pragma once

#include "tools/command.h"

namespace hadal {

void add_needle_data(CLI::App& data, Command& chosen);

}  // namespace hadal
