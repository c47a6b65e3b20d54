// SPDX-License-Identifier: MIT
// `hadal bench soak`: an hour of everything that clients do to a server, and what is left of it.
//
// Starts `hadal serve` on loopback with a folder of its own.  Clients ask, listen slowly, vanish,
// send nonsense and half requests, hold agents' conversations.  Ten times in the time that is given
// they rest: then every pool must be back where it was at the start, and in the second half memory
// may not grow.  In the end SIGTERM comes amidst requests, and the server must drain and exit with
// 0.
#pragma once

#include "tools/command.h"

namespace hadal {

// Under `hadal bench`.
void add_bench_soak(CLI::App& bench, Command& chosen);

}  // namespace hadal
