// SPDX-License-Identifier: MIT
// The frames of a clip that show something new, for readers who are given pictures one by one.
//
//   for (int64_t frame : changed_frames(clip)) show(clip.frames[frame], frame / clip.fps);
//
// A frame is new when it differs from the last one that was chosen, so that slow changes are not
// missed.  Both are averaged over a grid of 32 × 32 cells; a cell has changed when its red, green
// or blue moved by more than 8 of 255.  What a video coder makes of a still scene stays below
// that; a pointer that moved (about 12 × 19 pixels, black and white, in a cell of 60 × 34 on a
// screen of 1920 × 1080) or a word that was typed is above it.  Pure, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "media/picture.h"

namespace hadal {

inline constexpr int64_t kChangeCells = 32;
inline constexpr int64_t kChangeLevels = 8;

// Indices in rising order, the first frame among them.
std::vector<int64_t> changed_frames(const Clip& clip);

}  // namespace hadal
