// SPDX-License-Identifier: MIT
// Stop strings: what may be shown, and what is held back until more is known.
#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

// How many bytes at the end of `text` could be the beginning of `stop`.
size_t overlap(std::string_view text, std::string_view stop) {
  for (size_t count = std::min(text.size(), stop.size() - 1); count > 0; --count)
    if (text.ends_with(stop.substr(0, count))) return count;
  return 0;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopStrings::add(std::string_view piece) {
  if (found_) return "";
  held_ += piece;
  size_t begin = std::string::npos, end = std::string::npos, open = 0;
  for (const std::string& stop : stops_) {
    open = std::max(open, overlap(held_, stop));
    const size_t at = held_.find(stop);
    if (at == std::string::npos || std::pair(at + stop.size(), at) > std::pair(end, begin))
      continue;
    begin = at;
    end = at + stop.size();
  }
  found_ = begin != std::string::npos;
  const size_t shown = found_ ? begin : held_.size() - open;
  std::string safe = held_.substr(0, shown);
  held_ = found_ ? "" : held_.substr(shown);
  return safe;
}

std::string StopStrings::flush() {
  return std::exchange(held_, "");
}

}  // namespace hadal
