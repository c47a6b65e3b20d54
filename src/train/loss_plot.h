// SPDX-License-Identifier: MIT
// The loss curves of a run as an SVG picture: training loss (each step faint, its running mean
// over it) and held-out loss, against steps.
//
//   TRY_STATUS(write_loss_plot("out/loss.svg", "nano", log.lines()));
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "train/training_log.h"

namespace hadal {

// `unit` is what losses are measured in.
std::string loss_plot(const std::string& title, const std::vector<LogLine>& lines,
                      const std::string& unit = "nats a token");
Status write_loss_plot(const std::string& path, const std::string& title,
                       const std::vector<LogLine>& lines, const std::string& unit = "nats a token");

}  // namespace hadal
