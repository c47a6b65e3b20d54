// SPDX-License-Identifier: MIT
// BlockCache: blocks of memory that were freed, kept for who asks next.
//
//   void* block = tensor_blocks().take(bytes);     // at a line of the cache; unspecified contents
//   tensor_blocks().give(block, bytes);            // the bytes that it was taken with
//   tensor_blocks().drop_unused();                 // while there is nothing to do
//
// The tensors of a forward pass have the sizes of those of the pass before.  Taken from the system
// afresh, every page would have to be found, cleared and mapped again, which costs more than to
// compute what is written there.
//
// What is kept is bounded, and what nobody asked for in `kept_for` goes back to the system: with
// whatever is taken or given next, or with drop_unused().
// Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

namespace hadal {

struct BlockCacheOptions {
  // Half a gigabyte holds what a pass of 512 rows through the largest published model frees.
  int64_t most_idle_bytes = int64_t{512} << 20;
  // Longer than a step of a large model, so that what each step needs is there.
  std::chrono::nanoseconds kept_for = std::chrono::seconds(2);
};

class BlockCache {
 public:
  explicit BlockCache(const BlockCacheOptions& options = {}) : options_(options) {}
  ~BlockCache();
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // bytes > 0; a machine without memory stops the program.
  void* take(int64_t bytes);
  void give(void* block, int64_t bytes);
  void drop_unused();

  int64_t idle_bytes() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Block {
    void* address = nullptr;
    int64_t bytes = 0;
    Time given;
  };
  using Blocks = std::vector<Block>;

  void collect_old(Time now, Blocks& dropped);
  void collect_excess(Blocks& dropped);
  void drop_oldest_of(std::deque<Block>& blocks, Blocks& dropped);

  const BlockCacheOptions options_;
  mutable std::mutex lock_;
  std::map<int64_t, std::deque<Block>> idle_;  // by size; the last given at the back
  int64_t idle_bytes_ = 0;
  Time next_look_{};
};

// That of tensors.  It is never taken down, because tensors may outlive all else.
BlockCache& tensor_blocks();

}  // namespace hadal
