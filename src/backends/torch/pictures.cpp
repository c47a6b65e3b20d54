// SPDX-License-Identifier: MIT
// Verbs over pixels.  Channels stay last: ATen is shown permuted views.
#include "backends/torch/fused.h"
#include "backends/torch/torch_verbs.h"

#include <cmath>
#include <limits>

namespace hadal {

Tensor TorchOps::convolve(const Tensor& x_FYXC, const Weight& w_, const Tensor& bias) {
  const at::Tensor x = real(x_FYXC), w = matrix(w_);
  const int64_t channels = x.size(3);
  const int64_t side = std::lround(std::sqrt(static_cast<double>(w.size(1) / channels)));
  CHECK(side % 2 == 1 && side * side * channels == w.size(1), w.size(1), " inputs over ", channels,
        " channels");
  at::Tensor out;
  if (side == 1) {
    out = at::linear(x, w);
  } else if (fused_) {
    out = fused_convolve(x, w, side);
  } else {
    const int64_t border = side / 2;
    const at::Tensor padded =
        at::replication_pad2d(x.permute({0, 3, 1, 2}), {border, border, border, border});
    const at::Tensor kernel =
        w.view({w.size(0), side, side, channels}).permute({0, 3, 1, 2}).contiguous();
    out = at::conv2d(padded, kernel).permute({0, 2, 3, 1});
  }
  return wrap(bias.defined() ? out + real(bias) : out);
}

Tensor TorchOps::space_to_depth(const Tensor& x_, int64_t block) {
  const at::Tensor x = real(x_);
  const int64_t height = x.size(1) / block, width = x.size(2) / block;
  return wrap(x.view({x.size(0), height, block, width, block, x.size(3)})
                  .permute({0, 1, 3, 2, 4, 5})
                  .reshape({x.size(0), height, width, block * block * x.size(3)}));
}

Tensor TorchOps::depth_to_space(const Tensor& x_, int64_t block) {
  const at::Tensor x = real(x_);
  const int64_t height = x.size(1), width = x.size(2), channels = x.size(3) / (block * block);
  return wrap(x.view({x.size(0), height, width, block, block, channels})
                  .permute({0, 1, 3, 2, 4, 5})
                  .reshape({x.size(0), height * block, width * block, channels}));
}

Tensor TorchOps::squash(const Tensor& x, int64_t levels) {
  const at::Tensor u = at::sigmoid(real(x) * 1.6);
  const at::Tensor smooth = u * 2 - 1;
  if (levels == 0) return wrap(smooth);
  const double steps = static_cast<double>(levels);
  const at::Tensor stepped =
      ((u.detach() * steps).floor().clamp_max(steps - 1) + 0.5) * (2 / steps) - 1;
  return wrap(stepped + (smooth - smooth.detach()));
}

Tensor TorchOps::attend_all(const Tensor& q_, const Tensor& keys_, const Tensor& values_,
                            const Tensor& first_T, const Tensor& count_T, float scale) {
  const at::Tensor q = real(q_), keys = real(keys_), values = real(values_);
  const at::Tensor row = at::arange(keys.size(0), at::TensorOptions(at::kLong).device(device_));
  const at::Tensor first = ints(first_T).unsqueeze(1), count = ints(count_T).unsqueeze(1);
  const at::Tensor hidden = row.lt(first).logical_or(row.ge(first + count));
  const at::Tensor scores = at::einsum("thk,rhk->htr", {q, keys}) * scale;
  const at::Tensor shares = at::softmax(
      scores.masked_fill(hidden.unsqueeze(0), -std::numeric_limits<double>::infinity()), -1);
  // A query that sees nothing has no softmax: its row is 0.
  const at::Tensor seen = count.gt(0).unsqueeze(0);
  const at::Tensor safe = at::where(seen, shares, at::zeros_like(shares));
  return wrap(at::einsum("htr,rhv->thv", {safe, values}));
}

}  // namespace hadal
