// SPDX-License-Identifier: MIT
// mbind(2), called by number: it is the only call of libnuma that is needed.
#include "base/memory_placement.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <numeric>

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

std::vector<MemoryPlacement::Piece> MemoryPlacement::pieces(uintptr_t address, int64_t rows,
                                                            int64_t row_bytes) const {
  const int64_t processors =
      std::accumulate(nodes_.begin(), nodes_.end(), int64_t{0}, [](int64_t sum, const auto& node) {
        return sum + static_cast<int64_t>(node.processors.size());
      });
  std::vector<Piece> pieces;
  int64_t before = 0;  // processors
  uintptr_t begin = page_up(address);
  for (const MemoryNode& node : nodes_) {
    before += static_cast<int64_t>(node.processors.size());
    const int64_t border = rows * before / processors * row_bytes;
    // The last page may hold other memory as well.
    const uintptr_t end = before == processors
                              ? (address + static_cast<uintptr_t>(border)) / kPage * kPage
                              : page_up(address + static_cast<uintptr_t>(border));
    if (end > begin) pieces.push_back({node.id, begin, end});
    begin = std::max(begin, end);
  }
  return pieces;
}

bool MemoryPlacement::share_out(const void* address, int64_t rows, int64_t row_bytes) const {
  if (nodes_.size() < 2) return true;
  bool all = true;
  for (const Piece& piece : pieces(reinterpret_cast<uintptr_t>(address), rows, row_bytes)) {
    NodeMask mask;
    mask.add(piece.node);
    all = bind_pages(piece.begin, piece.end, MPOL_PREFERRED, mask) && all;
  }
  return all;
}

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
