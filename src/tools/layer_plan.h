// SPDX-License-Identifier: MIT
// The layer schedule in words, equal layers together:
//
//   layers 0–1    window only
//   layers 2–42   CSA, ratio 4 · HCA, ratio 128 in turn
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace hadal {

struct LayerRange {
  int64_t first = 0, last = 0;
  std::string what;
};

std::vector<LayerRange> layer_plan(const ModelConfig& config);

// "7" or "3–7".
std::string range_text(int64_t first, int64_t last);

}  // namespace hadal
