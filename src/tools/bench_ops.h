// SPDX-License-Identifier: MIT
// `hadal bench ops`: products with each stored format, for few and for many rows, against the
// bounds.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_bench_ops(CLI::App& bench, Command& chosen);

}  // namespace hadal
