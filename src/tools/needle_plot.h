// SPDX-License-Identifier: MIT
// Needles on a picture: where each stands in the haystack, and how sure its answer was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct NeedleAnswer {
  int64_t place = 0;       // in the haystack
  bool found = false;      // its value was the likeliest word
  double probability = 0;  // of its value
  bool operator==(const NeedleAnswer&) const = default;
};

// An SVG: depth to the right, probability upwards; what was not found is red.
std::string needle_plot(const std::string& title, int64_t tokens,
                        const std::vector<NeedleAnswer>& answers);

}  // namespace hadal
