// SPDX-License-Identifier: MIT
// round_to for at::Tensor: rows quantised and dequantised in blocks (model-spec §8.3).
#pragma once

#include "backends/torch/libtorch.h"
#include "ops/ops.h"

namespace hadal {

// Straight through: the value is rounded, the gradient passes as if it were not.
at::Tensor round_through(const at::Tensor& x, RowFormat format, int64_t tail);

// The rounding itself, in ATen calls that every device has.  On the CPU round_through() runs the
// loops of ops/row_rounding.h instead; the two agree to the bit.
at::Tensor round_composed(const at::Tensor& x, RowFormat format, int64_t tail);

}  // namespace hadal
