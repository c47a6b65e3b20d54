// SPDX-License-Identifier: MIT
// Dense verbs: embedding, products, norms, activations, roundings.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_verbs.h"
#include "base/number_formats.h"
#include "ops/weight_rows.h"

namespace hadal::cpu {
namespace {

// Operations on floats that an exponential or a rounding is worth.
constexpr int64_t kCostOfExponential = 8;
constexpr int64_t kCostOfRounding = 8;

int64_t rows_of(const Tensor& x) {
  return x.count() == 0 ? 0 : x.count() / x.size(-1);
}

}  // namespace

Tensor CpuOps::embed(const Weight& table, const Tensor& ids) {
  const int64_t per_row = ids.rank() == 2 ? ids.size(1) : 1;
  const int64_t width = table.inputs();
  const Tensor out = Tensor::empty(DType::f32, {ids.size(0), per_row * width});
  const std::optional<Matrix> matrix = matrix_of(table);
  split_rows(ids.count(), width, [&](int64_t begin, int64_t end) {
    float* scratch = workspace().floats(Workspace::kernel, kernels_.product_scratch(width));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t id = index_at(ids, i);
      CHECK(id >= 0 && id < table.outputs(), "row ", id, " of a table of ", table.outputs());
      float* row = out.data<float>() + i * width;
      if (matrix)
        kernels_.decode(*matrix, id, row, scratch);
      else
        dequantise_row(table, id, row);
    }
  });
  return out;
}

Tensor CpuOps::linear(const Tensor& x, const Weight& w) {
  CHECK(x.size(-1) == w.inputs(), shape_text(x.shape()), " meets ", w.outputs(), " x ", w.inputs());
  Shape shape = x.shape();
  shape.back() = w.outputs();
  const Tensor out = Tensor::empty(DType::f32, std::move(shape));
  const ProductRows in = product_rows(w, x.data<float>(), rows_of(x));
  multiply(
      w, in,
      {.last = w.outputs(), .rows = rows_of(x), .out = {out.data<float>(), w.outputs(), nullptr}});
  return out;
}

Tensor CpuOps::linear_grouped(const Tensor& x, const Weight& w, int64_t groups) {
  const int64_t tokens = x.size(0), inputs = w.inputs(), outputs = w.outputs() / groups;
  CHECK(tokens == 0 || x.row_width() == groups * inputs, shape_text(x.shape()), " in ", groups,
        " groups of ", inputs);
  const Tensor out = Tensor::empty(DType::f32, {tokens, groups * outputs});
  std::vector<RowGroup> rows;
  for (int64_t group = 0; group < groups; ++group)
    rows.push_back({.rows = tokens, .first_row = group, .row_step = groups});
  const ProductRows in = product_rows(w, x.data<float>(), tokens * groups, std::move(rows));
  // With fewer groups than threads, each group is cut into several pieces.
  const int64_t cuts = std::min((pool_.threads() + groups - 1) / groups, (outputs + 3) / 4);
  deal(groups * cuts, tokens * inputs * outputs / cuts, [&](int64_t unit) {
    const int64_t group = unit / cuts, cut = unit % cuts;
    const int64_t first = group * outputs + outputs * cut / cuts;
    const int64_t last = group * outputs + outputs * (cut + 1) / cuts;
    multiply_here(w, in,
                  {.first = first,
                   .last = last,
                   .rows = tokens,
                   .group = static_cast<size_t>(group),
                   .out = {out.data<float>() + first, groups * outputs, nullptr}});
  });
  return out;
}

Tensor CpuOps::rms_norm(const Tensor& x, const Tensor& weight, float epsilon) {
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t width = x.size(-1);
  CHECK(!weight.defined() || weight.count() == width, weight.count(), " weights for ", width);
  const float* gain = weight.defined() ? weight.data<float>() : nullptr;
  split_rows(rows_of(x), 2 * width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      kernels_.rms_norm(x.data<float>() + i * width, gain, epsilon, width,
                        out.data<float>() + i * width);
  });
  return out;
}

