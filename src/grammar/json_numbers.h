// SPDX-License-Identifier: MIT
// Numbers between bounds, as texts: digit by digit.
//
//   NodeId node = integer_between(grammar, -5, 120);          // exactly those
//   NodeId node = number_between(grammar, {.least = "0", .most = "1.5"});
//
// Integers are written without fraction or exponent; bounded numbers without exponent and with at
// most kMostDigits digits behind the point.  -0 is not written.  Lends the grammar; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "grammar/grammar.h"

namespace hadal {

inline constexpr int64_t kMostDigits = 17;

// Nothing if least > most.
NodeId integer_between(Grammar& grammar, int64_t least, int64_t most);

// Decimals as plain digits: "-12.5".
struct NumberBounds {
  std::optional<std::string> least = {}, most = {};
  bool above_least = false, below_most = false;  // the bound itself is left out
};
NodeId number_between(Grammar& grammar, const NumberBounds& bounds);

}  // namespace hadal
