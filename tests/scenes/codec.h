// SPDX-License-Identifier: MIT
// What a lossy codec does to a picture, for the checkers to see through.
#pragma once

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "media/picture.h"

namespace hadal::testing {

inline double psnr(const Picture& a, const Picture& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    const double difference = static_cast<double>(a.rgb[i]) - b.rgb[i];
    sum += difference * difference;
  }
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.rgb.size()) / sum);
}

// Weights 1 2 1 both ways.
inline Picture blurred(const Picture& picture) {
  Picture result = picture;
  const auto at = [&](int64_t x, int64_t y, int64_t c) -> int {
    return picture.pixel(std::clamp<int64_t>(x, 0, picture.width - 1),
                         std::clamp<int64_t>(y, 0, picture.height - 1))[c];
  };
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        int sum = 0;
        for (int64_t dy = -1; dy <= 1; ++dy)
          for (int64_t dx = -1; dx <= 1; ++dx)
            sum += (2 - std::abs(static_cast<int>(dx))) * (2 - std::abs(static_cast<int>(dy))) *
                   at(x + dx, y + dy, c);
        result.pixel(x, y)[c] = static_cast<uint8_t>((sum + 8) / 16);
      }
  return result;
}

// Gaussian noise in patches of `grain` pixels, cut off at black and white.
inline Picture noisy(Picture picture, double deviation, uint64_t seed, int64_t grain = 1) {
  Random random(seed);
  const int64_t across = (picture.width + grain - 1) / grain;
  std::vector<double> noise(static_cast<size_t>(3 * across * across));
  for (double& value : noise) value = deviation * random.normal();
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        uint8_t& byte = picture.pixel(x, y)[c];
        const double moved =
            byte + noise[static_cast<size_t>(3 * (y / grain * across + x / grain) + c)];
        byte = static_cast<uint8_t>(std::lround(std::clamp(moved, 0.0, 255.0)));
      }
  return picture;
}

}  // namespace hadal::testing
