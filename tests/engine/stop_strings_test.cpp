// SPDX-License-Identifier: MIT
// Stop strings: whatever the cuts, what is shown is the text before the first stop.
#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace hadal {
namespace {

// Every way to cut `text` in pieces, as bits.
std::string shown(const std::string& text, const std::vector<std::string>& stops, uint32_t cuts,
                  bool& found) {
  StopStrings stopper(stops);
  std::string all, piece;
  for (size_t at = 0; at < text.size(); ++at) {
    piece += text[at];
    if ((cuts >> at & 1) == 0) continue;
    all += stopper.add(piece);
    piece.clear();
  }
  all += stopper.add(piece);
  all += stopper.flush();
  found = stopper.found();
  return all;
}

// Where the stop string begins that is complete first.
size_t first_stop(const std::string& text, const std::vector<std::string>& stops) {
  size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stops) {
    const size_t at = stop.empty() ? std::string::npos : text.find(stop);
    if (at == std::string::npos || std::pair(at + stop.size(), at) > std::pair(end, begin))
      continue;
    begin = at;
    end = at + stop.size();
  }
  return begin;
}

TEST(StopStrings, NoCutLetsAStopStringThrough) {
  const std::vector<std::string> texts = {"abcabd", "aabaab", "xyz", "ababac", "", "stop"};
  const std::vector<std::vector<std::string>> stops = {
      {"abd"}, {"aab"}, {"ba", "ab"}, {"abac"}, {"bab", "a"}, {}, {"", "top"}};
  for (const std::string& text : texts) {
    for (const std::vector<std::string>& list : stops) {
      const size_t first = first_stop(text, list);
      for (uint32_t cuts = 0; cuts < 1U << text.size(); ++cuts) {
        bool found = false;
        const std::string seen = shown(text, list, cuts, found);
        EXPECT_EQ(found, first != std::string::npos) << text << " " << cuts;
        EXPECT_EQ(seen, text.substr(0, first)) << text << " " << cuts;
      }
    }
  }
}

TEST(StopStrings, HoldsBackNoMoreThanItMust) {
  StopStrings stops({"\nUser:"});
  EXPECT_EQ(stops.add("hello\n"), "hello");
  EXPECT_EQ(stops.add("Us"), "");
  EXPECT_EQ(stops.add("ual"), "\nUsual");
  EXPECT_EQ(stops.add("\nUser: me"), "");
  EXPECT_TRUE(stops.found());
  EXPECT_EQ(stops.add("more"), "");
  EXPECT_EQ(stops.flush(), "");
}

}  // namespace
}  // namespace hadal
