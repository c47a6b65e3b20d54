// SPDX-License-Identifier: MIT
// Values between borders.
#include "serve/histogram.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <numeric>

namespace hadal {

std::string metric_number(double value) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string join_labels(const std::string& labels, const std::string& more) {
  return labels.substr(0, labels.size() - 1) + "," + more + "}";
}

void Histogram::add(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<size_t>(bound - bounds_.begin())];
  sum_ += value;
}

int64_t Histogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

void Histogram::write(std::string& text, const std::string& name, const std::string& labels) const {
  int64_t below = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    below += counts_[i];
    const std::string bound = i < bounds_.size() ? metric_number(bounds_[i]) : "+Inf";
    text += name + "_bucket" + join_labels(labels, "le=\"" + bound + "\"") + " " +
            std::to_string(below) + "\n";
  }
  text += name + "_sum" + labels + " " + metric_number(sum_) + "\n";
  text += name + "_count" + labels + " " + std::to_string(below) + "\n";
}

}  // namespace hadal
