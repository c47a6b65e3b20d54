// SPDX-License-Identifier: MIT
#include "scenes/cover_tables.h"

#include <cmath>

#include "scenes/drawing.h"

namespace hadal {

namespace {

std::vector<float> gaussian(double deviation) {  // in cells; its sum is 1
  const int64_t reach = static_cast<int64_t>(std::ceil(3 * deviation));
  std::vector<float> weights;
  float sum = 0;
  for (int64_t i = -reach; i <= reach; ++i) {
    const double at = static_cast<double>(i) / deviation;
    weights.push_back(static_cast<float>(std::exp(-at * at / 2)));
    sum += weights.back();
  }
  for (float& weight : weights) weight /= sum;
  return weights;
}

// Blurs the columns and turns the table over, so that a second call does the rows.
std::vector<float> blurred_and_turned(const std::vector<float>& table, int64_t side,
                                      const std::vector<float>& weights) {
  const int64_t reach = static_cast<int64_t>(weights.size() / 2);
  std::vector<float> result(table.size());
  for (int64_t y = 0; y < side; ++y)
    for (int64_t i = -reach; i <= reach; ++i) {
      const int64_t from = y + i;
      if (from < 0 || from >= side) continue;  // nothing is covered out there
      const float weight = weights[static_cast<size_t>(i + reach)];
      for (int64_t x = 0; x < side; ++x)
        result[static_cast<size_t>(x * side + y)] +=
            weight * table[static_cast<size_t>(from * side + x)];
    }
  return result;
}

}  // namespace

CoverTables::CoverTables() {
  const double cell = 2 * kReach / kSide;
  const auto coordinate = [&](size_t i) { return (static_cast<double>(i) + 0.5) * cell - kReach; };
  for (size_t form = 0; form < kForms; ++form) {
    std::vector<float> sharp;
    for (size_t y = 0; y < kSide; ++y)
      for (size_t x = 0; x < kSide; ++x) {
        const double edge = distance_to_edge(static_cast<Form>(form), coordinate(x), coordinate(y));
        sharp.push_back(static_cast<float>(std::clamp(0.5 - edge / cell, 0.0, 1.0)));
      }
    for (size_t blur = 0; blur < kBlurs.size(); ++blur) {
      const std::vector<float> weights = gaussian(kBlurs[blur] / cell);
      tables_[form][blur] =
          blurred_and_turned(blurred_and_turned(sharp, kSide, weights), kSide, weights);
    }
  }
}

const CoverTables& CoverTables::get() {
  static const CoverTables kTables;
  return kTables;
}

}  // namespace hadal
