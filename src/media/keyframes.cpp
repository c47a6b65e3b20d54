// SPDX-License-Identifier: MIT
// Small averages of frames, compared.
#include "media/keyframes.h"

#include <algorithm>
#include <cstdlib>

namespace hadal {
namespace {

// Mean colour of each cell, by whole pixels.  A side shorter than the grid has fewer cells.
std::vector<int64_t> cell_means(const Picture& picture) {
  const int64_t rows = std::min(kChangeCells, picture.height);
  const int64_t columns = std::min(kChangeCells, picture.width);
  std::vector<int64_t> sums(static_cast<size_t>(rows * columns * 3), 0);
  std::vector<int64_t> counts(static_cast<size_t>(rows * columns), 0);
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x) {
      const int64_t cell = y * rows / picture.height * columns + x * columns / picture.width;
      ++counts[static_cast<size_t>(cell)];
      for (int64_t channel = 0; channel < 3; ++channel)
        sums[static_cast<size_t>(cell * 3 + channel)] += picture.pixel(x, y)[channel];
    }
  for (size_t i = 0; i < sums.size(); ++i) sums[i] /= counts[i / 3];
  return sums;
}

bool differ(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return !std::equal(a.begin(), a.end(), b.begin(), b.end(), [](int64_t one, int64_t other) {
    return std::abs(one - other) <= kChangeLevels;
  });
}

}  // namespace

std::vector<int64_t> changed_frames(const Clip& clip) {
  std::vector<int64_t> chosen;
  std::vector<int64_t> last;
  for (size_t frame = 0; frame < clip.frames.size(); ++frame) {
    std::vector<int64_t> means = cell_means(clip.frames[frame]);
    if (frame > 0 && !differ(means, last)) continue;
    chosen.push_back(static_cast<int64_t>(frame));
    last = std::move(means);
  }
  return chosen;
}

}  // namespace hadal
