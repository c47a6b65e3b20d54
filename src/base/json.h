// SPDX-License-Identifier: MIT
// JSON from files: bounded in size and depth, no key twice, no exception.
//
//   TRY(nlohmann::json document, parse_json(text, "config.json", {}));
//
// Any thread may use it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

struct JsonLimits {
  int64_t bytes = 4 << 20;  // the longest published config.json has 4 kB
  int depth = 32;
  int64_t values = 1 << 20;  // each costs up to a hundred bytes of memory
};

// `name` begins the message of a failure.
Result<nlohmann::json> parse_json(std::string_view text, std::string_view name,
                                  const JsonLimits& limits);

// Text from outside as it may stand in a message: one line, no control characters, not long.
std::string printable(std::string_view text);

}  // namespace hadal
