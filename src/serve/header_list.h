// SPDX-License-Identifier: MIT
// Names of fields as a header may carry them: x-hadal-ignored-fields.
//
//   headers.emplace_back("x-hadal-ignored-fields", header_list({"style", "wish"}));
//
// Bounded, and nothing but letters, digits and a few signs.  Pure; any thread.
#pragma once

#include <string>
#include <vector>

namespace hadal {

std::string header_list(const std::vector<std::string>& names);

}  // namespace hadal
