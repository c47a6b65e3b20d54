// SPDX-License-Identifier: MIT
// Sizes are rounded up to powers of two, each with a stack of its own in each thread.
#include "base/small_blocks.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <vector>

#include "base/result.h"

namespace hadal {
namespace {

constexpr int64_t kLine = 64;
constexpr size_t kSizes = 11;
static_assert(kLine << (kSizes - 1) == kLargestSmallBlock);

// The size's number and the size, of 64 bytes · 2^number.
struct Size {
  size_t number;
  int64_t bytes;
};
Size size_of(int64_t bytes) {
  const uint64_t lines = static_cast<uint64_t>(std::max<int64_t>((bytes + kLine - 1) / kLine, 1));
  const uint64_t rounded = std::bit_ceil(lines);
  return {static_cast<size_t>(std::countr_zero(rounded)), static_cast<int64_t>(rounded) * kLine};
}

// Of one thread.  Tensors that outlive it are freed at once.
class Idle {
 public:
  ~Idle() {
    is_over = true;
    for (size_t number = 0; number < kSizes; ++number)
      for (void* block : blocks_[number]) {
        ASAN_UNPOISON_MEMORY_REGION(block, static_cast<size_t>(kLine) << number);
        std::free(block);
      }
  }
  std::vector<void*>& of(size_t number) { return blocks_[number]; }

  static thread_local bool is_over;

 private:
  std::array<std::vector<void*>, kSizes> blocks_;
};
thread_local bool Idle::is_over = false;
thread_local Idle idle;

}  // namespace

void* take_small_block(int64_t bytes) {
  CHECK(bytes >= 0 && bytes <= kLargestSmallBlock, bytes, " bytes");
  const Size size = size_of(bytes);
  if (!Idle::is_over && !idle.of(size.number).empty()) {
    void* block = idle.of(size.number).back();
    idle.of(size.number).pop_back();
    ASAN_UNPOISON_MEMORY_REGION(block, static_cast<size_t>(bytes));
    return block;
  }
  void* block = std::aligned_alloc(kLine, static_cast<size_t>(size.bytes));
  CHECK(block != nullptr, "cannot get ", size.bytes, " bytes of memory");
  return block;
}

void give_small_block(void* block, int64_t bytes) {
  const Size size = size_of(bytes);
  if (Idle::is_over ||
      static_cast<int64_t>(idle.of(size.number).size() + 1) * size.bytes > kIdleBytes) {
    std::free(block);
    return;
  }
  // Who still reads it is found by the address sanitizer, as with any memory that was freed.
  ASAN_POISON_MEMORY_REGION(block, static_cast<size_t>(size.bytes));
  idle.of(size.number).push_back(block);
}

}  // namespace hadal
