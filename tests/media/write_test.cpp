// SPDX-License-Identifier: MIT
// Clip → file → clip, and what a file says of itself.
#include "media/write.h"

#include <limits>

#include "media/comment.h"
#include "media/palette.h"
#include "media/read.h"
#include "testing.h"

namespace hadal {
namespace {

Clip still(const Picture& picture) {
  Clip clip;
  clip.frames.push_back(picture);
  return clip;
}

// Written and read again, in this process where nothing is tested of the child.
Clip round_trip(const Clip& clip, FileKind kind) {
  const Result<std::string> file = encode_media(clip, kind);
  EXPECT_TRUE(file) << file.error().message;
  if (!file) return {};
  EXPECT_EQ(kind_of_bytes(as_bytes(*file)), kind);
  KeptSink sink;
  EXPECT_EQ(decode_media(as_bytes(*file), {}, sink).refusal, Refusal::none);
  sink.clip.fps = sink.found.clip_fps;
  return sink.clip;
}

TEST(WriteMedia, PngIsExact) {
  for (const auto& [width, height] : {std::pair(1, 1), {3, 5}, {64, 48}, {257, 2}}) {
    const Clip clip = still(gradient(width, height));
    EXPECT_EQ(round_trip(clip, FileKind::png).frames, clip.frames) << width << " × " << height;
  }
}

TEST(WriteMedia, JpegIsClose) {
  const Clip clip = still(gradient(61, 47));
  const Clip again = round_trip(clip, FileKind::jpeg);
  ASSERT_EQ(again.width(), 61);
  ASSERT_EQ(again.height(), 47);
  EXPECT_LT(mean_error(again.frames[0], clip.frames[0]), 3);
}

TEST(WriteMedia, WebpIsExactAtItsBest) {
  for (const auto& [width, height] : {std::pair(1, 1), {3, 5}, {64, 48}, {257, 2}}) {
    const Clip clip = still(gradient(width, height));
    EXPECT_EQ(round_trip(clip, FileKind::webp).frames, clip.frames) << width << " × " << height;
    // Also where the file says something of itself, and is an extended one for that.
    const Result<std::string> told = encode_media(clip, FileKind::webp, {{"seed", "7"}});
    ASSERT_TRUE(told) << told.error().message;
    KeptSink sink;
    EXPECT_EQ(decode_media(as_bytes(*told), {}, sink).refusal, Refusal::none);
    EXPECT_EQ(sink.clip.frames, clip.frames);
    EXPECT_EQ(sink.found.width, width);
    EXPECT_NE(sink.found.comment.find("7"), std::string::npos);
  }
}

TEST(WriteMedia, LessQualityIsSmallerAndStillClose) {
  const Clip clip = still(gradient(96, 64));
  for (const FileKind kind : {FileKind::jpeg, FileKind::webp}) {
    SCOPED_TRACE(kind_name(kind));
    size_t before = SIZE_MAX;
    for (const int64_t quality : {99, 80, 40, 0}) {
      const Result<std::string> file = encode_media(clip, kind, {{"seed", "7"}}, "clip", quality);
      ASSERT_TRUE(file) << file.error().message;
      EXPECT_LT(file->size(), before) << quality;
      before = file->size();
      KeptSink sink;
      ASSERT_EQ(decode_media(as_bytes(*file), {}, sink).refusal, Refusal::none);
      ASSERT_EQ(sink.clip.frames.size(), 1U);
      EXPECT_LT(mean_error(sink.clip.frames[0], clip.frames[0]), 40) << quality;
    }
    Picture red = plain(32, 32, 0);
    for (size_t i = 0; i < red.rgb.size(); i += 3) red.rgb[i] = 220;
    KeptSink sink;
    const Result<std::string> file = encode_media(still(red), kind, {}, "red", 80);
    ASSERT_TRUE(file);
    decode_media(as_bytes(*file), {}, sink);
    expect_colour(sink.clip.frames.at(0), 16, 16, 220, 0, 0, 6);
  }
}

TEST(WriteMedia, GifOfFewColoursIsExact) {
  Clip clip = grey_clip(6, 33, 17, 10);
  for (int64_t i = 0; i < 6; ++i) clip.frames[static_cast<size_t>(i)].pixel(i, i)[0] = 255;
  const Clip again = round_trip(clip, FileKind::gif);
  EXPECT_EQ(again.frames, clip.frames);
  EXPECT_NEAR(again.fps, 10, 1e-9);
  EXPECT_NE(encode_media(clip, FileKind::gif)->find("NETSCAPE2.0"), std::string::npos);
}

TEST(WriteMedia, GifOfManyColoursIsClose) {
  const Clip clip = still(gradient(96, 64));
  const Clip again = round_trip(clip, FileKind::gif);
  ASSERT_EQ(again.frames.size(), 1u);
  EXPECT_LT(mean_error(again.frames[0], clip.frames[0]), 20);
  // Dithering keeps the mean of a region.
  double sum = 0, expected = 0;
  for (size_t i = 0; i < clip.frames[0].rgb.size(); i += 3) {
    sum += again.frames[0].rgb[i];
    expected += clip.frames[0].rgb[i];
  }
  EXPECT_NEAR(sum / expected, 1, 0.02);
}

TEST(WriteMedia, FilmsKeepFramesRateAndColours) {
  for (const FileKind kind : {FileKind::mp4, FileKind::webm})
    for (const double fps : {8.0, 24000 / 1001.0}) {
      SCOPED_TRACE(kind_name(kind));
      const Clip again = round_trip(grey_clip(9, 48, 32, fps), kind);
      EXPECT_EQ(frame_numbers(again), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
      EXPECT_NEAR(again.fps, fps, 0.01);
      Picture red = plain(32, 32, 0);
      for (size_t i = 0; i < red.rgb.size(); i += 3) red.rgb[i] = 220;
      expect_colour(round_trip(still(red), kind).frames.at(0), 16, 16, 220, 0, 0, 6);
    }
}

TEST(WriteMedia, OddSizesGrowByAnEdge) {
  for (const FileKind kind : {FileKind::mp4, FileKind::webm}) {
    const Clip again = round_trip(grey_clip(2, 33, 17), kind);
    EXPECT_EQ(again.width(), 34);
    EXPECT_EQ(again.height(), 18);
    ASSERT_EQ(again.frames.size(), 2u);
    expect_colour(again.frames[1], 33, 17, 45, 45, 45, 3);
  }
}

TEST(WriteMedia, SameClipSameBytes) {
  const Clip clip = grey_clip(4);
  for (const FileKind kind : {FileKind::gif, FileKind::mp4, FileKind::webm})
    EXPECT_EQ(*encode_media(clip, kind), *encode_media(clip, kind)) << kind_name(kind);
}

TEST(WriteMedia, FramesOneByOneGiveTheSameFile) {
  Clip clip{{}, 12};
  clip.frames.resize(7, gradient(40, 24));
  std::fill_n(clip.frames[3].rgb.begin(), 300, uint8_t{200});
  for (const FileKind kind : {FileKind::mp4, FileKind::webm}) {
    Result<FilmEncoder> film = FilmEncoder::open({kind, 40, 24, 12}, {{"seed", "7"}}, "film");
    ASSERT_TRUE(film) << film.error().message;
    for (const Picture& frame : clip.frames) ASSERT_TRUE(film->add(frame));
    EXPECT_EQ(film->frames(), 7);
    const Status other = film->add(gradient(41, 24));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().message, "film: a frame of 41 × 24, expected 40 × 24");
    const Result<std::string> bytes = film->finish(),
                              whole = encode_media(clip, kind, {{"seed", "7"}});
    ASSERT_TRUE(bytes && whole);
    EXPECT_TRUE(*bytes == *whole);
  }
  EXPECT_FALSE(FilmEncoder::open({FileKind::gif, 40, 24, 12}, {}, "film"));
  EXPECT_FALSE(FilmEncoder::open({FileKind::mp4, 0, 24, 12}, {}, "film"));
  Result<FilmEncoder> none = FilmEncoder::open({FileKind::mp4, 40, 24, 12}, {}, "film");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->finish());
}

TEST(WriteMedia, MetadataIsReadBack) {
  const Metadata metadata = {{"prompt", "The \"sea\", größer\nund 海"},
                             {"seed", "18446744073709551615"},
                             {"model", "0123456789abcdef"},
                             {"long", std::string(5000, 'x')}};
  const Scratch scratch;
  for (const char* name : {"a.png", "a.jpg", "a.webp", "a.gif", "a.mp4", "a.webm"}) {
    SCOPED_TRACE(name);
    const std::string path = scratch.file(name);
    const Status written = write_media(path, still(gradient(40, 30)), metadata);
    ASSERT_TRUE(written) << written.error().message;
    const Result<Metadata> again = read_metadata(path);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, metadata);
    const Result<Clip> clip = read_media(path);
    ASSERT_TRUE(clip) << clip.error().message;
    EXPECT_EQ(clip->width(), 40);
    ASSERT_TRUE(write_media(path, still(gradient(40, 30))));
    EXPECT_TRUE(read_metadata(path)->empty());
  }
  EXPECT_EQ(scratch.count(), 6u);
}

