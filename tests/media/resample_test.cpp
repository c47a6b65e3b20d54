// SPDX-License-Identifier: MIT
// Resizing is Pillow's, bit for bit.  Checksums are of what Pillow 9.4.0 made of the pictures
// below: Image.resize(size, BICUBIC) and ImageOps.pad(image, size, color=(127, 127, 127)).
#include "media/resample.h"

#include <gtest/gtest.h>

#include <array>

namespace hadal {
namespace {

// CRC-32 of ISO 3309, the one of PNG and zlib.
uint32_t crc32(const std::vector<uint8_t>& bytes) {
  uint32_t crc = ~0u;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

// The high bytes of a linear congruential sequence, in the order of the pixels.
Picture noise(int64_t width, int64_t height) {
  Picture picture(width, height);
  uint32_t state = static_cast<uint32_t>(width * 1000003 + height);
  for (uint8_t& value : picture.rgb) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<uint8_t>(state >> 24);
  }
  return picture;
}

Picture plain(int64_t width, int64_t height, uint8_t value) {
  Picture picture(width, height);
  std::fill(picture.rgb.begin(), picture.rgb.end(), value);
  return picture;
}

Picture mirrored(const Picture& picture) {
  Picture mirror(picture.width, picture.height);
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      std::copy_n(picture.pixel(x, y), 3, mirror.pixel(picture.width - 1 - x, y));
  return mirror;
}

struct Made {
  int64_t from_width, from_height, width, height;
  uint32_t checksum;
};

TEST(Resample, AgreesWithPillowInEveryByte) {
  for (const Made& made : {Made{2, 2, 4, 4, 1885094596}, Made{7, 5, 3, 3, 347935659},
                           Made{5, 7, 12, 9, 2881352787}, Made{64, 48, 17, 48, 250747427},
                           Made{33, 20, 33, 7, 4250844498}, Made{101, 67, 50, 41, 1866266020},
                           Made{1, 1, 4, 3, 1113125789}, Made{3, 200, 5, 11, 1473421997},
                           Made{400, 3, 9, 8, 2114252839}, Made{160, 120, 644, 490, 1057464847}}) {
    const Picture picture =
        resized(noise(made.from_width, made.from_height), made.width, made.height);
    EXPECT_EQ(picture.width, made.width);
    EXPECT_EQ(picture.height, made.height);
    EXPECT_EQ(crc32(picture.rgb), made.checksum)
        << made.from_width << "x" << made.from_height << " to " << made.width << "x" << made.height;
  }
}

TEST(Resample, FittingAgreesWithPillowInEveryByte) {
  for (const Made& made : {Made{50, 32, 54, 36, 1104118332}, Made{30, 61, 30, 66, 1685504218},
                           Made{101, 67, 42, 42, 82520154}, Made{67, 101, 42, 42, 3758786706},
                           Made{3, 200, 14, 546, 1425968643}, Made{640, 480, 644, 490, 4062603849},
                           Made{333, 777, 364, 840, 248531978}, Made{20, 21, 15, 15, 742113479},
                           Made{11, 8, 16, 14, 2555086465}}) {
    const Picture picture =
        fitted(noise(made.from_width, made.from_height), made.width, made.height, 127);
    EXPECT_EQ(picture.width, made.width);
    EXPECT_EQ(picture.height, made.height);
    EXPECT_EQ(crc32(picture.rgb), made.checksum)
        << made.from_width << "x" << made.from_height << " in " << made.width << "x" << made.height;
  }
}

// By hand, for two pixels that become four: the first output lies a quarter pixel inside, so the
// weights are B(1/4) = 0.8671875 and B(5/4) = -0.0703125 of their sum; the second B(1/4), B(3/4).
TEST(Resample, TwoPixelsBecomeFourAsTheFormulaSays) {
  Picture picture(2, 1);
  picture.rgb = {50, 0, 200, 200, 255, 50};
  const std::vector<uint8_t> expected = {37, 0, 213, 81, 53, 169, 169, 202, 81, 213, 255, 37};
  EXPECT_EQ(resized(picture, 4, 1).rgb, expected);
}

TEST(Resample, OneColourStaysThatColour) {
  for (uint8_t value : {uint8_t{0}, uint8_t{1}, uint8_t{127}, uint8_t{254}, uint8_t{255}})
    for (const auto& [width, height] : {std::pair<int64_t, int64_t>{1, 1}, {13, 90}, {64, 3}})
      EXPECT_EQ(resized(plain(31, 22, value), width, height), plain(width, height, value));
}

TEST(Resample, TheSameSizeIsTheSamePicture) {
  EXPECT_EQ(resized(noise(23, 17), 23, 17), noise(23, 17));
}

TEST(Resample, MirroringCommutes) {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{9, 31}, {50, 7}, {20, 14}})
    EXPECT_EQ(resized(mirrored(noise(27, 16)), width, height),
              mirrored(resized(noise(27, 16), width, height)));
}

TEST(Resample, FittingKeepsTheShapeAndCentresIt) {
  const Picture framed = fitted(plain(10, 10, 200), 30, 10, 127);
  for (int64_t x = 0; x < 30; ++x) EXPECT_EQ(*framed.pixel(x, 5), x < 10 || x >= 20 ? 127 : 200);
  EXPECT_EQ(fitted(plain(4000, 1, 9), 42, 14, 127).pixel(0, 6)[0], 9);  // never less than a line
}

}  // namespace
}  // namespace hadal
