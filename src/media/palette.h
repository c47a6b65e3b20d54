// SPDX-License-Identifier: MIT
// Pictures in few colours, for GIF and for terminals.
//
//   const Palette palette = palette_of(clip.frames);
//   std::vector<uint8_t> indices = indices_of(picture, palette);   // one byte a pixel
//
// A palette of all colours there are is exact; otherwise the error of each pixel is spread over its
// neighbours (Floyd and Steinberg, 1976).  Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "media/picture.h"

namespace hadal {

using Colour = std::array<uint8_t, 3>;
using Palette = std::vector<Colour>;  // 1...256

// All colours where there are at most 256; else 256 by median cut (Heckbert, 1982).
Palette palette_of(std::span<const Picture> frames);

// 6 × 6 × 6 colours: the same for every picture.
Palette cube_palette();

std::vector<uint8_t> indices_of(const Picture& picture, const Palette& palette);

}  // namespace hadal
