// SPDX-License-Identifier: MIT
// Products of f32 matrices in host memory: ATen's, or by tiles (split_product.h) where the
// environment asks for them with HADAL_TORCH_KERNELS=amx and the processor has them.
//
// Tiles keep 16 bits of a factor's 24.  That is enough to learn by and too little to be held to the
// reference, hence nobody gets them unasked.
#pragma once

#include "backends/torch/libtorch.h"

namespace hadal {

// a [M, K] · b [K, N], either of them transposed in memory or not.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);
// The same into rows that lie one after the other, or added to what stands there.
void product_into(const at::Tensor& out_MN, const at::Tensor& a, const at::Tensor& b,
                  bool add = false);
// Matrix by matrix, [B, M, K] · [B, K, N].  `coarse`: in BF16 where there are tiles, for iterations
// that mend their own errors.
at::Tensor products(const at::Tensor& a, const at::Tensor& b, bool coarse);

// x·wᵀ with gradients: w [O, I], x of any shape that ends in I.
at::Tensor fused_linear(const at::Tensor& x, const at::Tensor& w);

}  // namespace hadal
