// SPDX-License-Identifier: MIT
// Block roundings by arithmetic on the bits of f32, because pow() and log2() of a device may miss
// a power of two by one bit.
#include "backends/torch/rounding.h"

#include "backends/torch/libtorch_parallel.h"
#include "ops/row_rounding.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// 2^exponent for integers within the normal range.
at::Tensor power_of_two(const at::Tensor& exponent) {
  return exponent.add(127).bitwise_left_shift(23).view(at::kFloat);
}

// 2^ceil(log2 x), as power_of_two_at_least() of base/number_formats.h.
at::Tensor power_at_least(const at::Tensor& x) {
  const at::Tensor bits = x.contiguous().view(at::kInt);
  const at::Tensor above = bits.bitwise_and(0x7fffff).ne(0).to(at::kInt);
  return bits.bitwise_right_shift(23).add(above).bitwise_left_shift(23).view(at::kFloat);
}

// To nearest, ties to even, for a format of `mantissa` bits whose smallest normal exponent is
// `lowest`: below it the steps stay those of the subnormals.
at::Tensor to_grid(const at::Tensor& x, float largest, int lowest, int mantissa) {
  const at::Tensor inside = x.clamp(-largest, largest).contiguous();
  const at::Tensor exponent =
      inside.view(at::kInt).bitwise_and(0x7fffffff).bitwise_right_shift(23).sub(127);
  const at::Tensor step = power_of_two(exponent.clamp_min(lowest).sub(mantissa));
  return at::round(inside / step) * step;
}

at::Tensor to_e4m3(const at::Tensor& x) {
  return to_grid(x, 448, -6, 3);
}
at::Tensor to_e2m1(const at::Tensor& x) {
  return to_grid(x, 6, 0, 1);
}

// [..., blocks, block] -> the same, rounded.
at::Tensor round_blocks(const at::Tensor& blocks, RowFormat format) {
  const at::Tensor amax = blocks.abs().amax(-1, true);
  if (format == RowFormat::fp4_32) {
    const at::Tensor scale = power_at_least(amax.clamp_min(6.0f * 0x1p-126f) * (1.0f / 6.0f));
    return to_e2m1(blocks / scale) * scale;
  }
  if (format == RowFormat::fp4_e4m3_16) {
    const at::Tensor scale = to_e4m3(amax.clamp_min(6.0f * 0x1p-9f) / 6.0f);
    return to_e2m1(blocks / scale) * scale;
  }
  const at::Tensor scale = power_at_least(amax.clamp_min(1e-4f) * (1.0f / 448.0f));
  return to_e4m3(blocks / scale) * scale;
}

int64_t block_of(RowFormat format) {
  switch (format) {
    case RowFormat::fp8_64_tail:
    case RowFormat::fp8_64_bf16:
      return 64;
    case RowFormat::fp8_128:
      return 128;
    case RowFormat::fp4_e4m3_16:
      return 16;
    default:
      return 32;
  }
}

at::Tensor round_on_host(const at::Tensor& x, RowFormat format, int64_t tail) {
  const at::Tensor out = x.to(at::kFloat).clone(at::MemoryFormat::Contiguous);
  const int64_t width = out.size(-1);
  float* rows = out.data_ptr<float>();
  at::parallel_for(0, out.numel() / std::max<int64_t>(width, 1), 16,
                   [&](int64_t first, int64_t last) {
                     for (int64_t row = first; row < last; ++row)
                       round_row(rows + row * width, width, format, tail);
                   });
  return out.to(x.scalar_type());
}

struct RoundThrough : torch::autograd::Function<RoundThrough> {
  static at::Tensor forward(AutogradContext*, const at::Tensor& x, int64_t format, int64_t tail) {
    const RowFormat row_format = static_cast<RowFormat>(format);
    return x.device().is_cpu() ? round_on_host(x, row_format, tail)
                               : round_composed(x, row_format, tail);
  }
  static variable_list backward(AutogradContext*, const variable_list& gradients) {
    return {gradients[0], at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor round_composed(const at::Tensor& x, RowFormat format, int64_t tail) {
  const int64_t width = x.size(-1);
  const bool tailed = format == RowFormat::fp8_64_tail || format == RowFormat::fp8_64_bf16;
  const int64_t rounded = tailed ? width - tail : width;
  if (rounded <= 0 || x.numel() == 0) return x.clone();
  const int64_t block = block_of(format), blocks = (rounded + block - 1) / block;
  at::Tensor rows = x.to(at::kFloat).reshape({-1, width});
  const at::Tensor padded =
      at::constant_pad_nd(rows.narrow(1, 0, rounded), {0, blocks * block - rounded});
  const at::Tensor result = round_blocks(padded.view({-1, blocks, block}), format)
                                .view({-1, blocks * block})
                                .narrow(1, 0, rounded);
  at::Tensor rest = rows.narrow(1, rounded, width - rounded);
  if (format == RowFormat::fp8_64_bf16) rest = rest.to(at::kBFloat16).to(at::kFloat);
  return at::cat({result, rest}, 1).view(x.sizes()).to(x.scalar_type());
}

at::Tensor round_through(const at::Tensor& x, RowFormat format, int64_t tail) {
  return RoundThrough::apply(x, static_cast<int64_t>(format), tail);
}

}  // namespace hadal
