// SPDX-License-Identifier: MIT
#include "scenes/named_pictures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/result.h"

namespace hadal {

namespace {

// Farther away than this nothing of a picture is left: a codec of 20 dB moves a pixel by 25.
constexpr double kFarthest = 45;

// Brightness and two differences; each length is about that in red, green and blue.
std::array<float, 3> opponent(float red, float green, float blue) {
  return {0.577F * (red + green + blue), 0.707F * (red - blue), 0.408F * (2 * green - red - blue)};
}

}  // namespace

NamedPictures::Features NamedPictures::features_of(const Picture& picture) {
  CHECK(picture.width > 0 && picture.height > 0 &&
        static_cast<int64_t>(picture.rgb.size()) == 3 * picture.width * picture.height);
  std::array<double, static_cast<size_t>(kSide * kSide)> counts = {};
  std::array<std::array<double, 3>, static_cast<size_t>(kSide * kSide)> sums = {};
  // At least one sample falls on each cell, also of pictures smaller than the grid.
  const int64_t across = std::max(picture.width, kSide), down = std::max(picture.height, kSide);
  for (int64_t y = 0; y < down; ++y)
    for (int64_t x = 0; x < across; ++x) {
      const size_t cell = static_cast<size_t>(y * kSide / down * kSide + x * kSide / across);
      const uint8_t* pixel = picture.pixel(x * picture.width / across, y * picture.height / down);
      counts[cell] += 1;
      for (size_t c = 0; c < 3; ++c) sums[cell][c] += pixel[c];
    }
  Features features;
  for (size_t cell = 0; cell < counts.size(); ++cell) {
    const auto mean = [&](size_t c) { return static_cast<float>(sums[cell][c] / counts[cell]); };
    const std::array<float, 3> colour = opponent(mean(0), mean(1), mean(2));
    std::copy(colour.begin(), colour.end(), features.begin() + static_cast<int64_t>(3 * cell));
  }
  return features;
}

double NamedPictures::distance(const Features& a, const Features& b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(static_cast<double>(sum) / static_cast<double>(a.size()));
}

void NamedPictures::add(std::string name, const Picture& picture) {
  names_.push_back(std::move(name));
  pictures_.push_back(features_of(picture));
  for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += pictures_.back()[i];
}

Match NamedPictures::nearest(const Features& features) const {
  Match match{std::nullopt, std::numeric_limits<double>::infinity()};
  for (size_t i = 0; i < pictures_.size(); ++i) {
    const double away = distance(features, pictures_[i]);
    if (away >= match.distance) continue;
    match = {static_cast<int64_t>(i), away};
  }
  return match;
}

// Nothing: one colour all over, or the mean of all pictures.
bool NamedPictures::is_nearer_to_nothing(const Features& features, double than) const {
  Features plain, mean;
  std::array<float, 3> colour = {};
  for (size_t i = 0; i < features.size(); ++i) colour[i % 3] += features[i];
  for (size_t i = 0; i < features.size(); ++i) {
    plain[i] = colour[i % 3] / (kSide * kSide);
    mean[i] = sum_[i] / static_cast<float>(pictures_.size());
  }
  return distance(features, plain) <= than ||
         (pictures_.size() > 2 && distance(features, mean) <= than);
}

Match NamedPictures::nearest(const Picture& picture) const {
  const Features features = features_of(picture);
  Match match = nearest(features);
  if (match.distance > kFarthest || is_nearer_to_nothing(features, match.distance))
    match.index = std::nullopt;
  return match;
}

double NamedPictures::distance(const Picture& picture) const {
  return nearest(features_of(picture)).distance;
}

}  // namespace hadal
