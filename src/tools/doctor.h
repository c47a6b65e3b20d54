// SPDX-License-Identifier: MIT
// `hadal doctor`: what the program sees of the machine, and what it was built with.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_doctor(CLI::App& program, Command& chosen);

}  // namespace hadal
