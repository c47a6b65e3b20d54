// SPDX-License-Identifier: MIT
// From pixels to patches (§7.2).  Sizes follow the official plan_image_grid in the same doubles
// and the same order, so that no image lands on another grid.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "model/vision.h"

namespace hadal {
namespace {

// Far above any picture; keeps products of sides within 2^53, where doubles count exactly.
constexpr int64_t kLongestSide = 1 << 24;

ImagePlan grid_of(const VisionConfig& config, int64_t width, int64_t height) {
  ImagePlan plan;
  plan.width = width;
  plan.height = height;
  plan.patch_rows = height / config.patch;
  plan.patch_columns = width / config.patch;
  plan.token_rows = ceil_div(plan.patch_rows, config.downsample);
  plan.token_columns = ceil_div(plan.patch_columns, config.downsample);
  return plan;
}

// The largest grid of the picture's shape whose rows, each with a newline, fit.
ImagePlan shrunk(const VisionConfig& config, double width, double height) {
  const int64_t room = config.max_image_tokens - 2, cell = config.patch * config.downsample;
  const double ratio = height / width;
  const double columns = std::sqrt(static_cast<double>(room) / ratio + 0.25) - 0.5;
  const double rows = columns * ratio;
  if (columns < 1) return grid_of(config, cell, room / 2 * cell);
  if (rows < 1) return grid_of(config, (room - 1) * cell, cell);
  const double side = static_cast<double>(cell), patch = static_cast<double>(config.patch);
  const double scale =
      std::min(std::floor(columns) * side / width, std::floor(rows) * side / height);
  const auto whole_patches = [&](double length) {
    return static_cast<int64_t>(std::floor(length * scale / patch)) * config.patch;
  };
  return grid_of(config, whole_patches(width), whole_patches(height));
}

}  // namespace

ImagePlan plan_of_patches(const VisionConfig& config, int64_t rows, int64_t columns) {
  return grid_of(config, columns * config.patch, rows * config.patch);
}

Tensor patch_places(const ImagePlan& plan) {
  Tensor places = Tensor::empty(DType::i64, {plan.patches(), 2});
  for (int64_t i = 0; i < plan.patches(); ++i) {
    places.data<int64_t>()[2 * i] = i / plan.patch_columns;
    places.data<int64_t>()[2 * i + 1] = i % plan.patch_columns;
  }
  return places;
}

Result<ImagePlan> plan_image(const VisionConfig& config, int64_t width, int64_t height) {
  if (width < 1 || height < 1 || width > kLongestSide || height > kLongestSide)
    return fail("an image of ", width, "x", height, " pixels, expected sides of 1 to ",
                kLongestSide);
  double w = static_cast<double>(width), h = static_cast<double>(height);
  if (config.max_aspect && w > h * *config.max_aspect) w = std::trunc(h * *config.max_aspect);
  if (w * h < static_cast<double>(config.min_pixels)) {
    const double scale = std::sqrt(static_cast<double>(config.min_pixels) / (w * h));
    w = std::trunc(w * scale);
    h = std::trunc(h * scale);
  }
  const auto up = [&](double length) {
    return ceil_div(static_cast<int64_t>(length), config.patch) * config.patch;
  };
  ImagePlan plan = grid_of(config, up(w), up(h));
  if (plan.span() > config.max_image_tokens) plan = shrunk(config, w, h);
  if (plan.cells() == 0 || plan.span() > config.max_image_tokens)
    return fail("an image of ", width, "x", height, " pixels fits no grid of ",
                config.max_image_tokens, " positions");
  return plan;
}

Tensor image_patches(const VisionConfig& config, const ImagePlan& plan,
                     std::span<const uint8_t> rgb) {
  CHECK(static_cast<int64_t>(rgb.size()) == plan.width * plan.height * 3, rgb.size(), " bytes of ",
        plan.width, "x", plan.height);
  const int64_t side = config.patch;
  Tensor patches = Tensor::empty(DType::f32, {plan.patches(), 3 * side * side});
  float* next = patches.data<float>();
  for (int64_t row = 0; row < plan.patch_rows; ++row)
    for (int64_t column = 0; column < plan.patch_columns; ++column)
      for (int64_t channel = 0; channel < 3; ++channel)
        for (int64_t y = row * side; y < (row + 1) * side; ++y)
          for (int64_t x = column * side; x < (column + 1) * side; ++x) {
            const uint8_t value = rgb[static_cast<size_t>((y * plan.width + x) * 3 + channel)];
            *next++ = (static_cast<float>(value) / 255.0f - 0.5f) / 0.5f;
          }
  return patches;
}

}  // namespace hadal
