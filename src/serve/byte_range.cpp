// SPDX-License-Identifier: MIT
// Which bytes of a file a client wants.
#include "serve/byte_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hadal {
namespace {

// Digits alone; more than an int64 holds is as far as one can count.
std::optional<int64_t> whole_number(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || text.front() == '-' || read.ptr != end) return std::nullopt;
  return read.ec == std::errc::result_out_of_range ? INT64_MAX : number;
}

}  // namespace

ByteRange read_byte_range(std::string_view header, int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const ByteRange whole{ByteRange::Kind::whole, 0, size};
  if (!header.starts_with(kUnit)) return whole;
  const std::string_view spec = header.substr(kUnit.size());
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view from = spec.substr(0, dash), to = spec.substr(dash + 1);
  const std::optional<int64_t> first = whole_number(from), last = whole_number(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return whole;
  if (!first) {  // the last so many
    const int64_t count = std::min(*last, size);
    if (count == 0) return {ByteRange::Kind::beyond, 0, 0};
    return {ByteRange::Kind::part, size - count, count};
  }
  if (last && *last < *first) return whole;
  if (*first >= size) return {ByteRange::Kind::beyond, 0, 0};
  const int64_t end = std::min(last.value_or(size - 1), size - 1);
  return {ByteRange::Kind::part, *first, end - *first + 1};
}

}  // namespace hadal
