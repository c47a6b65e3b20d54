// SPDX-License-Identifier: MIT
// Numbers between bounds: of two numbers with equally many digits before the point the first digit
// that differs decides, so a range is a choice of where that is.
#include "grammar/json_numbers.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {
namespace {

// Digits before the point where there is no upper bound: what 64 bits hold.
constexpr std::string_view kLargest = "9223372036854775807";

class NumberWriter {
 public:
  explicit NumberWriter(Grammar& grammar) : g_(grammar) {}

  // Whole numbers from `least` to `most`, both written without sign or leading zeros.
  NodeId whole(const std::string& least, const std::string& most) {
    std::vector<NodeId> ways;
    for (size_t length = least.size(); length <= most.size(); ++length) {
      const std::string low = length == least.size() ? least : "1" + std::string(length - 1, '0');
      const std::string high = length == most.size() ? most : std::string(length, '9');
      if (low <= high) ways.push_back(same_length(low, high));
    }
    return g_.choice(std::move(ways));
  }

  // What may stand behind the whole part: nothing, or a point and digits.
  NodeId any_fraction() { return g_.optional(g_.sequence({g_.literal("."), digits(1)})); }

  // Fractions, as digits without trailing zeros, from `least` on.
  NodeId fraction_from(std::string_view least, bool above) {
    if (least.empty() && !above) return any_fraction();
    return g_.sequence({g_.literal("."), from(least, above)});
  }
  NodeId fraction_to(std::string_view most, bool below) {
    if (most.empty())
      return below ? g_.choice({}) : g_.optional(g_.sequence({g_.literal("."), zeros(1)}));
    return g_.optional(g_.sequence({g_.literal("."), to(most, below, false)}));
  }
  NodeId fraction_between(std::string_view least, std::string_view most, bool above, bool below) {
    const NodeId some = g_.sequence({g_.literal("."), between(least, most, above, below, false)});
    const bool whole_fits = least.empty() && !above && (!most.empty() || !below);
    return whole_fits ? g_.optional(some) : some;
  }

