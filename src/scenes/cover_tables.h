// SPDX-License-Identifier: MIT
// How much each form covers a point, at several degrees of blur.
//
//   const CoverTables& tables = CoverTables::get();
//   float cover = tables.row(Form::star, blur, y)[CoverTables::place(x)];
//
// Forms have radius 1 around the origin, y downwards; blurs are Gaussian, kBlurs in units of the
// radius.  Tabulated because fitting asks for millions.  Made at the first use and then never
// changed; any thread may read them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "scenes/objects.h"

namespace hadal {

class CoverTables {
 public:
  // The smoothing of a board is the least, a codec's smear of a small object the most.
  static constexpr std::array<double, 4> kBlurs = {0.09, 0.15, 0.22, 0.32};

  static const CoverTables& get();

  // Column of a coordinate; those outside the table see its empty border.
  static size_t place(double value) {
    const double at = (value + kReach) * kSide / (2 * kReach);
    return static_cast<size_t>(std::clamp(at, 0.0, static_cast<double>(kSide - 1)));
  }
  const float* row(Form form, size_t blur, double y) const {
    return tables_[static_cast<size_t>(form)][blur].data() + place(y) * kSide;
  }

 private:
  CoverTables();

  static constexpr size_t kSide = 160;
  static constexpr double kReach = 2;  // -2 … 2: nothing is left there of the widest blur
  std::array<std::array<std::vector<float>, kBlurs.size()>, kForms> tables_;
};

}  // namespace hadal
