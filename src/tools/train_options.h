// SPDX-License-Identifier: MIT
// The options of `hadal train`, whatever is trained.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct TrainOptions {
  std::string config;
  std::vector<std::string> settings;
  int64_t steps = 0;   // 0: as the configuration says
  double minutes = 0;  // 0: no limit
  bool resume = false;
  bool quiet = false;
  std::string export_folder;  // not empty: only write the weights of the newest state
};

}  // namespace hadal
