// SPDX-License-Identifier: MIT
// A picture and a clip as plain bytes: what files are decoded into, what scenes are drawn on and
// what the visual tokenizer reads.
//
//   Picture picture(64, 48);                      // black
//   uint8_t* rgb = picture.pixel(x, y);           // three bytes
//
// Rows from the top, pixels from the left, red green blue, 8 bits each in sRGB.  All frames of a
// clip have one size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hadal {

struct Picture {
  Picture() = default;
  Picture(int64_t wide, int64_t high)
      : width(wide), height(high), rgb(static_cast<size_t>(wide * high * 3)) {}

  uint8_t* pixel(int64_t x, int64_t y) { return &rgb[static_cast<size_t>((y * width + x) * 3)]; }
  const uint8_t* pixel(int64_t x, int64_t y) const {
    return &rgb[static_cast<size_t>((y * width + x) * 3)];
  }
  bool operator==(const Picture&) const = default;

  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // height · width · 3
};

struct Clip {
  std::vector<Picture> frames;
  double fps = 8;  // a still is a clip of one frame; its rate says nothing

  int64_t width() const { return frames.empty() ? 0 : frames.front().width; }
  int64_t height() const { return frames.empty() ? 0 : frames.front().height; }
  bool operator==(const Clip&) const = default;
};

}  // namespace hadal
