// SPDX-License-Identifier: MIT
// A line of progress.
#include "tools/progress.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "tools/machine.h"

namespace hadal {
namespace {

using namespace std::chrono_literals;

}  // namespace

ProgressLine::ProgressLine(std::string what, bool quiet)
    : what_(std::move(what)),
      enabled_(!quiet && isatty(STDERR_FILENO) == 1),
      next_(Clock::now() + 500ms) {}

ProgressLine::~ProgressLine() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void ProgressLine::show(int64_t done_bytes, int64_t all_bytes) {
  if (!enabled_ || all_bytes <= 0 || Clock::now() < next_) return;
  next_ = Clock::now() + 100ms;
  shown_ = true;
  const double percent = 100.0 * static_cast<double>(done_bytes) / static_cast<double>(all_bytes);
  std::fprintf(stderr, "\r\033[K%s  %.0f%%  %s of %s", what_.c_str(), percent,
               bytes_text(done_bytes).c_str(), bytes_text(all_bytes).c_str());
}

}  // namespace hadal
