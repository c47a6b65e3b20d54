// SPDX-License-Identifier: MIT
// Money to text and back.
#include "serve/money.h"

#include <charconv>

namespace hadal {
namespace {

constexpr size_t kFractionDigits = 9;
constexpr int64_t kMostUnits = 1'000'000'000;  // sums of nine of them still fit

bool all_digits(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<Money> parse_money(std::string_view text) {
  const auto refuse = [&] {
    return fail("\"", text.substr(0, 40), "\" is no amount, expected one like 12.50");
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  const size_t point = rest.find('.');
  const std::string_view whole = rest.substr(0, point);
  std::string fraction(point == std::string_view::npos ? "" : rest.substr(point + 1));
  if (whole.empty() || whole.size() > 10 || fraction.size() > kFractionDigits ||
      (point != std::string_view::npos && fraction.empty()) || !all_digits(whole) ||
      !all_digits(fraction))
    return refuse();
  fraction.resize(kFractionDigits, '0');
  int64_t units = 0, billionths = 0;
  std::from_chars(whole.data(), whole.data() + whole.size(), units);
  std::from_chars(fraction.data(), fraction.data() + fraction.size(), billionths);
  if (units > kMostUnits) return refuse();
  const Money amount = units * kMoneyUnit + billionths;
  return negative ? -amount : amount;
}

std::string money_text(Money amount) {
  const uint64_t size =
      amount < 0 ? uint64_t{0} - static_cast<uint64_t>(amount) : static_cast<uint64_t>(amount);
  std::string fraction = std::to_string(size % kMoneyUnit);
  fraction.insert(0, kFractionDigits - fraction.size(), '0');
  while (fraction.size() > 2 && fraction.back() == '0') fraction.pop_back();
  return (amount < 0 ? "-" : "") + std::to_string(size / kMoneyUnit) + "." + fraction;
}

}  // namespace hadal
