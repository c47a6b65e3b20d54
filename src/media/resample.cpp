// SPDX-License-Identifier: MIT
// Resizing in two passes, first along rows, then along columns, each rounded to 8 bits.
//
// Let s = input size / output size, and f = max(s, 1) the widening of the filter.  Output i looks
// around c = (i + 1/2)·s at the inputs j from ⌊c - 2f + 1/2⌋ up to, not including, ⌊c + 2f + 1/2⌋,
// clipped to the picture, with weights
//   w[j] = B((j - c + 1/2) / f), divided by their sum,
//   B(x) = 1.5·|x|³ - 2.5·|x|² + 1                    |x| < 1      (Keys 1981 with a = -1/2)
//        = -0.5·|x|³ + 2.5·|x|² - 4·|x| + 2            |x| < 2.
// Weights are rounded to multiples of 2⁻²², half away from zero; sums are integers, one half is
// added, and what leaves 0 … 255 is clipped.  Source: the algorithm of Pillow's Image.resize and
// ImageOps.pad as its documentation and sources describe it, version 9.4; tests hold this file to
// numbers that Pillow 9.4 computed.
#include "media/resample.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hadal {
namespace {

constexpr int kFractionBits = 22;  // 8 bits of value, 2 for sign and overshoot: 32 in all

double bicubic(double x) {
  x = std::fabs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * -0.5;
  return 0;
}

// Which inputs make one output, and by how much.
struct Taps {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> taps_of(int64_t inputs, int64_t outputs) {
  const double scale = static_cast<double>(inputs) / static_cast<double>(outputs);
  const double widening = std::max(scale, 1.0), reach = 2 * widening;
  std::vector<Taps> all(static_cast<size_t>(outputs));
  std::vector<double> weights;
  for (int64_t i = 0; i < outputs; ++i) {
    Taps& taps = all[static_cast<size_t>(i)];
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    taps.first = std::max<int64_t>(0, static_cast<int64_t>(centre - reach + 0.5));
    const int64_t end = std::min(inputs, static_cast<int64_t>(centre + reach + 0.5));
    weights.clear();
    double sum = 0;
    for (int64_t j = taps.first; j < end; ++j) {
      weights.push_back(bicubic((static_cast<double>(j) - centre + 0.5) * (1 / widening)));
      sum += weights.back();
    }
    for (double weight : weights) {
      const double scaled = weight / sum * (1 << kFractionBits);
      taps.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return all;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

Picture resized_rows(const Picture& from, int64_t width) {
  const std::vector<Taps> taps = taps_of(from.width, width);
  Picture to(width, from.height);
  for (int64_t y = 0; y < to.height; ++y) {
    uint8_t* out = to.pixel(0, y);
    for (const Taps& each : taps) {
      const uint8_t* in = from.pixel(each.first, y);
      int32_t sums[3] = {kHalf, kHalf, kHalf};
      for (int32_t weight : each.weights)
        for (int32_t& sum : sums) sum += weight * *in++;
      for (int32_t sum : sums) *out++ = rounded(sum);
    }
  }
  return to;
}

// Whole rows at a time: neighbours in memory are summed side by side.
Picture resized_columns(const Picture& from, int64_t height) {
  const std::vector<Taps> taps = taps_of(from.height, height);
  Picture to(from.width, height);
  std::vector<int32_t> sums(static_cast<size_t>(from.width * 3));
  for (int64_t y = 0; y < height; ++y) {
    const Taps& each = taps[static_cast<size_t>(y)];
    std::fill(sums.begin(), sums.end(), kHalf);
    for (size_t tap = 0; tap < each.weights.size(); ++tap) {
      const uint8_t* in = from.pixel(0, each.first + static_cast<int64_t>(tap));
      for (size_t i = 0; i < sums.size(); ++i) sums[i] += each.weights[tap] * in[i];
    }
    std::transform(sums.begin(), sums.end(), to.pixel(0, y), rounded);
  }
  return to;
}

// Half to even, as Python's round().
int64_t nearest(double value) {
  return static_cast<int64_t>(std::nearbyint(value));
}

// The largest size of the picture's shape within a box.  The quotients are taken in this order
// because their roundings decide about a pixel.
std::pair<int64_t, int64_t> contained(const Picture& picture, int64_t width, int64_t height) {
  const double w = static_cast<double>(picture.width), h = static_cast<double>(picture.height);
  const double box = static_cast<double>(width) / static_cast<double>(height);
  if (w / h > box)
    return {width, std::max<int64_t>(1, nearest(h / w * static_cast<double>(width)))};
  if (w / h < box)
    return {std::max<int64_t>(1, nearest(w / h * static_cast<double>(height))), height};
  return {width, height};
}

}  // namespace

Picture resized(const Picture& picture, int64_t width, int64_t height) {
  CHECK(picture.width > 0 && picture.height > 0 && width > 0 && height > 0, picture.width, "x",
        picture.height, " to ", width, "x", height);
  const Picture rows = width == picture.width ? picture : resized_rows(picture, width);
  return height == rows.height ? rows : resized_columns(rows, height);
}

Picture fitted(const Picture& picture, int64_t width, int64_t height, uint8_t grey) {
  const auto [inner_width, inner_height] = contained(picture, width, height);
  const Picture inner = resized(picture, inner_width, inner_height);
  if (inner_width == width && inner_height == height) return inner;
  Picture framed(width, height);
  std::fill(framed.rgb.begin(), framed.rgb.end(), grey);
  const int64_t left = nearest(static_cast<double>(width - inner_width) * 0.5);
  const int64_t top = nearest(static_cast<double>(height - inner_height) * 0.5);
  for (int64_t y = 0; y < inner_height; ++y)
    std::copy_n(inner.pixel(0, y), inner_width * 3, framed.pixel(left, top + y));
  return framed;
}

}  // namespace hadal
