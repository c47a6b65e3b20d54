// SPDX-License-Identifier: MIT
// One row of a weight, dequantised: the meaning of every stored format (model-spec §8.3).
#pragma once

#include "ops/ops.h"

namespace hadal {

// Writes weight.inputs() floats.  Host weights only.
void dequantise_row(const Weight& weight, int64_t row, float* out);

// The whole matrix, f32 [O, I].
Tensor dequantise(const Weight& weight);

}  // namespace hadal
