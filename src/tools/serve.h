// SPDX-License-Identifier: MIT
// `hadal serve`: one model, for everybody who speaks HTTP.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_serve(CLI::App& program, Command& chosen);

}  // namespace hadal
