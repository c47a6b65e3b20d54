// SPDX-License-Identifier: MIT

#include "engine/cached_values.h"

#include <cmath>

namespace hadal {
namespace {

// Far above what a norm or a rounded row can be, far below what overflows when it is squared.
constexpr float kLargestValue = 1e9f;

}  // namespace

Status check_cached_values(std::string_view name, const Tensor& tensor) {
  if (tensor.dtype() != DType::f32) return Ok{};
  const float* values = tensor.data<float>();
  for (int64_t at = 0; at < tensor.count(); ++at)
    if (!(std::fabs(values[at]) <= kLargestValue))
      return fail(name, ": element ", at, " is ", values[at], ", expected a magnitude of at most ",
                  kLargestValue);
  return Ok{};
}

}  // namespace hadal
