// SPDX-License-Identifier: MIT
// Bytes in, bytes out, and the order in between.
#include "model/visual_tokenizer_pixels.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"

namespace hadal {
namespace {

constexpr float kHalfRange = 127.5f;  // bytes are -1 … 1

// Where the values of frame, row and column of a group lie among its patches.
struct PatchOrder {
  int64_t patch, columns, values;

  PatchOrder(const VisualTokenizerConfig& config, int64_t patch_columns)
      : patch(config.patch), columns(patch_columns), values(config.patch_values()) {}
  int64_t at(int64_t frame, int64_t y, int64_t x) const {
    const int64_t position = y / patch * columns + x / patch;
    return position * values + ((frame * patch + y % patch) * patch + x % patch) * 3;
  }
};

}  // namespace

Tensor fold_frames(const Tensor& pixels, const VisualTokenizerConfig& config) {
  const int64_t frames = pixels.size(0), height = pixels.size(1), width = pixels.size(2);
  CHECK(pixels.dtype() == DType::u8 && pixels.rank() == 4 && pixels.size(3) == 3 && frames >= 1 &&
            frames <= config.temporal && height >= 1 && width >= 1,
        dtype_name(pixels.dtype()), " ", shape_text(pixels.shape()));
  const int64_t high = ceil_div(height, config.spatial) * config.spatial;
  const int64_t wide = ceil_div(width, config.spatial) * config.spatial;
  const Tensor patches = Tensor::empty(
      DType::f32, {1, high / config.patch, wide / config.patch, config.patch_values()});
  const PatchOrder order(config, wide / config.patch);
  const uint8_t* rgb = pixels.raw();
  float* values = patches.data<float>();
  for (int64_t frame = 0; frame < config.temporal; ++frame)
    for (int64_t y = 0; y < high; ++y) {
      const int64_t row = std::min(frame, frames - 1) * height + std::min(y, height - 1);
      for (int64_t x = 0; x < wide; ++x) {
        const uint8_t* from = rgb + (row * width + std::min(x, width - 1)) * 3;
        float* to = values + order.at(frame, y, x);
        for (int c = 0; c < 3; ++c) to[c] = static_cast<float>(from[c]) / kHalfRange - 1;
      }
    }
  return patches;
}

Tensor unfold_frames(const Tensor& patches, const VisualTokenizerConfig& config, GroupKind kind,
                     int64_t height, int64_t width) {
  CHECK(height <= patches.size(1) * config.patch && width <= patches.size(2) * config.patch, height,
        " × ", width, " of ", shape_text(patches.shape()));
  const int64_t frames = kind == GroupKind::still ? 1 : config.temporal;
  const int64_t blended = kind == GroupKind::still ? config.temporal : 1;
  const Tensor pixels = Tensor::empty(DType::u8, {frames, height, width, 3});
  const PatchOrder order(config, patches.size(2));
  uint8_t* to = pixels.raw();
  const float* values = patches.data<float>();
  for (int64_t frame = 0; frame < frames; ++frame)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x)
        for (int64_t c = 0; c < 3; ++c) {
          float sum = 0;
          for (int64_t i = 0; i < blended; ++i) sum += values[order.at(frame + i, y, x) + c];
          const float value = (sum / static_cast<float>(blended) + 1) * kHalfRange;
          // Not a number becomes 0: weights are from outside.
          *to++ = static_cast<uint8_t>(std::lround(value > 0 ? std::min(value, 255.0f) : 0.0f));
        }
  return pixels;
}

}  // namespace hadal