TEST(WriteMedia, RefusesWithOneLineAndLeavesTheFile) {
  const Scratch scratch;
  const std::string path = scratch.write("a.png", "as it was");
  const auto message = [](const Status& status) { return status ? "" : status.error().message; };
  EXPECT_EQ(message(write_media(path, grey_clip(2))),
            path + ": 2 frames, a PNG holds one; .gif, .mp4 and .webm hold more");
  EXPECT_EQ(message(write_media(path, {})), path + ": a clip without frames");
  EXPECT_EQ(bytes_of_file(path), "as it was");
  EXPECT_EQ(message(write_media("a.bmp", grey_clip(1))),
            "a.bmp: unknown ending, expected .png, .jpg, .webp, .gif, .mp4 or .webm");
  EXPECT_EQ(message(write_media("a.gif", grey_clip(2, 8, 8, 60))),
            "a.gif: 60 frames a second, a GIF has 0.01 to 50");
  EXPECT_FALSE(write_media("a.mp4", grey_clip(2, 8, 8, std::numeric_limits<double>::quiet_NaN())));
  EXPECT_FALSE(write_media(path, still(gradient(8, 8)), {{"prompt", std::string(70000, 'x')}}));
  Clip uneven = grey_clip(2);
  uneven.frames[1] = Picture(8, 8);
  EXPECT_EQ(message(write_media("a.gif", uneven)),
            "a.gif: frames of 48 × 32 and 8 × 8, expected one size");
  EXPECT_EQ(scratch.count(), 1u);
}

