// SPDX-License-Identifier: MIT
// The learning rate of a step: linear warm-up, constant, cosine decay to the final rate (§10.1).
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace hadal {

struct Schedule {
  int64_t steps = 0;
  int64_t warmup_steps = 0;
  int64_t decay_start = 0;  // first step of the decay
  double peak_rate = 0;
  double final_rate = 0;

  // Steps count from 0; the first one already moves.
  double rate(int64_t step) const {
    if (step < warmup_steps)
      return peak_rate * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
    if (step < decay_start || decay_start >= steps) return peak_rate;
    double done =
        static_cast<double>(step + 1 - decay_start) / static_cast<double>(steps - decay_start);
    if (done >= 1) return final_rate;
    return final_rate + (peak_rate - final_rate) * 0.5 * (1 + std::cos(std::numbers::pi * done));
  }
};

}  // namespace hadal
