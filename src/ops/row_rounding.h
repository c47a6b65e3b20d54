// SPDX-License-Identifier: MIT
// Quantise-and-dequantise of one row, as the official kernels do it (model-spec §8.3).
// Shared by back ends on the host, so that roundings agree to the bit.
#pragma once

#include "ops/ops.h"

namespace hadal {

// In place over `width` channels; `tail` is used by formats that have one.
void round_row(float* row, int64_t width, RowFormat format, int64_t tail);

// The scale of one block of a format: what its values are divided by before they are rounded.
float row_scale(const float* block, int64_t width, RowFormat format);

}  // namespace hadal
