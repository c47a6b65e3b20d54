// SPDX-License-Identifier: MIT
// `hadal eval`: measures of a model, one sub-command each.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_eval(CLI::App& program, Command& chosen);

}  // namespace hadal
