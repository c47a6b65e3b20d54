// SPDX-License-Identifier: MIT
// Element types of tensors in files and in memory, under their safetensors names.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hadal {

enum class DType : uint8_t { f32, bf16, f16, f8_e4m3, f8_e8m0, i8, u8, i32, i64, boolean };

// Bytes of one element.  Packed FP4 travels as i8, two elements a byte, as in the published files.
constexpr int64_t element_bytes(DType type) {
  switch (type) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
    case DType::f16:
      return 2;
    case DType::i64:
      return 8;
    default:
      return 1;
  }
}

// The spelling in a safetensors header: "F32", "BF16", "F8_E4M3", "F8_E8M0", …
constexpr std::string_view dtype_name(DType type) {
  switch (type) {
    case DType::f32:
      return "F32";
    case DType::bf16:
      return "BF16";
    case DType::f16:
      return "F16";
    case DType::f8_e4m3:
      return "F8_E4M3";
    case DType::f8_e8m0:
      return "F8_E8M0";
    case DType::i8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    case DType::boolean:
      return "BOOL";
  }
  return "?";
}

constexpr std::optional<DType> dtype_of_name(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i)
    if (dtype_name(static_cast<DType>(i)) == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace hadal
