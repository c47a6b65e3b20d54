// SPDX-License-Identifier: MIT
// Back ends by name: the one place that knows which were built.
//
//   TRY(std::unique_ptr<Ops> ops, open_backend({.name = "cpu", .threads = 4}));
//
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops/ops.h"

namespace hadal {

struct BackendOptions {
  std::string name;  // one of built_backends()
  std::string device =
      {};  // torch: "cuda:1", "npu"; cpu: "fast", "avx2", "fast:avx2", …; empty: the best
  int64_t threads = 0;  // cpu alone; 0: one a core
  bool pinned = true;   // cpu alone: threads stay on their processors
};

// Names, the best for generating first.
std::vector<std::string> built_backends();

Result<std::unique_ptr<Ops>> open_backend(const BackendOptions& options);

}  // namespace hadal
