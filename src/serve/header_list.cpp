// SPDX-License-Identifier: MIT
// Names as a header may carry them.
#include "serve/header_list.h"

#include <algorithm>
#include <string_view>

namespace hadal {

std::string header_list(const std::vector<std::string>& names) {
  constexpr size_t kMostNames = 20, kLongestName = 60;
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.[]";
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMostNames); ++i) {
    std::string name = names[i].substr(0, kLongestName);
    for (char& c : name)
      if (kPlain.find(c) == std::string_view::npos) c = '?';
    list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

}  // namespace hadal
