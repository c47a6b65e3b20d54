// SPDX-License-Identifier: MIT
// `hadal eval modes`: how far the fast arithmetic is from the exact one, on documents.
#pragma once

#include "tools/command.h"

namespace CLI {
class App;
}

namespace hadal {

void add_modes(CLI::App& eval, Command& chosen);

}  // namespace hadal
