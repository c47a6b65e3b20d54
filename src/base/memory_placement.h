// SPDX-License-Identifier: MIT
// MemoryPlacement: which memory node pages lie on, where a machine has several.
//
//   machine_placement().spread(address, bytes);      // memory that every thread reads
//
// To be asked for before memory is first written: it says where pages will be; pages that exist
// move.  On a machine with one node nothing happens.  Pages of mapped files need no call: they
// come to the node whose thread first reads them, and ThreadPool gives a thread the same rows each
// time.  A wish, not a demand: a full node or a system that refuses costs speed alone.
// Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/processors.h"

namespace hadal {

class MemoryPlacement {
 public:
  explicit MemoryPlacement(std::vector<MemoryNode> nodes) : nodes_(std::move(nodes)) {}

  // False: the system refused.
  bool spread(const void* address, int64_t bytes) const;

 private:
  std::vector<MemoryNode> nodes_;
};

// Of the machine that this process runs on, as its affinity mask was at the first call.
const MemoryPlacement& machine_placement();

}  // namespace hadal
