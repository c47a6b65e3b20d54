// SPDX-License-Identifier: MIT
// `hadal keys`: who may use the server, at what price, and what is left of their money.
#pragma once

#include <string>

#include "tools/command.h"

namespace hadal {

void add_keys(CLI::App& program, Command& chosen);

// The file of the accounts in the folder that was named, or in $HADAL_DATA, or in
// $XDG_DATA_HOME/hadal, or in ~/.local/share/hadal; folders are made where they are missing.
Result<std::string> accounts_file(const std::string& folder);

}  // namespace hadal