 private:
  NodeId digit(char first, char last) {
    return g_.characters({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
  }
  NodeId digits(int64_t least) { return g_.repeat(digit('0', '9'), least, kMostDigits); }
  NodeId zeros(int64_t least) { return g_.repeat(g_.literal("0"), least, kMostDigits); }
  NodeId exactly(size_t count) {
    const int64_t n = static_cast<int64_t>(count);
    return g_.repeat(digit('0', '9'), n, n);
  }
  void add_span(std::vector<NodeId>& ways, char first, char last, NodeId rest) {
    if (first <= last) ways.push_back(g_.sequence({digit(first, last), rest}));
  }

  NodeId same_length(std::string_view low, std::string_view high) {
    if (low.find_first_not_of('0') == low.npos && high.find_first_not_of('9') == high.npos)
      return exactly(low.size());
    const size_t rest = low.size() - 1;
    if (low[0] == high[0])
      return g_.sequence({digit(low[0], low[0]), same_length(low.substr(1), high.substr(1))});
    std::vector<NodeId> ways;
    ways.push_back(
        g_.sequence({digit(low[0], low[0]), same_length(low.substr(1), std::string(rest, '9'))}));
    add_span(ways, static_cast<char>(low[0] + 1), static_cast<char>(high[0] - 1), exactly(rest));
    ways.push_back(g_.sequence(
        {digit(high[0], high[0]), same_length(std::string(rest, '0'), high.substr(1))}));
    return g_.choice(std::move(ways));
  }

  // Digits of a fraction that is at least (or above) `least`, whose end is no zero.
  NodeId from(std::string_view least, bool above) {
    if (least.empty()) {
      if (!above) return digits(0);
      return g_.sequence({zeros(0), digit('1', '9'), digits(0)});
    }
    std::vector<NodeId> ways = {
        g_.sequence({digit(least[0], least[0]), from(least.substr(1), above)})};
    add_span(ways, static_cast<char>(least[0] + 1), '9', digits(0));
    return g_.choice(std::move(ways));
  }

  // … at most (or below) `most`; `begun`: there is a digit already, so it may end.
  NodeId to(std::string_view most, bool below, bool begun) {
    if (most.empty()) return below ? g_.choice({}) : zeros(begun ? 0 : 1);
    std::vector<NodeId> ways;
    if (begun) ways.push_back(g_.nothing());
    ways.push_back(g_.sequence({digit(most[0], most[0]), to(most.substr(1), below, true)}));
    add_span(ways, '0', static_cast<char>(most[0] - 1), digits(0));
    return g_.choice(std::move(ways));
  }

  NodeId between(std::string_view least, std::string_view most, bool above, bool below,
                 bool begun) {
    if (least.empty() && most.empty()) return above || below ? g_.choice({}) : zeros(begun ? 0 : 1);
    if (most.empty()) return g_.choice({});
    const char low = least.empty() ? '0' : least[0];
    const std::string_view rest = least.empty() ? least : least.substr(1);
    std::vector<NodeId> ways;
    // What ends here is followed by zeros in thought: below `most`, and equal to `least` if that
    // ends here too.
    if (begun && least.empty() && !above) ways.push_back(g_.nothing());
    if (low == most[0]) {
      ways.push_back(
          g_.sequence({digit(low, low), between(rest, most.substr(1), above, below, true)}));
    } else if (low < most[0]) {
      ways.push_back(g_.sequence({digit(low, low), from(rest, above)}));
      add_span(ways, static_cast<char>(low + 1), static_cast<char>(most[0] - 1), digits(0));
      ways.push_back(g_.sequence({digit(most[0], most[0]), to(most.substr(1), below, true)}));
    }
    return g_.choice(std::move(ways));
  }

  Grammar& g_;
};

struct Decimal {
  bool negative = false;
  std::string whole = "0", fraction;  // without leading and trailing zeros
  bool is_zero() const { return whole == "0" && fraction.empty(); }
};

Decimal decimal_of(std::string_view text) {
  Decimal number;
  if (text.starts_with('-')) {
    number.negative = true;
    text.remove_prefix(1);
  }
  const size_t point = text.find('.');
  std::string_view whole = text.substr(0, point);
  while (whole.size() > 1 && whole.front() == '0') whole.remove_prefix(1);
  if (!whole.empty()) number.whole = whole;
  if (point != std::string_view::npos) number.fraction = text.substr(point + 1);
  while (!number.fraction.empty() && number.fraction.back() == '0') number.fraction.pop_back();
  if (number.is_zero()) number.negative = false;
  return number;
}

bool longer_or_larger(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

std::string plus_one(std::string digits) {
  size_t at = digits.size();
  while (at > 0 && digits[at - 1] == '9') digits[--at] = '0';
  if (at == 0) return "1" + digits;
  ++digits[at - 1];
  return digits;
}

// Requires: more than zero.
std::string minus_one(std::string digits) {
  size_t at = digits.size();
  while (digits[at - 1] == '0') digits[--at] = '9';
  --digits[at - 1];
  if (digits.size() > 1 && digits.front() == '0') digits.erase(0, 1);
  return digits;
}

struct Span {
  Decimal least;
  std::optional<Decimal> most;
  bool above = false, below = false;
};

// Numbers without sign.
NodeId span_node(Grammar& grammar, const Span& span) {
  NumberWriter writer(grammar);
  const Decimal& low = span.least;
  std::vector<NodeId> ways;
  if (span.most && low.whole == span.most->whole)
    return grammar.sequence(
        {grammar.literal(low.whole),
         writer.fraction_between(low.fraction, span.most->fraction, span.above, span.below)});
  if (span.most && longer_or_larger(low.whole, span.most->whole)) return grammar.choice({});
  ways.push_back(grammar.sequence(
      {grammar.literal(low.whole), writer.fraction_from(low.fraction, span.above)}));
  const std::string first = plus_one(low.whole);
  const std::string last =
      span.most ? minus_one(span.most->whole)
                : std::max(std::string(kLargest), std::string(first.size(), '9'),
                           [](const auto& a, const auto& b) { return longer_or_larger(b, a); });
  if (!longer_or_larger(first, last))
    ways.push_back(grammar.sequence({writer.whole(first, last), writer.any_fraction()}));
  if (span.most)
    ways.push_back(grammar.sequence(
        {grammar.literal(span.most->whole), writer.fraction_to(span.most->fraction, span.below)}));
  return grammar.choice(std::move(ways));
}

}  // namespace

NodeId integer_between(Grammar& grammar, int64_t least, int64_t most) {
  // The smallest of 64 bits has no positive counterpart.
  least = std::max(least, -std::numeric_limits<int64_t>::max());
  NumberWriter writer(grammar);
  std::vector<NodeId> ways;
  if (least < 0 && most >= least) {
    const int64_t near = std::min<int64_t>(most, -1);
    if (near >= least)
      ways.push_back(grammar.sequence(
          {grammar.literal("-"), writer.whole(std::to_string(-near), std::to_string(-least))}));
  }
  if (most >= 0 && most >= least)
    ways.push_back(writer.whole(std::to_string(std::max<int64_t>(0, least)), std::to_string(most)));
  return grammar.choice(std::move(ways));
}

NodeId number_between(Grammar& grammar, const NumberBounds& bounds) {
  const std::optional<Decimal> least =
      bounds.least ? std::optional(decimal_of(*bounds.least)) : std::nullopt;
  const std::optional<Decimal> most =
      bounds.most ? std::optional(decimal_of(*bounds.most)) : std::nullopt;
  std::vector<NodeId> ways;
  if (!most || !most->negative) {
    Span span;
    if (least && !least->negative) {
      span.least = *least;
      span.above = bounds.above_least;
    }
    span.most = most;
    span.below = most && bounds.below_most;
    ways.push_back(span_node(grammar, span));
  }
  if (!least || least->negative) {
    // Mirrored: from the nearer bound to the farther one, without zero.
    Span span;
    span.above = true;
    if (most && most->negative) {
      span.least = *most;
      span.above = bounds.below_most;
    }
    span.most = least;
    span.below = least && bounds.above_least;
    ways.push_back(grammar.sequence({grammar.literal("-"), span_node(grammar, span)}));
  }
  return grammar.choice(std::move(ways));
}

}  // namespace hadal
