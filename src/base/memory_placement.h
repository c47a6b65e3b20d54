// SPDX-License-Identifier: MIT
// MemoryPlacement: which memory node pages lie on, where a machine has several.
//
//   machine_placement().share_out(address, rows, row_bytes);   // memory whose rows loops are split
//   by machine_placement().spread(address, bytes);                // memory that every thread reads
//
// Both are asked for before memory is first written, and say where pages will be; pages that exist
// move.  On a machine with one node nothing happens.  Pages of mapped files need no call: they
// come to the node whose thread first reads them, and ThreadPool gives a thread the same rows each
// time.  Wishes, not demands: a full node or a system that refuses costs speed alone.
// Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/processors.h"

namespace hadal {

class MemoryPlacement {
 public:
  explicit MemoryPlacement(std::vector<MemoryNode> nodes) : nodes_(std::move(nodes)) {}

  // Whole pages of [address, address + rows · row_bytes), cut as a pool with a thread for each
  // processor cuts the rows.  Pages across a border belong to the first of both.
  struct Piece {
    int node = 0;
    uintptr_t begin = 0, end = 0;
    bool operator==(const Piece&) const = default;
  };
  std::vector<Piece> pieces(uintptr_t address, int64_t rows, int64_t row_bytes) const;

  // False: the system refused a part of it.
  bool share_out(const void* address, int64_t rows, int64_t row_bytes) const;
  bool spread(const void* address, int64_t bytes) const;

 private:
  std::vector<MemoryNode> nodes_;
};

// Of the machine that this process runs on, as its affinity mask was at the first call.
const MemoryPlacement& machine_placement();

}  // namespace hadal
