// SPDX-License-Identifier: MIT
// The names inside DSML tags, which is all that differs between V4 and V4.1 there.
// Stateless, any thread.
#pragma once

#include <string_view>

#include "text/chat.h"

namespace hadal {

struct DsmlNames {
  std::string_view calls;
  std::string_view invoke;
  std::string_view parameter;
};
const DsmlNames& dsml_names(Dialect dialect);

}  // namespace hadal
