// SPDX-License-Identifier: MIT
// The iterations, on batches of matrices.
#include "train/newton_schulz.h"

#include "backends/torch/product.h"

namespace hadal {

namespace {

at::Tensor iterate(const at::Tensor& x, double a, double b, double c, bool coarse) {
  const at::Tensor gram = products(x, x.transpose(1, 2), coarse);
  const at::Tensor polynomial = products(gram, gram, coarse).mul_(c).add_(gram, b);
  return products(polynomial, x, coarse).add_(x, a);
}

}  // namespace

at::Tensor newton_schulz(const at::Tensor& matrices_BNM) {
  bool tall = matrices_BNM.size(1) > matrices_BNM.size(2);
  at::Tensor x = tall ? matrices_BNM.transpose(1, 2).contiguous() : matrices_BNM;
  // A gradient of all zeros stays zero.
  at::Tensor norm = x.flatten(1).norm(2, 1).clamp_min(1e-30).view({-1, 1, 1});
  x = x / norm;
  for (int i = 0; i < 8; ++i) x = iterate(x, 3.4445, -4.7750, 2.0315, true);
  for (int i = 0; i < 2; ++i) x = iterate(x, 2, -1.5, 0.5, false);
  return tall ? x.transpose(1, 2).contiguous() : x;
}

}  // namespace hadal
