// SPDX-License-Identifier: MIT
// An allocator for libtorch: small blocks from the C library, large ones from lists by size.
//
// Before each block stands its size, in a header as long as the alignment that vectors like.
#include "backends/torch/kept_memory.h"

#include "backends/torch/libtorch.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

namespace hadal {
namespace {

constexpr size_t kHeaderBytes = 64;
constexpr size_t kLargeBytes = size_t{256} << 10;  // where page faults begin to be felt
constexpr size_t kHugePage = size_t{2} << 20;
// Idle blocks beyond this go back: shapes that were used once (a validation) do not stay for good.
constexpr size_t kIdleLimitBytes = size_t{6} << 30;

// Four sizes to each power of two: at most a quarter is wasted.
size_t size_class(size_t bytes) {
  size_t step = kLargeBytes / 4;
  while (bytes > 8 * step) step *= 2;
  return (bytes + step - 1) / step * step;
}

class Blocks {
 public:
  void* take(size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      std::vector<void*>& waiting = idle_[bytes];
      if (!waiting.empty()) {
        void* block = waiting.back();
        waiting.pop_back();
        idle_bytes_ -= bytes;
        return block;
      }
    }
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    if (bytes >= 2 * kHugePage) madvise(block, bytes, MADV_HUGEPAGE);
    return block;
  }

  void give(void* block, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (idle_bytes_ + bytes <= kIdleLimitBytes) {
        idle_[bytes].push_back(block);
        idle_bytes_ += bytes;
        return;
      }
    }
    munmap(block, bytes);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<size_t, std::vector<void*>> idle_;
  size_t idle_bytes_ = 0;
};

// Tensors may die after every other object of the program: the lists are never taken down.
Blocks& blocks() {
  static Blocks* const all = std::make_unique<Blocks>().release();
  return *all;
}

void release(void* data) {
  if (data == nullptr) return;
  void* block = static_cast<char*>(data) - kHeaderBytes;
  const size_t bytes = *static_cast<size_t*>(block);
  if (bytes >= kLargeBytes)
    blocks().give(block, bytes);
  else
    std::free(block);
}

void* obtain(size_t bytes) {
  const bool large = bytes + kHeaderBytes >= kLargeBytes;
  const size_t whole =
      large ? size_class(bytes + kHeaderBytes)
            : (bytes + 2 * kHeaderBytes - 1) / kHeaderBytes * kHeaderBytes;  // of the alignment
  void* block = large ? blocks().take(whole) : std::aligned_alloc(kHeaderBytes, whole);
  if (block == nullptr) throw std::bad_alloc();
  *static_cast<size_t*>(block) = whole;
  return static_cast<char*>(block) + kHeaderBytes;
}

// allocate() is const in libtorch 1.13 and no longer so in later 2.x, which also asks for
// copy_data(): both are there, and each version overrides what it knows.
class KeptMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const { return block_of(bytes); }
  c10::DataPtr allocate(size_t bytes) { return block_of(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const { std::memcpy(to, from, bytes); }

 private:
  static c10::DataPtr block_of(size_t bytes) {
    void* data = bytes == 0 ? nullptr : obtain(bytes);
    return {data, data, &release, c10::Device(c10::kCPU)};
  }
};

}  // namespace

void keep_cpu_memory() {
  static KeptMemory* const allocator = [] {
    KeptMemory* const made = std::make_unique<KeptMemory>().release();
    c10::SetCPUAllocator(made);
    return made;
  }();
  static_cast<void>(allocator);
}

}  // namespace hadal
