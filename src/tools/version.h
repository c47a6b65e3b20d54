// SPDX-License-Identifier: MIT
// The version of this program: what --version says, and what a picture was made with.
#pragma once

#include <string>

namespace hadal {

std::string program_version();  // "0.1.0"
std::string engine_name();      // "hadal 0.1.0"

}  // namespace hadal
