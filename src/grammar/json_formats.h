// SPDX-License-Identifier: MIT
// The formats of JSON schema that strings can be held to; inside the room only.
#pragma once

#include <string>
#include <string_view>

namespace hadal {

// A regular expression for the whole string, or empty if the format is not known.  Each admits
// only what its standard does; where a standard also allows what nobody writes (comments in mail
// addresses, leap seconds), less.
std::string_view format_pattern(std::string_view format);
// For messages.
std::string known_formats();

}  // namespace hadal
