// SPDX-License-Identifier: MIT
// Frames that show something new.
#include "media/keyframes.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

using Indices = std::vector<int64_t>;

Picture ground(int64_t width, int64_t height, uint8_t value) {
  Picture picture(width, height);
  std::fill(picture.rgb.begin(), picture.rgb.end(), value);
  return picture;
}

void fill(Picture& picture, int64_t left, int64_t top, int64_t width, int64_t height,
          uint8_t value) {
  for (int64_t y = top; y < top + height; ++y)
    for (int64_t x = left; x < left + width; ++x) std::fill_n(picture.pixel(x, y), 3, value);
}

TEST(Keyframes, AStillSceneIsOneFrame) {
  EXPECT_EQ(changed_frames({{20, ground(320, 180, 90)}, 2}), Indices{0});
  EXPECT_EQ(changed_frames({}), Indices{});
}

TEST(Keyframes, NoiseOfACoderIsNothingNew) {
  Clip clip;
  for (int frame = 0; frame < 10; ++frame) {
    Picture picture = ground(320, 180, 90);
    for (size_t i = 0; i < picture.rgb.size(); ++i)
      picture.rgb[i] = static_cast<uint8_t>(88 + (i * 7 + static_cast<size_t>(frame) * 13) % 5);
    clip.frames.push_back(picture);
  }
  EXPECT_EQ(changed_frames(clip), Indices{0});
}

TEST(Keyframes, APointerThatMovesIsSeen) {
  Clip clip;
  for (int frame = 0; frame < 4; ++frame) {
    Picture screen = ground(1920, 1080, 240);
    const int64_t left = frame < 2 ? 300 : 900;  // rests, then jumps
    fill(screen, left, 500, 10, 19, 0);
    clip.frames.push_back(screen);
  }
  EXPECT_EQ(changed_frames(clip), (Indices{0, 2}));
}

// Each step is too small to be seen, their sum is not.
TEST(Keyframes, SlowChangesAreNotMissed) {
  Clip clip;
  for (int frame = 0; frame < 10; ++frame)
    clip.frames.push_back(ground(40, 30, static_cast<uint8_t>(100 + 3 * frame)));
  EXPECT_EQ(changed_frames(clip), (Indices{0, 3, 6, 9}));
}

TEST(Keyframes, FramesSmallerThanTheGridHaveACellAPixel) {
  Picture dot = ground(3, 2, 10);
  fill(dot, 2, 1, 1, 1, 30);
  EXPECT_EQ(changed_frames({{ground(3, 2, 10), dot, dot}, 2}), (Indices{0, 1}));
}

}  // namespace
}  // namespace hadal
