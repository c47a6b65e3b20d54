// SPDX-License-Identifier: MIT
// Host storage of tensors, and their views.
#include "base/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/block_cache.h"
#include "base/checked.h"
#include "base/memory_placement.h"
#include "base/small_blocks.h"

namespace hadal {
namespace {

// Zeroed pages straight from the system: untouched ones cost nothing.  These are caches, which
// every thread reads.
class HostStorage final : public Storage {
 public:
  explicit HostStorage(int64_t bytes) : bytes_(std::max<int64_t>(bytes, 1)) {
    address_ = mmap(nullptr, static_cast<size_t>(bytes_), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(address_ != MAP_FAILED, "cannot reserve ", bytes_, " bytes of memory");
    machine_placement().spread(address_, bytes_);
  }
  ~HostStorage() override { munmap(address_, static_cast<size_t>(bytes_)); }
  HostStorage(const HostStorage&) = delete;
  HostStorage& operator=(const HostStorage&) = delete;
  void* host_address() override { return address_; }

 private:
  int64_t bytes_;
  void* address_;
};

// Results of verbs, which the next pass needs again in the same sizes.
class BlockStorage final : public Storage {
 public:
  explicit BlockStorage(int64_t bytes) : bytes_(bytes), block_(tensor_blocks().take(bytes)) {}
  ~BlockStorage() override { tensor_blocks().give(block_, bytes_); }
  BlockStorage(const BlockStorage&) = delete;
  BlockStorage& operator=(const BlockStorage&) = delete;
  void* host_address() override { return block_; }

 private:
  int64_t bytes_;
  void* block_;
};

class SmallStorage final : public Storage {
 public:
  explicit SmallStorage(int64_t bytes) : bytes_(bytes), block_(take_small_block(bytes)) {}
  ~SmallStorage() override { give_small_block(block_, bytes_); }
  SmallStorage(const SmallStorage&) = delete;
  SmallStorage& operator=(const SmallStorage&) = delete;
  void* host_address() override { return block_; }

 private:
  int64_t bytes_;
  void* block_;
};

class BorrowedStorage final : public Storage {
 public:
  BorrowedStorage(const void* address, std::shared_ptr<void> keeper)
      : address_(const_cast<void*>(address)), keeper_(std::move(keeper)) {}
  void* host_address() override { return address_; }

 private:
  void* address_;
  std::shared_ptr<void> keeper_;
};

constexpr int64_t kHeapLimitBytes = 1 << 20;  // of zeros

int64_t bytes_of(DType dtype, const Shape& shape) {
  const std::optional<int64_t> count = checked_count(shape);
  CHECK(count.has_value(), "shape ", shape_text(shape));
  const std::optional<int64_t> bytes = checked_mul(*count, element_bytes(dtype));
  CHECK(bytes.has_value(), "shape ", shape_text(shape));
  return *bytes;
}

}  // namespace

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<Storage> storage, int64_t offset)
    : dtype_(dtype), shape_(std::move(shape)), offset_(offset), storage_(std::move(storage)) {
  const std::optional<int64_t> count = checked_count(shape_);
  CHECK(count.has_value(), "shape ", shape_text(shape_));
  count_ = *count;
}

Tensor Tensor::zeros(DType dtype, Shape shape) {
  const int64_t bytes = bytes_of(dtype, shape);
  if (bytes > kHeapLimitBytes)
    return Tensor(dtype, std::move(shape), std::make_shared<HostStorage>(bytes));
  Tensor tensor = empty(dtype, std::move(shape));
  std::memset(tensor.raw(), 0, static_cast<size_t>(bytes));
  return tensor;
}

Tensor Tensor::empty(DType dtype, Shape shape) {
  const int64_t bytes = bytes_of(dtype, shape);
  if (bytes > kLargestSmallBlock)
    return Tensor(dtype, std::move(shape), std::make_shared<BlockStorage>(bytes));
  return Tensor(dtype, std::move(shape), std::make_shared<SmallStorage>(bytes));
}

Tensor Tensor::of_floats(Shape shape, const std::vector<float>& values) {
  Tensor tensor = zeros(DType::f32, std::move(shape));
  CHECK(tensor.count() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), tensor.data<float>());
  return tensor;
}

Tensor Tensor::of_ints(Shape shape, const std::vector<int64_t>& values) {
  Tensor tensor = zeros(DType::i64, std::move(shape));
  CHECK(tensor.count() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), tensor.data<int64_t>());
  return tensor;
}

Tensor Tensor::over(DType dtype, Shape shape, const void* address, std::shared_ptr<void> keeper) {
  return Tensor(dtype, std::move(shape),
                std::make_shared<BorrowedStorage>(address, std::move(keeper)));
}

uint8_t* Tensor::raw() const {
  void* const address = storage_ ? storage_->host_address() : nullptr;
  CHECK(address != nullptr, "tensor ", shape_text(shape_), " is not in host memory");
  return static_cast<uint8_t*>(address) + offset_ * element_bytes(dtype_);
}

Tensor Tensor::rows(int64_t first, int64_t count) const {
  CHECK(rank() >= 1 && first >= 0 && count >= 0 && first + count <= shape_[0], "rows ", first, "+",
        count, " of ", shape_text(shape_));
  Shape shape = shape_;
  shape[0] = count;
  return Tensor(dtype_, std::move(shape), storage_, offset_ + first * row_width());
}

Tensor Tensor::reshaped(Shape shape) const {
  Tensor result(dtype_, std::move(shape), storage_, offset_);
  CHECK(result.count() == count_, shape_text(shape_), " as ", shape_text(result.shape_));
  return result;
}

}  // namespace hadal
