// SPDX-License-Identifier: MIT
// Large tensors on the CPU, from memory that is kept.
//
// A training step frees and asks again for the same few gigabytes.  The C library hands large
// blocks back to the system each time, and every page of them is then cleared and mapped anew:
// a sixth of a step's time.  Here blocks wait in lists by size for the next tensor, on huge pages
// where the system gives them.
#pragma once

namespace hadal {

// For all CPU tensors of the process from here on; further calls do nothing.  Any thread.
void keep_cpu_memory();

}  // namespace hadal
