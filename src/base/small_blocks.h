// SPDX-License-Identifier: MIT
// Small blocks of memory that were freed, kept by the thread that freed them.
//
//   void* block = take_small_block(bytes);      // at a line of the cache; unspecified contents
//   give_small_block(block, bytes);             // the bytes that it was taken with; by any thread
//
// One token of a forward pass makes some hundred small tensors, one after the other, of a few
// sizes.  glibc serves aligned blocks by splitting and joining neighbours, which took a tenth of
// such a pass of a small model (bench/README.md).  A thread keeps at most kIdleBytes of each size,
// and frees them when it ends.
#pragma once

#include <cstdint>

namespace hadal {

// Half of what glibc takes from the system at first (M_MMAP_THRESHOLD); so small that a step of one
// token takes a larger block now and then, for its logits, and old ones of those are looked for
// (base/block_cache.h).
constexpr int64_t kLargestSmallBlock = int64_t{1} << 16;
constexpr int64_t kIdleBytes = int64_t{1} << 20;

// 0 … kLargestSmallBlock bytes; a machine without memory stops the program.
void* take_small_block(int64_t bytes);
void give_small_block(void* block, int64_t bytes);

}  // namespace hadal
