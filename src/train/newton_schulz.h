// SPDX-License-Identifier: MIT
// Orthogonalisation by Newton–Schulz iterations, as V4 trains with (model-spec §10.2).
//
//   M₀ = M/‖M‖_F;   M ← aM + b(MMᵀ)M + c(MMᵀ)²M,  8 rounds with (3.4445, −4.7750, 2.0315) that
//   drive every singular value near 1, then 2 with (2, −1.5, 0.5) that settle it there.
// The 8 are content with BF16 products where the processor is fast with them; the 2 are f32.
#pragma once

#include "backends/torch/libtorch.h"

namespace hadal {

// Matrices [B, n, m], each for itself.  Works on the shorter side.
at::Tensor newton_schulz(const at::Tensor& matrices_BNM);

}  // namespace hadal
