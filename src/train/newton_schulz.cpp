// SPDX-License-Identifier: MIT
// The iterations, on batches of matrices.
#include "train/newton_schulz.h"

namespace hadal {

namespace {

at::Tensor iterate(const at::Tensor& x, double a, double b, double c) {
  at::Tensor gram = at::bmm(x, x.transpose(1, 2));
  at::Tensor polynomial = at::baddbmm(gram, gram, gram, b, c);  // b·G + c·G²
  return at::baddbmm(x, polynomial, x, a, 1);
}

}  // namespace

at::Tensor newton_schulz(const at::Tensor& matrices_BNM) {
  bool tall = matrices_BNM.size(1) > matrices_BNM.size(2);
  at::Tensor x = tall ? matrices_BNM.transpose(1, 2).contiguous() : matrices_BNM;
  // A gradient of all zeros stays zero.
  at::Tensor norm = x.flatten(1).norm(2, 1).clamp_min(1e-30).view({-1, 1, 1});
  x = x / norm;
  for (int i = 0; i < 8; ++i) x = iterate(x, 3.4445, -4.7750, 2.0315);
  for (int i = 0; i < 2; ++i) x = iterate(x, 2, -1.5, 0.5);
  return tall ? x.transpose(1, 2).contiguous() : x;
}

}  // namespace hadal
