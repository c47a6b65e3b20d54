// SPDX-License-Identifier: MIT
// mbind(2), called by number: it is the only call of libnuma that is needed.
#include "base/memory_placement.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hadal {
namespace {

constexpr uintptr_t kPage = 4096;
constexpr int kMostNodes = 1024;  // what Linux can be built for
constexpr int kBitsAWord = 64;

struct NodeMask {
  uint64_t words[kMostNodes / kBitsAWord] = {};

  void add(int node) {
    if (node >= 0 && node < kMostNodes)
      words[node / kBitsAWord] |= uint64_t{1} << (node % kBitsAWord);
  }
};

bool bind_pages(uintptr_t begin, uintptr_t end, int policy, const NodeMask& nodes) {
  if (begin >= end) return true;
  // The kernel counts one bit less than it is told.
  return syscall(SYS_mbind, begin, end - begin, policy, nodes.words, kMostNodes + 1,
                 MPOL_MF_MOVE) == 0;
}

uintptr_t page_up(uintptr_t address) {
  return (address + kPage - 1) / kPage * kPage;
}

}  // namespace

bool MemoryPlacement::spread(const void* address, int64_t bytes) const {
  if (nodes_.size() < 2) return true;
  NodeMask mask;
  for (const MemoryNode& node : nodes_) mask.add(node.id);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  return bind_pages(page_up(begin), (begin + static_cast<uintptr_t>(bytes)) / kPage * kPage,
                    MPOL_INTERLEAVE, mask);
}

const MemoryPlacement& machine_placement() {
  static const MemoryPlacement kMachine(memory_nodes(kMemoryNodes, usable_processors()));
  return kMachine;
}

}  // namespace hadal
