// SPDX-License-Identifier: MIT
// When something was begun, and what is due in a loop of steps.
//
//   const SteadyClock::time_point begin = SteadyClock::now();
//   seconds_since(begin);                    // 0.25
//   if (is_due(step, every, steps)) …        // every so many steps, and at the last
//
// Any thread may use them.
#pragma once

#include <chrono>
#include <cstdint>

namespace hadal {

using SteadyClock = std::chrono::steady_clock;

inline double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

// `every` 0: only at the last.
inline bool is_due(int64_t step, int64_t every, int64_t steps) {
  return step == steps || (every > 0 && step % every == 0);
}

}  // namespace hadal
