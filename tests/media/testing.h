// SPDX-License-Identifier: MIT
// Pictures whose pixels are known, files of other encoders (tests/corpus/media), and a folder that
// ends with the test.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "media/decode.h"
#include "media/picture.h"

namespace hadal {

inline std::string media_file(const std::string& name) {
  return std::string(HADAL_TESTS_DIR) + "/corpus/media/" + name;
}

inline std::string bytes_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

class Scratch {
 public:
  Scratch() {
    path_ = testing::TempDir() + "hadal_media_XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name);
  }
  size_t count() const {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) files += entry.exists();
    return files;
  }

 private:
  std::string path_;
};

inline Picture plain(int64_t width, int64_t height, uint8_t grey) {
  Picture picture(width, height);
  std::fill(picture.rgb.begin(), picture.rgb.end(), grey);
  return picture;
}

// Every pixel another colour: what is moved or mixed up shows.
inline Picture gradient(int64_t width, int64_t height) {
  Picture picture(width, height);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      uint8_t* rgb = picture.pixel(x, y);
      rgb[0] = static_cast<uint8_t>(x * 255 / std::max<int64_t>(1, width - 1));
      rgb[1] = static_cast<uint8_t>(y * 255 / std::max<int64_t>(1, height - 1));
      rgb[2] = static_cast<uint8_t>((x * 7 + y * 13) & 0xff);
    }
  return picture;
}

// Grey frames, each 25 brighter than the one before, as in tests/corpus/media.
inline Clip grey_clip(int frames, int64_t width = 48, int64_t height = 32, double fps = 8) {
  Clip clip;
  clip.fps = fps;
  for (int i = 0; i < frames; ++i)
    clip.frames.push_back(plain(width, height, static_cast<uint8_t>(20 + 25 * i)));
  return clip;
}

// The number of a grey frame, from its middle.
inline int frame_number(const Picture& picture) {
  return (picture.pixel(picture.width / 2, picture.height / 2)[1] - 20 + 12) / 25;
}

inline std::vector<int> frame_numbers(const Clip& clip) {
  std::vector<int> numbers;
  for (const Picture& frame : clip.frames) numbers.push_back(frame_number(frame));
  return numbers;
}

inline void expect_colour(const Picture& picture, int64_t x, int64_t y, int red, int green,
                          int blue, int tolerance) {
  const uint8_t* rgb = picture.pixel(x, y);
  EXPECT_NEAR(rgb[0], red, tolerance) << x << ", " << y;
  EXPECT_NEAR(rgb[1], green, tolerance) << x << ", " << y;
  EXPECT_NEAR(rgb[2], blue, tolerance) << x << ", " << y;
}

inline double mean_error(const Picture& a, const Picture& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

// What decode_media() gives, kept.
struct KeptSink : DecodeSink {
  void facts(const MediaFacts& facts) override { found = facts; }
  void picture(const Picture& picture) override { clip.frames.push_back(picture); }
  MediaFacts found;
  Clip clip;
};

}  // namespace hadal
