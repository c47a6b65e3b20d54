// SPDX-License-Identifier: MIT
// What this machine can do at most: the bounds that speeds are held against.
//
//   Peaks peaks = measure_peaks(2, Clock::wall);   // of two threads together
//
// Each call takes about a tenth of a second of every thread.  `clock` says what is a second: that
// of the wall, or the processor time of this process (one thread beside busy neighbours).
#pragma once

#include <cstdint>

namespace hadal {

enum class Clock : uint8_t { wall, processor };
double seconds_now(Clock clock);

struct Peaks {
  double read_bytes = 0;        // a second, from memory, one stream a thread
  double float_operations = 0;  // a second, additions and multiplications apart
  double int8_operations = 0;   // in registers; 0: the machine has no products of bytes
  double tile_bf16_operations = 0, tile_int8_operations = 0;  // 0: it has no tiles
};
Peaks measure_peaks(int64_t threads, Clock clock);

}  // namespace hadal
