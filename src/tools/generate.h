// SPDX-License-Identifier: MIT
// `hadal generate`: a prompt in, the model's continuation out, as it comes.
//
// Exit codes: 0, 130 after Ctrl-C (what was generated is printed), 2 for a caller's mistake.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_generate(CLI::App& program, Command& chosen);

}  // namespace hadal
