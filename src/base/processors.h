// SPDX-License-Identifier: MIT
// The processors that this process may use, and the memory nodes that they sit on.
//
//   const std::vector<int> usable = usable_processors();
//   const std::vector<MemoryNode> nodes = memory_nodes("/sys/devices/system/node", usable);
//   const std::vector<std::vector<int>> homes = homes_of(threads, usable, nodes);
//
// Any thread.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

// By number, ascending: the affinity mask of the calling thread, which may be smaller than the
// machine.
std::vector<int> usable_processors();

// Where Linux tells of its memory nodes.
inline constexpr const char* kMemoryNodes = "/sys/devices/system/node";

struct MemoryNode {
  int id = 0;
  std::vector<int> processors;  // usable ones, ascending; never none
};

// From a folder laid out like /sys/devices/system/node (nodeN/cpulist).  Nodes without usable
// processors are left out.  A machine that tells nothing is one node.
std::vector<MemoryNode> memory_nodes(const std::string& folder, const std::vector<int>& usable);

// Of a list such as "0-3,8,10-11"; nothing for what is no such list.
std::vector<int> processor_list(const std::string& text);

// The processors that each of `threads` threads is to stay on, by thread: one for each if there
// are as many as threads, else those of its node; with a single node and fewer or more threads
// than processors nobody is kept anywhere, and the result is empty.  Threads with neighbouring
// numbers are on the same node.
std::vector<std::vector<int>> homes_of(int64_t threads, const std::vector<int>& usable,
                                       const std::vector<MemoryNode>& nodes);

// Keeps a thread on some processors.  False where the system refuses: it is a wish, for which
// nobody fails.
bool keep_on(pthread_t thread, const std::vector<int>& processors);

}  // namespace hadal
