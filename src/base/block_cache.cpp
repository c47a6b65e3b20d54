// SPDX-License-Identifier: MIT
// Sizes are rounded to four steps between powers of two, so that a prompt that is a little longer
// finds the blocks of the one before; the pages of what was rounded up are never touched.
#include "base/block_cache.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "base/result.h"

namespace hadal {
namespace {

constexpr int64_t kPage = 4096;
// Blocks of several large pages are asked for in such: fewer faults, and fewer misses of the
// processor's table of pages.  A wish that the system may ignore.
constexpr int64_t kLargePage = int64_t{2} << 20;

int64_t rounded_up(int64_t bytes) {
  const int64_t step = std::max<int64_t>(
      kPage, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(bytes))) / 4);
  return (bytes + step - 1) / step * step;
}

void* pages_from_system(int64_t bytes) {
  void* block = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(block != MAP_FAILED, "cannot get ", bytes, " bytes of memory");
  if (bytes >= 2 * kLargePage) madvise(block, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  return block;
}

template <typename Blocks>
void return_to_system(const Blocks& blocks) {
  for (const auto& block : blocks) {
    ASAN_UNPOISON_MEMORY_REGION(block.address, static_cast<size_t>(block.bytes));
    munmap(block.address, static_cast<size_t>(block.bytes));
  }
}

}  // namespace

BlockCache::~BlockCache() {
  for (const auto& [bytes, blocks] : idle_) return_to_system(blocks);
}

void* BlockCache::take(int64_t bytes) {
  const int64_t size = rounded_up(bytes);
  void* found = nullptr;
  Blocks dropped;
  {
    const std::lock_guard lock(lock_);
    if (const auto place = idle_.find(size); place != idle_.end() && !place->second.empty()) {
      found = place->second.back().address;
      place->second.pop_back();
      idle_bytes_ -= size;
    }
    collect_old(std::chrono::steady_clock::now(), dropped);
  }
  return_to_system(dropped);
  if (found == nullptr) return pages_from_system(size);
  ASAN_UNPOISON_MEMORY_REGION(found, static_cast<size_t>(bytes));
  return found;
}

void BlockCache::give(void* block, int64_t bytes) {
  const int64_t size = rounded_up(bytes);
  // Who still reads it is found by the address sanitizer, as with any memory that was freed.
  ASAN_POISON_MEMORY_REGION(block, static_cast<size_t>(size));
  Blocks dropped;
  {
    const std::lock_guard lock(lock_);
    const Time now = std::chrono::steady_clock::now();
    idle_[size].push_back({block, size, now});
    idle_bytes_ += size;
    collect_old(now, dropped);
    collect_excess(dropped);
  }
  return_to_system(dropped);
}

void BlockCache::drop_unused() {
  Blocks dropped;
  {
    const std::lock_guard lock(lock_);
    collect_old(std::chrono::steady_clock::now(), dropped);
  }
  return_to_system(dropped);
}

int64_t BlockCache::idle_bytes() const {
  const std::lock_guard lock(lock_);
  return idle_bytes_;
}

void BlockCache::drop_oldest_of(std::deque<Block>& blocks, Blocks& dropped) {
  dropped.push_back(blocks.front());
  idle_bytes_ -= blocks.front().bytes;
  blocks.pop_front();
}

// Looked for a few times in `kept_for`, not with every block.
void BlockCache::collect_old(Time now, Blocks& dropped) {
  if (now < next_look_) return;
  next_look_ = now + options_.kept_for / 4;
  for (auto& [size, blocks] : idle_)
    while (!blocks.empty() && now - blocks.front().given >= options_.kept_for)
      drop_oldest_of(blocks, dropped);
}

void BlockCache::collect_excess(Blocks& dropped) {
  while (idle_bytes_ > options_.most_idle_bytes) {
    std::deque<Block>* oldest = nullptr;
    for (auto& [size, blocks] : idle_)
      if (!blocks.empty() && (oldest == nullptr || blocks.front().given < oldest->front().given))
        oldest = &blocks;
    drop_oldest_of(*oldest, dropped);
  }
}

BlockCache& tensor_blocks() {
  static BlockCache& blocks = *new BlockCache;
  return blocks;
}

}  // namespace hadal
