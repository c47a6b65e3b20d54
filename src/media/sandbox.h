// SPDX-License-Identifier: MIT
// Gives up, for the calling process and for good, everything but computing: from here on it can
// use memory, write to descriptor 1 and end.  Opening a file, a socket, another process or
// executable memory kills it.
//
//   TRY_STATUS(enter_sandbox({.memory_bytes = 1 << 30, .cpu_seconds = 60}));
//
// Three fences: resource limits (memory, processor time, no files, no processes, no core dumps),
// PR_SET_NO_NEW_PRIVS, and a seccomp filter (Linux Documentation/userspace-api/seccomp_filter.rst)
// that lets a dozen system calls pass and kills the process at any other.  The filter holds for all
// threads of the process.  A system without seccomp is an error: nothing is decoded there.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace hadal {

struct SandboxLimits {
  int64_t memory_bytes = 0;  // beyond what is mapped when the sandbox is entered
  int64_t cpu_seconds = 0;   // beyond what has been used by then
};

Status enter_sandbox(const SandboxLimits& limits);

}  // namespace hadal
