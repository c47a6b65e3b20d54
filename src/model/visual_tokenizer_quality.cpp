// SPDX-License-Identifier: MIT
// PSNR and SSIM by their definitions.
#include "model/visual_tokenizer_quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace hadal {
namespace {

constexpr int64_t kWindow = 11;
constexpr double kDeviation = 1.5;

using Plane = std::vector<double>;

void check(const Tensor& a, const Tensor& b) {
  CHECK(a.shape() == b.shape() && a.dtype() == DType::u8 && b.dtype() == DType::u8 &&
            a.rank() == 4 && a.size(3) == 3 && a.count() > 0,
        shape_text(a.shape()), " against ", shape_text(b.shape()));
}

Plane brightness(const uint8_t* rgb, int64_t pixels) {
  Plane plane(static_cast<size_t>(pixels));
  for (double& value : plane) {
    value = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    rgb += 3;
  }
  return plane;
}

std::array<double, kWindow> bell() {
  std::array<double, kWindow> weights{};
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double distance = static_cast<double>(i) - kWindow / 2;
    sum += weights[i] = std::exp(-distance * distance / (2 * kDeviation * kDeviation));
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Weighted means of all whole windows: along rows, then along columns.
Plane smoothed(const Plane& plane, int64_t height, int64_t width) {
  static const std::array<double, kWindow> kBell = bell();
  const int64_t wide = width - kWindow + 1, high = height - kWindow + 1;
  Plane rows(static_cast<size_t>(height * wide)), out(static_cast<size_t>(high * wide));
  for (int64_t i = 0; i < height * wide; ++i)
    for (int64_t k = 0; k < kWindow; ++k)
      rows[static_cast<size_t>(i)] += kBell[static_cast<size_t>(k)] *
                                      plane[static_cast<size_t>(i / wide * width + i % wide + k)];
  for (int64_t i = 0; i < high * wide; ++i)
    for (int64_t k = 0; k < kWindow; ++k)
      out[static_cast<size_t>(i)] +=
          kBell[static_cast<size_t>(k)] * rows[static_cast<size_t>(i + k * wide)];
  return out;
}

Plane product(const Plane& a, const Plane& b) {
  Plane out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = a[i] * b[i];
  return out;
}

double ssim_of_planes(const Plane& a, const Plane& b, int64_t height, int64_t width) {
  constexpr double kC1 = (0.01 * 255) * (0.01 * 255), kC2 = (0.03 * 255) * (0.03 * 255);
  const Plane mean_a = smoothed(a, height, width), mean_b = smoothed(b, height, width);
  const Plane square_a = smoothed(product(a, a), height, width);
  const Plane square_b = smoothed(product(b, b), height, width);
  const Plane both = smoothed(product(a, b), height, width);
  double sum = 0;
  for (size_t i = 0; i < both.size(); ++i) {
    const double ma = mean_a[i], mb = mean_b[i];
    const double va = square_a[i] - ma * ma, vb = square_b[i] - mb * mb;
    sum += (2 * ma * mb + kC1) * (2 * (both[i] - ma * mb) + kC2) /
           ((ma * ma + mb * mb + kC1) * (va + vb + kC2));
  }
  return sum / static_cast<double>(both.size());
}

}  // namespace

double psnr(const Tensor& original, const Tensor& restored) {
  check(original, restored);
  double sum = 0;
  for (int64_t i = 0; i < original.count(); ++i) {
    const double error = original.raw()[i] - restored.raw()[i];
    sum += error * error;
  }
  if (sum == 0) return kMostDecibels;
  const double mean = sum / static_cast<double>(original.count());
  return std::min(kMostDecibels, 10 * std::log10(255.0 * 255.0 / mean));
}

double ssim(const Tensor& original, const Tensor& restored) {
  check(original, restored);
  const int64_t frames = original.size(0), height = original.size(1), width = original.size(2);
  CHECK(height >= kWindow && width >= kWindow, height, " × ", width);
  double sum = 0;
  for (int64_t frame = 0; frame < frames; ++frame)
    sum += ssim_of_planes(brightness(original.rows(frame, 1).raw(), height * width),
                          brightness(restored.rows(frame, 1).raw(), height * width), height, width);
  return sum / static_cast<double>(frames);
}

}  // namespace hadal