Tensor CpuOps::swiglu(const Tensor& gate, const Tensor& up, float limit) {
  CHECK(gate.count() == up.count(), shape_text(gate.shape()), " and ", shape_text(up.shape()));
  const Tensor out = Tensor::empty(DType::f32, gate.shape());
  const int64_t width = gate.size(-1);
  split_rows(rows_of(gate), width * kCostOfExponential, [&](int64_t begin, int64_t end) {
    kernels_.swiglu(gate.data<float>() + begin * width, up.data<float>() + begin * width, limit,
                    1.0f, (end - begin) * width, out.data<float>() + begin * width);
  });
  return out;
}

Tensor CpuOps::hadamard(const Tensor& x) {
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t width = x.size(-1);
  CHECK((width & (width - 1)) == 0, "hadamard of width ", width);
  split_rows(rows_of(x), width * kCostOfExponential, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = out.data<float>() + i * width;
      std::copy_n(x.data<float>() + i * width, width, row);
      kernels_.hadamard(row, width);
    }
  });
  return out;
}

void CpuOps::round_rows(float* rows, int64_t count, int64_t width, RowFormat format,
                        int64_t tail) const {
  auto round = [&](int64_t rounded_width, int64_t block, Rounding rounding) {
    for (int64_t i = 0; i < count; ++i)
      kernels_.round_blocks(rows + i * width, rounded_width, block, rounding);
  };
  switch (format) {
    case RowFormat::f32:
      return;
    case RowFormat::fp8_64_tail:
      return round(width - tail, 64, Rounding::e4m3);
    case RowFormat::fp8_64_bf16:
      for (int64_t i = 0; i < count; ++i)
        for (int64_t k = width - tail; k < width; ++k)
          rows[i * width + k] = bf16_to_float(float_to_bf16(rows[i * width + k]));
      return round(width - tail, 64, Rounding::e4m3);
    case RowFormat::fp8_32:
      return round(width, 32, Rounding::e4m3);
    case RowFormat::fp8_128:
      return round(width, 128, Rounding::e4m3);
    case RowFormat::fp4_32:
      return round(width, 32, Rounding::e2m1_power);
    case RowFormat::fp4_e4m3_16:
      return round(width, 16, Rounding::e2m1_e4m3);
  }
}

Tensor CpuOps::round_to(const Tensor& x, RowFormat format, int64_t tail) {
  if (format == RowFormat::f32) return x;
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t width = x.size(-1);
  split_rows(rows_of(x), width * kCostOfRounding, [&](int64_t begin, int64_t end) {
    float* rows = out.data<float>() + begin * width;
    std::copy_n(x.data<float>() + begin * width, (end - begin) * width, rows);
    round_rows(rows, end - begin, width, format, tail);
  });
  return out;
}

Tensor CpuOps::add(const Tensor& a, const Tensor& b) {
  CHECK(a.count() == b.count(), shape_text(a.shape()), " and ", shape_text(b.shape()));
  const Tensor out = Tensor::empty(DType::f32, a.shape());
  split_rows(a.count(), 1, [&](int64_t begin, int64_t end) {
    kernels_.add(a.data<float>() + begin, b.data<float>() + begin, end - begin,
                 out.data<float>() + begin);
  });
  return out;
}

Tensor CpuOps::add_row(const Tensor& x, const Tensor& row) {
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t width = x.size(-1);
  CHECK(row.count() == width, row.count(), " numbers for rows of ", width);
  split_rows(rows_of(x), width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      kernels_.add(x.data<float>() + i * width, row.data<float>(), width,
                   out.data<float>() + i * width);
  });
  return out;
}

Tensor CpuOps::silu(const Tensor& x) {
  return map(x, [](float v) { return v / (1.0f + std::exp(-v)); });
}

Tensor CpuOps::gelu(const Tensor& x) {
  const float half_root = 0.70710678f;
  return map(x, [=](float v) { return v * 0.5f * std::erfc(-v * half_root); });
}

Tensor CpuOps::take_rows(const Tensor& x, const Tensor& ids) {
  Shape shape = x.shape();
  shape[0] = ids.count();
  const Tensor out = Tensor::empty(x.dtype(), std::move(shape));
  const int64_t bytes = x.row_width() * element_bytes(x.dtype());
  for (int64_t i = 0; i < ids.count(); ++i) {
    const int64_t id = index_at(ids, i);
    CHECK(id >= 0 && id < x.size(0), "row ", id, " of ", x.size(0));
    std::memcpy(out.raw() + i * bytes, x.raw() + id * bytes, static_cast<size_t>(bytes));
  }
  return out;
}

}  // namespace hadal::cpu
