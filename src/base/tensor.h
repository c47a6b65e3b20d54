// SPDX-License-Identifier: MIT
// Tensor: a value that names a dense, row-major array of numbers somewhere.
//
//   Tensor x_TD = Tensor::zeros(DType::f32, {tokens, width});
//   float* x = x_TD.data<float>();
//   Tensor tail = x_TD.rows(first, count);          // a view: a slice of leading rows
//
// Copies share the storage; the last holder frees it.  Storage on a device (or one that records
// gradients) belongs to a back end, which derives from Storage and alone can look inside.
// Anything but a slice of leading rows or a new shape is a verb (ops/ops.h).
// A Tensor may be read from any thread; who writes must be alone.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"

namespace hadal {

using Shape = std::vector<int64_t>;

std::string shape_text(const Shape& shape);  // "[3, 128]"

// Where the numbers are.  Host storage has an address; a device's has none.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual void* host_address() { return nullptr; }
};

class Tensor {
 public:
  Tensor() = default;  // empty: no storage, defined() is false
  Tensor(DType dtype, Shape shape, std::shared_ptr<Storage> storage, int64_t offset = 0);

  // Fresh host memory.  zeros() takes untouched pages from the system, so that a large pool
  // costs memory only where it is used.
  static Tensor zeros(DType dtype, Shape shape);
  // Fresh host memory with unspecified contents, for results that are written in full.
  static Tensor empty(DType dtype, Shape shape);
  static Tensor of_floats(Shape shape, const std::vector<float>& values);
  static Tensor of_ints(Shape shape, const std::vector<int64_t>& values);
  // Memory that somebody else keeps alive, for instance a mapped file held by `keeper`.
  static Tensor over(DType dtype, Shape shape, const void* address, std::shared_ptr<void> keeper);

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t size(int64_t axis) const { return shape_[axis < 0 ? axis + rank() : axis]; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return count_ * element_bytes(dtype_); }
  // Elements after the leading axis: the width of a row of a matrix.
  int64_t row_count() const { return shape_.empty() ? 1 : shape_[0]; }
  int64_t row_width() const { return row_count() == 0 ? 0 : count_ / row_count(); }

  bool on_host() const { return storage_ && storage_->host_address() != nullptr; }
  template <typename T>
  T* data() const {
    return reinterpret_cast<T*>(raw());
  }
  uint8_t* raw() const;  // host address of the first element; CHECKs that there is one

  Tensor rows(int64_t first, int64_t count) const;  // view of leading rows [first, first+count)
  Tensor reshaped(Shape shape) const;               // same elements, other shape

  const std::shared_ptr<Storage>& storage() const { return storage_; }
  int64_t offset() const { return offset_; }  // in elements, from the start of the storage

 private:
  DType dtype_ = DType::f32;
  Shape shape_;
  int64_t count_ = 0;
  int64_t offset_ = 0;
  std::shared_ptr<Storage> storage_;
};

}  // namespace hadal
