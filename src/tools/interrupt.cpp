// SPDX-License-Identifier: MIT
// Ctrl-C: the handler and its flag.
#include "tools/interrupt.h"

#include <unistd.h>

namespace hadal {
namespace {

// A signal handler can reach nothing but a global.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_interrupt(int) {
  if (interrupted.exchange(true)) _exit(kInterruptedExit);
}

}  // namespace

std::atomic<bool>& interrupt_flag() {
  return interrupted;
}

InterruptGuard::InterruptGuard() {
  interrupted = false;
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = 0;  // reads return, so that a prompt notices
  sigaction(SIGINT, &action, &before_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &before_, nullptr);
}

}  // namespace hadal