// ---- comments in hostile files

TEST(Comment, IsFoundWhereItWasPutAndNeverPastTheEnd) {
  const std::string comment = R"({"hadal":{"a":")" + std::string(700, 'b') + "\"}}";
  for (const FileKind kind : {FileKind::png, FileKind::jpeg, FileKind::webp, FileKind::gif}) {
    SCOPED_TRACE(kind_name(kind));
    const std::string plain_file = *encode_media(still(gradient(20, 20)), kind);
    const std::string file = with_comment(kind, plain_file, comment);
    EXPECT_EQ(find_comment(kind, as_bytes(file)), comment);
    EXPECT_EQ(find_comment(kind, as_bytes(plain_file)), "");
    for (size_t size = 0; size < file.size(); ++size) {
      const std::string cut(file.data(), size);  // a buffer of its own: sanitizers see its end
      const std::string found = find_comment(kind, as_bytes(cut));
      EXPECT_TRUE(comment.starts_with(found));
    }
    for (size_t at = 0; at < file.size(); ++at) {
      std::string broken = file;
      broken[at] = static_cast<char>(0xff);
      find_comment(kind, as_bytes(broken));
    }
  }
}

TEST(Comment, APngChunkWithAWrongChecksumIsNone) {
  const std::string comment = R"({"hadal":{"a":"b"}})";
  std::string file =
      with_comment(FileKind::png, *encode_media(still(gradient(4, 4)), FileKind::png), comment);
  file[file.find("\"b\"") + 1] = 'c';
  EXPECT_EQ(find_comment(FileKind::png, as_bytes(file)), "");
}

TEST(Metadata, CommentsOfOthersAreNone) {
  EXPECT_TRUE(metadata_of("Created with GIMP").empty());
  EXPECT_TRUE(metadata_of(R"({"hadal":{"a":)").empty());
  EXPECT_TRUE(metadata_of(R"({"hadal":{"a":1,"b":["c"]}})").empty());
  EXPECT_EQ(metadata_of(R"({"hadal":{"a":"b"}})"), (Metadata{{"a", "b"}}));
  EXPECT_EQ(*metadata_comment({}), "");
}

// ---- palettes

TEST(Palette, AreExactOrOfAtMost256Colours) {
  const std::vector<Picture> many = {gradient(64, 64)};
  const Palette cut = palette_of(many);
  EXPECT_GT(cut.size(), 200u);
  EXPECT_LE(cut.size(), 256u);
  for (const uint8_t index : indices_of(many[0], cut)) EXPECT_LT(index, cut.size());
  const std::vector<Picture> few = {plain(4, 4, 9), plain(4, 4, 200)};
  EXPECT_EQ(palette_of(few), (Palette{{9, 9, 9}, {200, 200, 200}}));
  EXPECT_EQ(indices_of(few[1], palette_of(few)), std::vector<uint8_t>(16, 1));
}

}  // namespace
}  // namespace hadal
