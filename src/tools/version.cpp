// SPDX-License-Identifier: MIT
// The version, as the build says it.
#include "tools/version.h"

namespace hadal {

std::string program_version() {
  return HADAL_VERSION;
}

std::string engine_name() {
  return "hadal " + program_version();
}

}  // namespace hadal
