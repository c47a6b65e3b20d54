// SPDX-License-Identifier: MIT
// Dense verbs: tables, matrices, norms, turns, activations, roundings.
#include "backends/torch/fused.h"
#include "backends/torch/product.h"
#include "backends/torch/rounding.h"
#include "backends/torch/torch_verbs.h"

#include <cmath>

namespace hadal {

Tensor TorchOps::embed(const Weight& table_, const Tensor& ids_) {
  const at::Tensor table_VD = matrix(table_), ids = ints(ids_);
  const int64_t per_row = ids.dim() == 2 ? ids.size(1) : 1;
  return wrap(at::embedding(table_VD, ids).view({ids.size(0), per_row * table_VD.size(1)}));
}

Tensor TorchOps::linear(const Tensor& x, const Weight& w_OI) {
  if (fused_) return wrap(fused_linear(real(x), matrix(w_OI)));
  return wrap(at::linear(real(x), matrix(w_OI)));
}

Tensor TorchOps::linear_grouped(const Tensor& x_, const Weight& w_, int64_t groups) {
  const at::Tensor x = real(x_), w = matrix(w_);
  const int64_t tokens = x.size(0), inputs = w.size(1), outputs = w.size(0);
  if (fused_) {
    const std::vector<at::Tensor> parts = x.reshape({tokens, groups * inputs}).split(inputs, 1);
    const std::vector<at::Tensor> matrices = w.split(outputs / groups);
    std::vector<at::Tensor> products;
    for (size_t g = 0; g < parts.size(); ++g)
      products.push_back(fused_linear(parts[g], matrices[g]));
    return wrap(at::cat(products, 1));
  }
  const at::Tensor x_GTI = x.reshape({tokens, groups, inputs}).transpose(0, 1);
  const at::Tensor w_GIO = w.view({groups, outputs / groups, inputs}).transpose(1, 2);
  return wrap(at::bmm(x_GTI, w_GIO).transpose(0, 1).reshape({tokens, outputs}));
}

Tensor TorchOps::rms_norm(const Tensor& x_, const Tensor& weight, float epsilon) {
  const at::Tensor x = real(x_);
  if (fused_) return wrap(fused_norm(x, real(weight), epsilon));
  const at::Tensor normal = x * at::rsqrt(x.square().mean(-1, true) + epsilon);
  return wrap(weight.defined() ? normal * real(weight) : normal);
}

at::Tensor TorchOps::angles(const Tensor& positions, const RopeTable& table) const {
  // The angle is the f32 product of §3.2, whatever precision follows.
  const at::Tensor frequencies = unwrap(table.frequencies).to(device_, at::kFloat);
  at::Tensor places = ints(positions).to(at::kFloat);
  if (places.dim() == 1) places = places.unsqueeze(1);
  if (!table.axes.empty())
    places = places.index_select(1, at::tensor(table.axes, at::kLong).to(device_));
  return (places * frequencies).to(precision_);
}

Tensor TorchOps::rope(const Tensor& x_, const Tensor& positions, const RopeTable& table,
                      Turn turn) {
  const at::Tensor x = real(x_);
  const int64_t width = x.size(-1), tail = table.width;
  at::Tensor angle = angles(positions, table);
  if (fused_ && !table.paired_halves) {
    if (turn == Turn::back) angle = -angle;
    const at::Tensor sine = angle.sin();
    return wrap(
        fused_turn(x, angle.cos().repeat_interleave(2, 1), at::stack({-sine, sine}, 2).flatten(1)));
  }
  if (x.dim() == 3) angle = angle.unsqueeze(1);
  const at::Tensor cosine = angle.cos();
  const at::Tensor sine = turn == Turn::forward ? angle.sin() : -angle.sin();
  const int64_t pair_axis = table.paired_halves ? -2 : -1;
  std::vector<int64_t> pairs = x.sizes().vec();
  pairs.back() = table.paired_halves ? 2 : tail / 2;
  pairs.push_back(table.paired_halves ? tail / 2 : 2);
  const at::Tensor turning = x.narrow(-1, width - tail, tail).reshape(pairs);
  const at::Tensor a = turning.select(pair_axis, 0), b = turning.select(pair_axis, 1);
  const at::Tensor turned =
      at::stack({a * cosine - b * sine, a * sine + b * cosine}, pair_axis).flatten(-2);
  return wrap(at::cat({x.narrow(-1, 0, width - tail), turned}, -1));
}

Tensor TorchOps::swiglu(const Tensor& gate_, const Tensor& up_, float limit) {
  at::Tensor gate = real(gate_), up = real(up_);
  if (fused_) return wrap(fused_swiglu(gate, up, limit));
  if (limit > 0) {
    gate = gate.clamp_max(limit);
    up = up.clamp(-limit, limit);
  }
  return wrap(at::silu(gate) * up);
}

Tensor TorchOps::hadamard(const Tensor& x_) {
  const at::Tensor x = real(x_);
  const int64_t width = x.size(-1);
  at::Tensor rows = x;
  for (int64_t half = 1; half < width; half *= 2) {
    rows = rows.reshape({-1, width / (2 * half), 2, half});
    const at::Tensor a = rows.select(2, 0), b = rows.select(2, 1);
    rows = at::stack({a + b, a - b}, 2);
  }
  return wrap(rows.reshape(x.sizes()) * (1.0 / std::sqrt(static_cast<double>(width))));
}

Tensor TorchOps::round_to(const Tensor& x, RowFormat format, int64_t tail) {
  return format == RowFormat::f32 ? x : wrap(round_through(real(x), format, tail));
}

Tensor TorchOps::add(const Tensor& a, const Tensor& b) {
  return wrap(real(a) + real(b));
}

Tensor TorchOps::add_row(const Tensor& x, const Tensor& row) {
  return wrap(real(x) + real(row));
}

Tensor TorchOps::silu(const Tensor& x) {
  return wrap(at::silu(real(x)));
}

Tensor TorchOps::gelu(const Tensor& x) {
  return wrap(at::gelu(real(x)));
}

Tensor TorchOps::take_rows(const Tensor& x, const Tensor& ids_N) {
  return wrap(unwrap(x).to(device_).index_select(0, ints(ids_N).view(-1)));
}

Tensor TorchOps::detach(const Tensor& x) {
  return x.defined() ? wrap(unwrap(x).detach()) : x;
}

}  // namespace hadal
