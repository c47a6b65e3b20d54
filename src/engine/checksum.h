// SPDX-License-Identifier: MIT
// Checksums: XXH3-64 over a stream of bytes, as 16 hexadecimal digits.
//
//   Checksum sum;
//   sum.add("name");  sum.add(tensor);
//   std::string digits = sum.text();
//
// Finds damage; no protection against intent.  One thread an object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/tensor.h"

namespace hadal {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::string_view text);      // its length and bytes
  void add(const Tensor& host_tensor);  // format, shape and bytes
  void add_bytes(const void* bytes, int64_t count);
  std::string text() const;
  int64_t number() const;  // the same without its sign bit: 0 or above

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hadal
