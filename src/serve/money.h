// SPDX-License-Identifier: MIT
// Money: whole billionths of a unit of some currency, so that sums are exact.
//
//   TRY(Money amount, parse_money("12.50"));       // 12'500'000'000
//   std::string text = money_text(amount);         // "12.50"
//
// A cache hit of the cheapest model costs 3e-9 of a dollar; an int64 holds nine billion units.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

using Money = int64_t;
inline constexpr Money kMoneyUnit = 1'000'000'000;

// Digits with at most nine after the point, up to a billion units, with or without a minus.
Result<Money> parse_money(std::string_view text);

// At least two digits after the point, and no idle zeros after them.
std::string money_text(Money amount);

}  // namespace hadal
