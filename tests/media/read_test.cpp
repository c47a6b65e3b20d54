// SPDX-License-Identifier: MIT
// Files of other encoders become the pixels they show, in the sizes and at the times asked for.
#include "media/read.h"

#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "media/write.h"
#include "testing.h"

namespace hadal {
namespace {

Clip read_file_of(const std::string& name, const ReadRequest& request = {}) {
  Result<Clip> clip = read_media(media_file(name), request);
  EXPECT_TRUE(clip) << clip.error().message;
  return clip ? clip.take() : Clip();
}

// Red, green; blue, white: the quarters of every still in tests/corpus/media.
void expect_quarters(const Picture& picture, int tolerance) {
  const int64_t left = picture.width / 4, right = picture.width * 3 / 4;
  const int64_t top = picture.height / 4, bottom = picture.height * 3 / 4;
  expect_colour(picture, left, top, 255, 0, 0, tolerance);
  expect_colour(picture, right, top, 0, 255, 0, tolerance);
  expect_colour(picture, left, bottom, 0, 0, 255, tolerance);
  expect_colour(picture, right, bottom, 255, 255, 255, tolerance);
}

TEST(ReadMedia, StillsOfOtherEncoders) {
  const Clip lossless = read_file_of("lossless.webp");
  ASSERT_EQ(lossless.frames.size(), 1u);
  EXPECT_EQ(lossless.width(), 48);
  EXPECT_EQ(lossless.height(), 32);
  expect_quarters(lossless.frames[0], 0);
  expect_quarters(read_file_of("lossy.webp").frames.at(0), 24);
  expect_quarters(read_file_of("deep.png").frames.at(0), 0);
}

// holed.png: its left half is transparent, its last column a fifth opaque.
TEST(ReadMedia, WhatIsTransparentIsWhiteOrToldItself) {
  const Clip over_white = read_file_of("holed.png");
  ASSERT_EQ(over_white.frames.size(), 1u);
  expect_colour(over_white.frames[0], 5, 5, 255, 255, 255, 0);
  expect_colour(over_white.frames[0], 30, 5, 0, 255, 0, 0);
  const Clip holes = read_file_of("holed.png", {.shows = Shows::transparency});
  ASSERT_EQ(holes.frames.size(), 1u);
  EXPECT_EQ(holes.width(), 48);
  expect_colour(holes.frames[0], 0, 0, 255, 255, 255, 0);
  expect_colour(holes.frames[0], 23, 31, 255, 255, 255, 0);
  expect_colour(holes.frames[0], 24, 0, 0, 0, 0, 0);
  expect_colour(holes.frames[0], 47, 16, 204, 204, 204, 0);
  // As large as is asked for, like any picture; what has no transparency is opaque all over.
  const Clip small =
      read_file_of("holed.png", {.width = 12, .height = 8, .shows = Shows::transparency});
  expect_colour(small.frames.at(0), 2, 4, 255, 255, 255, 2);
  expect_colour(small.frames.at(0), 8, 4, 0, 0, 0, 2);
  expect_colour(read_file_of("lossy.webp", {.shows = Shows::transparency}).frames.at(0), 9, 9, 0, 0,
                0, 0);
}

TEST(ReadMedia, FilmsOfOtherEncoders) {
  for (const char* name : {"film.mp4", "vp8.webm", "vp9.webm", "grey.gif"}) {
    SCOPED_TRACE(name);
    const Clip clip = read_file_of(name);
    EXPECT_EQ(frame_numbers(clip), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
    EXPECT_NEAR(clip.fps, 8, 0.1);
    EXPECT_EQ(clip.width(), 48);
    EXPECT_EQ(clip.height(), 32);
  }
}

// EXIF and the display matrix both say: a quarter turn clockwise.
TEST(ReadMedia, PicturesAreUpright) {
  for (const char* name : {"turned.jpg", "turned.mp4"}) {
    SCOPED_TRACE(name);
    const Clip clip = read_file_of(name);
    ASSERT_EQ(clip.frames.size(), 1u);
    const Picture& picture = clip.frames[0];
    ASSERT_EQ(picture.width, 32);
    ASSERT_EQ(picture.height, 48);
    expect_colour(picture, 8, 12, 0, 0, 255, 12);
    expect_colour(picture, 24, 12, 255, 0, 0, 12);
    expect_colour(picture, 8, 36, 255, 255, 255, 12);
    expect_colour(picture, 24, 36, 0, 255, 0, 12);
  }
}

TEST(ReadMedia, FramesArePickedByTime) {
  for (const char* name : {"film.mp4", "vp9.webm", "grey.gif"}) {
    SCOPED_TRACE(name);
    const Clip slow = read_file_of(name, {.fps = 4});
    EXPECT_EQ(frame_numbers(slow), (std::vector<int>{0, 2, 4, 6}));
    EXPECT_EQ(slow.fps, 4);
  }
  const Clip fast = read_file_of("film.mp4", {.fps = 16});
  EXPECT_EQ(frame_numbers(fast),
            (std::vector<int>{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7}));
  const Clip begun = read_file_of("film.mp4", {.fps = 8, .frames = 3});
  EXPECT_EQ(frame_numbers(begun), (std::vector<int>{0, 1, 2}));
  for (const char* name : {"film.mp4", "vp9.webm", "grey.gif"}) {
    SCOPED_TRACE(name);
    const Clip part = read_file_of(name, {.fps = 4, .frames = 2, .start = 0.25});
    EXPECT_EQ(frame_numbers(part), (std::vector<int>{2, 4}));
  }
  EXPECT_EQ(frame_numbers(read_file_of("film.mp4", {.fps = 8, .start = 9})), (std::vector<int>{7}));
  const Clip later = read_file_of("film.mp4", {.fps = 8, .start = 0.5});
  EXPECT_EQ(frame_numbers(later), (std::vector<int>{4, 5, 6, 7}));
  const Clip spread = read_file_of("film.mp4", {.frames = 2});
  EXPECT_EQ(frame_numbers(spread), (std::vector<int>{2, 6}));
  EXPECT_EQ(spread.fps, 2);
  EXPECT_EQ(read_file_of("film.mp4", {.frames = 100}).frames.size(), 8u);
}

TEST(ReadMedia, PicturesAreScaled) {
  const Clip stretched =
      read_file_of("lossless.webp", {.width = 24, .height = 24, .fit = Fit::stretch});
  ASSERT_EQ(stretched.width(), 24);
  ASSERT_EQ(stretched.height(), 24);
  expect_quarters(stretched.frames[0], 4);

  // Covering keeps proportions: of 48 × 32, the middle 32 × 32, so the border stays in the middle.
  const Clip covered = read_file_of("lossless.webp", {.width = 64, .height = 64});
  expect_quarters(covered.frames.at(0), 4);
  const Clip strip = read_file_of("lossless.webp", {.width = 8, .height = 32});
  expect_quarters(strip.frames.at(0), 30);
  EXPECT_EQ(read_file_of("film.mp4", {.width = 7, .height = 5}).frames.size(), 8u);
}

TEST(ReadMedia, WhatTheBytesAreCountsNotTheName) {
  const Scratch scratch;
  const std::string path = scratch.write("picture.png", bytes_of_file(media_file("film.mp4")));
  const Result<MediaInfo> info = read_media_info(path);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->format, "MP4");
  EXPECT_EQ(info->width, 48);
  EXPECT_EQ(info->height, 32);
  EXPECT_EQ(info->frames, 8);
  EXPECT_NEAR(info->fps, 8, 1e-9);
  EXPECT_TRUE(info->metadata.empty());
}

TEST(ReadMedia, BytesInMemory) {
  const std::string bytes = bytes_of_file(media_file("lossless.webp"));
  const Result<Clip> clip = read_media_bytes(bytes, "upload");
  ASSERT_TRUE(clip) << clip.error().message;
  EXPECT_EQ(*clip, read_file_of("lossless.webp"));
  const Result<Clip> empty = read_media_bytes("", "upload");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message, "upload: not a picture or clip that can be read");
}

TEST(ReadMedia, FromSeveralThreads) {
  std::vector<std::thread> threads;
  std::vector<Clip> clips(3);
  for (Clip& clip : clips)
    threads.emplace_back([&clip] { clip = read_file_of("film.mp4", {.fps = 4}); });
  for (std::thread& thread : threads) thread.join();
  for (const Clip& clip : clips) EXPECT_EQ(frame_numbers(clip), (std::vector<int>{0, 2, 4, 6}));
}

// ---- what is refused

std::string refusal(const std::string& path, const ReadLimits& limits,
                    const ReadRequest& request = {}) {
  const Result<Clip> clip = read_media(path, request, limits);
  EXPECT_FALSE(clip);
  const std::string start = path + ": ";
  if (clip || !clip.error().message.starts_with(start)) return clip ? "" : clip.error().message;
  return clip.error().message.substr(start.size());
}

TEST(ReadMediaRefuses, WhatIsOverALimit) {
  const std::string film = media_file("film.mp4");
  EXPECT_TRUE(refusal(film, {.file_bytes = 1000}).ends_with(" bytes, at most 1000 are read"));
  EXPECT_EQ(refusal(film, {.frame_pixels = 1000}), "1536 pixels in a frame, at most 1000 are read");
  EXPECT_EQ(refusal(film, {.frames = 7}), "8 frames, at most 7 are read");
  EXPECT_EQ(refusal(film, {.seconds = 0.5}), "1 seconds, at most 0 are read");
  EXPECT_EQ(refusal(film, {.total_pixels = 2000}),
            "12288 pixels in all frames, at most 2000 are read");
  EXPECT_EQ(refusal(film, {.frames = 8}, {.fps = 60}), "60 frames, at most 8 are read");
}

TEST(ReadMediaRefuses, TooLittleMemoryAndTooLittleTime) {
  const std::string film = media_file("film.mp4");
  EXPECT_EQ(refusal(film, {.memory_bytes = 1 << 12}), "not a picture or clip that can be read");
  EXPECT_EQ(refusal(film, {.wait_seconds = 0}), "not decoded within 0 seconds");
}

TEST(ReadMediaRefuses, WhatIsNoMediaFile) {
  const Scratch scratch;
  const std::string generic = "not a picture or clip that can be read";
  EXPECT_EQ(refusal(scratch.write("empty.png", ""), {}), generic);
  EXPECT_EQ(refusal(scratch.write("text.mp4", "to be or not to be"), {}), generic);
  EXPECT_EQ(refusal(scratch.write("list.mp4", "#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n"), {}),
            generic);
  EXPECT_EQ(refusal(media_file("animated.webp"), {}), "an animated WebP; of WebP, stills are read");
  EXPECT_EQ(refusal(media_file("mpeg4.mp4"), {}), generic);
  EXPECT_EQ(refusal(scratch.file("missing.png"), {}),
            "cannot be opened: No such file or directory");
  EXPECT_EQ(refusal(scratch.file(""), {}), "is not a regular file");
  ASSERT_EQ(mkfifo(scratch.file("pipe.png").c_str(), 0600), 0);
  EXPECT_EQ(refusal(scratch.file("pipe.png"), {}), "is not a regular file");
}

TEST(ReadMediaRefuses, RequestsThatMeanNothing) {
  const std::string film = media_file("film.mp4");
  for (const ReadRequest& request :
       {ReadRequest{.width = 8}, ReadRequest{.width = -8, .height = -8}, ReadRequest{.fps = -1},
        ReadRequest{.frames = -1}, ReadRequest{.start = 1}, ReadRequest{.fps = 1, .start = -1},
        ReadRequest{.width = 1 << 20, .height = 1 << 20}})
    EXPECT_FALSE(read_media(film, request));
}

}  // namespace
}  // namespace hadal
