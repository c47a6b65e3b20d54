// SPDX-License-Identifier: MIT
// `hadal data emoji`: pictures with names, from the emoji font of Debian.
//
//   apt-get install fonts-noto-color-emoji unicode-data
//   hadal data emoji -o names.gallery --names 400
#pragma once

#include "tools/command.h"

namespace hadal {

void add_name_data(CLI::App& data, Command& chosen);

}  // namespace hadal
