// SPDX-License-Identifier: MIT
// Work on several threads: job(0) … job(count-1), each once, on `threads` threads.
//
// Which thread runs a job is fixed (job i on thread i mod threads), so that whatever a thread
// gathers is gathered in the same order every time.  Errors and libtorch's exceptions come back as
// the error of the first job that failed.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"

namespace hadal {

Status side_by_side(int64_t count, int64_t threads,
                    const std::function<Status(int64_t job, int64_t thread)>& job);

// From here on libtorch and its BLAS use one thread for each caller.
void use_one_thread_per_caller();

}  // namespace hadal
