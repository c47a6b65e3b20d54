// SPDX-License-Identifier: MIT
// A small picture with transparency, laid onto another at any size.
//
//   Sprite sprite = …;                                  // for instance a glyph (glyph_font.h)
//   Picture picture = blank(64, rgb_of(Ground::white));
//   lay(picture, sprite, {.x = 32, .y = 32, .side = 60});
//
// Pure functions; any thread may use them.
#pragma once

#include <cstdint>
#include <vector>

#include "media/picture.h"

namespace hadal {

// Rows from the top; red, green, blue and opacity a pixel, the colours already multiplied by the
// opacity (premultiplied).
struct Sprite {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgba;  // height · width · 4
};

// The sprite's centre, and the length that its longer side shall have, in pixels.
struct Spot {
  double x = 0, y = 0, side = 0;
};

// Each pixel receives the mean of the sprite's area that falls on it.  What reaches over the edge
// is cut off.  REQUIRES a sprite with pixels whose bytes fit its size, and a side above 0.
void lay(Picture& picture, const Sprite& sprite, const Spot& spot);

}  // namespace hadal
