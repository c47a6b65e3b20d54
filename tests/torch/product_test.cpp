// SPDX-License-Identifier: MIT
// Products by tiles against sums in f64: every size of a last tile, every way to lie in memory,
// sums that are added to; and the gradients of a linear layer.
#include "backends/torch/product.h"

#include <gtest/gtest.h>

#include <cmath>

namespace hadal {
namespace {

at::Tensor values(int64_t rows, int64_t columns, double salt, bool turned) {
  const at::Tensor x =
      (at::arange(rows * columns, at::kDouble) * 12.9898 + salt).sin() * 43758.5453;
  const at::Tensor plain = (x.frac() * 2).to(at::kFloat).view({rows, columns});
  return turned ? plain.t().contiguous().t() : plain;
}

// Each product is within 2^-15 of itself, and so is a sum of them of the sum of their sizes.
void expect_close(const at::Tensor& found, const at::Tensor& a, const at::Tensor& b,
                  double relative, const std::string& what) {
  const at::Tensor exact = at::mm(a.to(at::kDouble), b.to(at::kDouble));
  const at::Tensor size = at::mm(a.to(at::kDouble).abs(), b.to(at::kDouble).abs());
  const double off =
      ((found.to(at::kDouble) - exact).abs() / size.clamp_min(1e-6)).max().item<double>();
  EXPECT_LT(off, relative) << what;
}

TEST(ProductTest, EqualsSumsInF64) {
  const int64_t sizes[][3] = {{1, 1, 16384},  {16, 32, 32},   {17, 33, 65},   {31, 16, 96},
                              {100, 200, 31}, {384, 96, 192}, {40, 72, 2100}, {5, 700, 9}};
  for (const auto& [rows, columns, inner] : sizes)
    for (const bool turn_a : {false, true})
      for (const bool turn_b : {false, true}) {
        const std::string what = std::to_string(rows) + "×" + std::to_string(columns) + "×" +
                                 std::to_string(inner) + (turn_a ? " a turned" : "") +
                                 (turn_b ? " b turned" : "");
        const at::Tensor a = values(rows, inner, 1, turn_a), b = values(inner, columns, 2, turn_b);
        const at::Tensor out = product(a, b);
        expect_close(out, a, b, 0x1p-15, what);
        EXPECT_TRUE(at::equal(out, product(a, b))) << what;
        const at::Tensor sum = at::ones_like(out);
        product_into(sum, a, b, /*add=*/true);
        EXPECT_LT((sum - 1 - out).abs().max().item<double>(), 1e-4 * std::sqrt(inner)) << what;
      }
}

// A slice of a larger matrix: what lies around it stays as it is.
TEST(ProductTest, WritesItsRowsAlone) {
  const at::Tensor a = values(70, 96, 3, false), b = values(96, 45, 4, false);
  const at::Tensor around = at::full({90, 60}, 7, at::kFloat);
  product_into(around.narrow(0, 10, 70).narrow(1, 5, 45), a, b);
  expect_close(around.narrow(0, 10, 70).narrow(1, 5, 45), a, b, 0x1p-15, "slice");
  const at::Tensor inside = at::zeros({90, 60}, at::kBool);
  inside.narrow(0, 10, 70).narrow(1, 5, 45).fill_(true);
  EXPECT_TRUE(around.masked_select(inside.logical_not()).eq(7).all().item<bool>());
}

TEST(ProductTest, CoarseOnesAreOfBf16) {
  const at::Tensor a = at::stack({values(96, 192, 5, false), values(96, 192, 6, false)});
  const at::Tensor gram = products(a, a.transpose(1, 2), true);
  for (int64_t i = 0; i < 2; ++i) expect_close(gram[i], a[i], a[i].t(), 0x1p-7, "coarse");
}

TEST(ProductTest, ALinearLayerHasTheGradientsOfAtens) {
  for (const bool strided : {false, true}) {
    const at::Tensor wide = values(300, 2 * 96, 7, false);
    const at::Tensor x = (strided ? wide.narrow(1, 96, 96) : wide.narrow(1, 0, 96).contiguous())
                             .detach()
                             .requires_grad_(true);
    const at::Tensor w = values(64, 96, 8, false).requires_grad_(true);
    const at::Tensor weight = values(300, 64, 9, false);
    (fused_linear(x, w).tanh() * weight).sum().backward();
    const at::Tensor of_x = x.grad().clone(), of_w = w.grad().clone();
    x.mutable_grad() = at::Tensor();
    w.mutable_grad() = at::Tensor();
    (at::linear(x, w).tanh() * weight).sum().backward();
    EXPECT_LT((of_x - x.grad()).abs().max().item<double>(), 2e-3);
    EXPECT_LT((of_w - w.grad()).abs().max().item<double>(), 2e-3);
    EXPECT_GT(x.grad().abs().max().item<double>(), 0.1);
  }
}

}  // namespace
}  // namespace hadal
