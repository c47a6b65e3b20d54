// SPDX-License-Identifier: MIT
#include "scenes/sprite.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/result.h"

namespace hadal {

namespace {

// The sprite's pixels under one pixel of the picture, along one side, with their shares of it.
struct Stretch {
  int64_t first = 0;
  std::vector<double> shares;
};

// `begin` and `end` are the picture's pixel in the sprite's coordinates.
Stretch stretch_over(double begin, double end, int64_t limit) {
  Stretch stretch;
  stretch.first = std::max<int64_t>(static_cast<int64_t>(std::floor(begin)), 0);
  const int64_t last = std::min(static_cast<int64_t>(std::ceil(end)), limit);
  for (int64_t i = stretch.first; i < last; ++i) {
    const double left = std::max(begin, static_cast<double>(i));
    const double right = std::min(end, static_cast<double>(i + 1));
    stretch.shares.push_back(std::max(0.0, right - left) / (end - begin));
  }
  return stretch;
}

std::array<double, 4> mean_under(const Sprite& sprite, const Stretch& rows,
                                 const Stretch& columns) {
  std::array<double, 4> sum = {};
  for (size_t y = 0; y < rows.shares.size(); ++y)
    for (size_t x = 0; x < columns.shares.size(); ++x) {
      const size_t row = static_cast<size_t>(rows.first) + y;
      const size_t at =
          row * static_cast<size_t>(sprite.width) + static_cast<size_t>(columns.first) + x;
      const double share = rows.shares[y] * columns.shares[x];
      for (size_t c = 0; c < 4; ++c) sum[c] += share * sprite.rgba[4 * at + c];
    }
  return sum;
}

}  // namespace

void lay(Picture& picture, const Sprite& sprite, const Spot& spot) {
  CHECK(sprite.width > 0 && sprite.height > 0 && spot.side > 0);
  CHECK(static_cast<int64_t>(sprite.rgba.size()) == 4 * sprite.width * sprite.height);
  const double scale = spot.side / static_cast<double>(std::max(sprite.width, sprite.height));
  const double left = spot.x - scale * static_cast<double>(sprite.width) / 2;
  const double top = spot.y - scale * static_cast<double>(sprite.height) / 2;
  const auto stretches = [&](int64_t count, double offset, int64_t limit) {
    std::vector<Stretch> all;
    for (int64_t i = 0; i < count; ++i)
      all.push_back(stretch_over((static_cast<double>(i) - offset) / scale,
                                 (static_cast<double>(i + 1) - offset) / scale, limit));
    return all;
  };
  const std::vector<Stretch> rows = stretches(picture.height, top, sprite.height);
  const std::vector<Stretch> columns = stretches(picture.width, left, sprite.width);
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x) {
      const std::array<double, 4> over =
          mean_under(sprite, rows[static_cast<size_t>(y)], columns[static_cast<size_t>(x)]);
      uint8_t* pixel = picture.pixel(x, y);
      for (size_t c = 0; c < 3; ++c) {
        const double mixed = over[c] + pixel[c] * (1 - over[3] / 255);
        pixel[c] = static_cast<uint8_t>(std::lround(std::clamp(mixed, 0.0, 255.0)));
      }
    }
}

}  // namespace hadal
