// SPDX-License-Identifier: MIT
// Verbs over pixels.  Channels stay last: ATen is shown permuted views.
#include "backends/torch/fused.h"
#include "backends/torch/product.h"
#include "backends/torch/torch_verbs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace hadal {
namespace {

// Scores that attention both ways holds at once, each in a few copies: 64 MB a copy.  A large
// picture of V4.1's encoder has 16 heads and 8,700 patches: 4.8 GB, were they all held.
constexpr int64_t kMostScores = int64_t{1} << 24;

}  // namespace

Tensor TorchOps::convolve(const Tensor& x_FYXC, const Weight& w_, const Tensor& bias) {
  const at::Tensor x = real(x_FYXC), w = matrix(w_);
  const int64_t channels = x.size(3);
  const int64_t side = std::lround(std::sqrt(static_cast<double>(w.size(1) / channels)));
  CHECK(side % 2 == 1 && side * side * channels == w.size(1), w.size(1), " inputs over ", channels,
        " channels");
  at::Tensor out;
  if (side == 1) {
    out = fused_ ? fused_linear(x, w) : at::linear(x, w);
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
  const auto attend = [&](int64_t from, int64_t queries) {
    const at::Tensor begin = first.narrow(0, from, queries), seen = count.narrow(0, from, queries);
    const at::Tensor hidden = row.lt(begin).logical_or(row.ge(begin + seen));
    const at::Tensor scores =
        at::einsum("thk,rhk->htr", {q.narrow(0, from, queries), keys}) * scale;
    const at::Tensor shares = at::softmax(
        scores.masked_fill(hidden.unsqueeze(0), -std::numeric_limits<double>::infinity()), -1);
    // A query that sees nothing has no softmax: its row is 0.
    const at::Tensor safe = at::where(seen.gt(0).unsqueeze(0), shares, at::zeros_like(shares));
    return at::einsum("htr,rhv->thv", {safe, values});
  };
  const int64_t queries = q.size(0);
  const int64_t pass =
      std::max<int64_t>(1, kMostScores / std::max<int64_t>(1, q.size(1) * keys.size(0)));
  if (queries <= pass) return wrap(attend(0, queries));
  std::vector<at::Tensor> parts;
  for (int64_t from = 0; from < queries; from += pass)
    parts.push_back(attend(from, std::min(pass, queries - from)));
  return wrap(at::cat(parts));
}

}  // namespace hadal
