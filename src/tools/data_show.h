// SPDX-License-Identifier: MIT
// `hadal data show`: a gallery looked at, as one picture and a list of captions.
//
//   hadal data show names.gallery -o names.png --count 64
#pragma once

#include "tools/command.h"

namespace hadal {

void add_show_data(CLI::App& data, Command& chosen);

}  // namespace hadal
