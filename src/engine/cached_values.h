// SPDX-License-Identifier: MIT
// What a cache that comes from a file may hold.
#pragma once

#include <string_view>

#include "base/result.h"
#include "base/tensor.h"

namespace hadal {

// Fails at the first f32 element that no norm or rounded row can be; `name` begins the message.
Status check_cached_values(std::string_view name, const Tensor& tensor);

}  // namespace hadal
