// SPDX-License-Identifier: MIT
// Resizing pictures, bit for bit as Pillow does: published models were trained on what it makes.
//
//   Picture small = resized(picture, 640, 480);
//   Picture framed = fitted(picture, 644, 490, 127);   // its shape kept, grey at two sides
//
// Pure functions, any thread.
#pragma once

#include <cstdint>

#include "media/picture.h"

namespace hadal {

// Bicubic, averaging over what is left out (antialiased) where a side becomes smaller.
// Requires: a picture with pixels, and a size of at least 1 by 1.
Picture resized(const Picture& picture, int64_t width, int64_t height);

// The largest resized picture of the same shape that fits, centred on a ground of one grey.
Picture fitted(const Picture& picture, int64_t width, int64_t height, uint8_t grey);

}  // namespace hadal
