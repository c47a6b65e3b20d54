// SPDX-License-Identifier: MIT
// Broken and lying files, decoded in this process so that a crash is a crash of the test.
#include <cstring>

#include "media/write.h"
#include "testing.h"

namespace hadal {
namespace {

// Small enough that a lie about sizes cannot be expensive.
DecodeTask small_task() {
  DecodeTask task;
  task.limits.frame_pixels = 1 << 16;
  task.limits.total_pixels = 1 << 20;
  task.limits.frames = 64;
  return task;
}

Verdict decode(const std::string& bytes, KeptSink& sink) {
  return decode_media(as_bytes(bytes), small_task(), sink);
}

Refusal refusal_of(const std::string& bytes) {
  KeptSink sink;
  const Refusal refusal = decode(bytes, sink).refusal;
  EXPECT_TRUE(sink.clip.frames.empty());
  return refusal;
}

std::vector<std::string> good_files() {
  std::vector<std::string> files;
  for (const char* name : {"lossy.webp", "lossless.webp", "turned.jpg", "deep.png", "grey.gif",
                           "film.mp4", "vp8.webm", "vp9.webm"})
    files.push_back(bytes_of_file(media_file(name)));
  return files;
}

TEST(HostileMedia, EveryTruncationIsAnErrorOrAShorterClip) {
  for (const std::string& whole : good_files()) {
    KeptSink all;
    ASSERT_EQ(decode(whole, all).refusal, Refusal::none);
    const bool still = all.clip.frames.size() == 1;
    for (size_t size = 0; size < whole.size(); size += 13) {
      KeptSink sink;
      const Verdict verdict = decode(whole.substr(0, size), sink);
      const bool given = verdict.refusal == Refusal::none;
      EXPECT_EQ(given, !sink.clip.frames.empty());
      EXPECT_LE(sink.clip.frames.size(), all.clip.frames.size());
      const bool much_is_missing = still && size < whole.size() * 3 / 4;
      EXPECT_FALSE(given && much_is_missing)
          << kind_name(all.found.kind) << " of " << size << " bytes";
    }
  }
}

TEST(HostileMedia, EveryByteMayBeWrong) {
  for (const std::string& whole : good_files())
    for (size_t at = 0; at < whole.size(); at += 3) {
      std::string broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ (at % 2 ? 0xff : 0x41));
      KeptSink sink;
      const Verdict verdict = decode(broken, sink);
      for (const Picture& picture : sink.clip.frames) {
        EXPECT_EQ(picture.width, sink.clip.width());
        EXPECT_EQ(picture.height, sink.clip.height());
        EXPECT_LE(picture.width * picture.height, small_task().limits.frame_pixels);
      }
      EXPECT_FALSE(verdict.refusal == Refusal::none && sink.clip.frames.empty());
    }
}

std::string patched(std::string bytes, size_t at, const std::string& with) {
  return bytes.replace(at, with.size(), with);
}

TEST(HostileMedia, SizesAreRefusedFromTheHeader) {
  const auto& huge = std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
  const std::string png = bytes_of_file(media_file("deep.png"));
  EXPECT_EQ(refusal_of(patched(png, 16, huge)), Refusal::frame_pixels);
  const std::string gif = bytes_of_file(media_file("grey.gif"));
  EXPECT_EQ(refusal_of(patched(gif, 6, "\xff\xff\xff\xff")), Refusal::frame_pixels);
  const std::string jpeg = bytes_of_file(media_file("turned.jpg"));
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  EXPECT_EQ(refusal_of(patched(jpeg, frame + 5, "\xff\xff\xff\xff")), Refusal::frame_pixels);
  const std::string webp = bytes_of_file(media_file("lossy.webp"));
  ASSERT_EQ(webp.substr(12, 4), "VP8 ");
  EXPECT_EQ(refusal_of(patched(webp, 26, "\xff\x3f\xff\x3f")), Refusal::frame_pixels);
  const std::string mp4 = bytes_of_file(media_file("film.mp4"));
  const size_t entry = mp4.find("avc1", mp4.find("stsd"));
  ASSERT_NE(entry, std::string::npos);
  EXPECT_EQ(refusal_of(patched(mp4, entry + 28, "\x40\x40\x40\x40")), Refusal::frame_pixels);
}

// The container says 8 × 8; the H.264 stream inside is larger than the limit.
TEST(HostileMedia, SizesAreRefusedInTheDecoderToo) {
  std::string mp4 = bytes_of_file(media_file("film.mp4"));
  const size_t entry = mp4.find("avc1", mp4.find("stsd"));
  mp4 = patched(mp4, entry + 28, std::string("\0\x08\0\x08", 4));
  DecodeTask task = small_task();
  task.limits.frame_pixels = 1000;
  KeptSink sink;
  EXPECT_EQ(decode_media(as_bytes(mp4), task, sink).refusal, Refusal::unreadable);
  EXPECT_TRUE(sink.clip.frames.empty());
}

// A movie whose data lie in another file ("alis" and "url " of QuickTime) opens no file.
TEST(HostileMedia, OtherFilesAreNotOpened) {
  std::string mp4 = bytes_of_file(media_file("film.mp4"));
  const size_t reference = mp4.find("url ", mp4.find("dref"));
  ASSERT_NE(reference, std::string::npos);
  mp4[reference + 7] = 0;  // not "in this file" any more
  KeptSink sink;
  decode(mp4, sink);
  EXPECT_LE(sink.clip.frames.size(), 8u);
}

}  // namespace
}  // namespace hadal
