// SPDX-License-Identifier: MIT
// Dequantisation, one value at a time.
#include "ops/weight_rows.h"

#include "base/number_formats.h"

namespace hadal {
namespace {

float plain_value(const Tensor& values, int64_t index) {
  switch (values.dtype()) {
    case DType::f32:
      return values.data<float>()[index];
    case DType::bf16:
      return bf16_to_float(values.data<uint16_t>()[index]);
    case DType::f16:
      return f16_to_float(values.data<uint16_t>()[index]);
    case DType::f8_e4m3:
      return e4m3_to_float(values.data<uint8_t>()[index]);
    default:
      CHECK(false, "weights of type ", dtype_name(values.dtype()));
      return 0;
  }
}

float scale_value(const Tensor& scales, int64_t index) {
  return scales.dtype() == DType::f8_e8m0 ? e8m0_to_float(scales.data<uint8_t>()[index])
                                          : plain_value(scales, index);
}

}  // namespace

void dequantise_row(const Weight& weight, int64_t row, float* out) {
  const int64_t width = weight.inputs();
  const int64_t stored = weight.values.size(-1);
  for (int64_t i = 0; i < width; ++i) {
    if (weight.packed_fp4()) {
      const uint8_t pair = weight.values.data<uint8_t>()[row * stored + i / 2];
      out[i] = kE2m1Values[(i % 2 == 0 ? pair : pair >> 4) & 15];
    } else {
      out[i] = plain_value(weight.values, row * stored + i);
    }
  }
  if (!weight.quantised()) return;
  const int64_t scale_row = row / weight.block_rows * weight.scales.size(-1);
  for (int64_t i = 0; i < width; ++i)
    out[i] *= scale_value(weight.scales, scale_row + i / weight.block_columns);
}

Tensor dequantise(const Weight& weight) {
  Tensor matrix = Tensor::empty(DType::f32, {weight.outputs(), weight.inputs()});
  for (int64_t row = 0; row < weight.outputs(); ++row)
    dequantise_row(weight, row, matrix.data<float>() + row * weight.inputs());
  return matrix;
}

}  // namespace hadal
