// SPDX-License-Identifier: MIT
// The verbs on the host's cores.
//
//   std::unique_ptr<Ops> ops = make_cpu_ops({});
//   Tensor y = ops->linear(x, weight);
//
// Any thread may call; calls at the same time are right but share one pool, and all but one of
// them run on their callers alone.
//
// Bits: the result of a row does not depend on the other rows of the call, on how many threads
// there are, or on how they split the work.  It may differ between instruction sets.
//
// Weights stay in the format of the checkpoint and are decoded in registers or in the cache.
// E8M0 scales above 2^119 overflow for E4M3 weights (published scales are near 2^-12).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backends/cpu/instruction_sets.h"
#include "ops/ops.h"

namespace hadal {

// exact: activations and weights meet as they are.  fast: where a weight is quantised and the
// machine multiplies bytes, activations become eight bits (int8.h), and a row's bits are still its
// own.  What that costs in distance and gives in speed stands in bench/README.md.
enum class Arithmetic : uint8_t { exact, fast };

struct CpuOptions {
  int64_t threads = 0;  // 0: one for each processor that the process may use
  bool pinned = true;   // threads stay on their processors (base/thread_pool.h)
  // Empty: the best that this machine can run.  A test may ask for less.
  std::optional<InstructionSet> instruction_set = {};
  Arithmetic arithmetic = Arithmetic::exact;
};

std::unique_ptr<Ops> make_cpu_ops(const CpuOptions& options);

}  // namespace hadal
