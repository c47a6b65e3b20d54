// SPDX-License-Identifier: MIT
// Ctrl-C: stops an answer, not the program.
//
//   InterruptGuard guard;                         // from here on SIGINT only sets a flag
//   generate(session, {.cancel = &interrupt_flag()}, …);
//
// A second SIGINT while the flag is still set ends the program at once with code 130.  When the
// guard ends, SIGINT does again what it did before.  One guard at a time, in the main thread.
#pragma once

#include <csignal>

#include <atomic>

namespace hadal {

constexpr int kInterruptedExit = 130;  // as a shell counts: 128 + SIGINT

std::atomic<bool>& interrupt_flag();

class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  struct sigaction before_ = {};
};

}  // namespace hadal
