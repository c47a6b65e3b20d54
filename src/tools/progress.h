// SPDX-License-Identifier: MIT
// A line on stderr that says how far something is, and goes away when it is done.
//
//   ProgressLine line("loading models/flash", quiet);
//   line.show(done_bytes, all_bytes);
//
// Nothing is shown before half a second has passed, more often than ten times a second, or where
// stderr is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace hadal {

class ProgressLine {
 public:
  ProgressLine(std::string what, bool quiet);
  ~ProgressLine();  // clears the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(int64_t done_bytes, int64_t all_bytes);

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  bool enabled_;
  bool shown_ = false;
  Clock::time_point next_;
};

}  // namespace hadal
