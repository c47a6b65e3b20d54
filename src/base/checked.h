// SPDX-License-Identifier: MIT
// Sizes that come from a file or a request are multiplied and added here, or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace hadal {

// a·b, or nothing when either is negative or the product leaves int64.
inline std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// a+b, or nothing when either is negative or the sum leaves int64.
inline std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// The product of all dimensions (1 for none), or nothing on overflow or a negative one.
inline std::optional<int64_t> checked_count(std::span<const int64_t> dimensions) {
  int64_t count = 1;
  for (int64_t dimension : dimensions) {
    std::optional<int64_t> next = checked_mul(count, dimension);
    if (!next) return std::nullopt;
    count = *next;
  }
  return count;
}

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace hadal
