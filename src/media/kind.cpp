// SPDX-License-Identifier: MIT
// First bytes of files.  Offsets are those of the formats' specifications: PNG (W3C), JPEG (ITU
// T.81, B.2), GIF89a, and Google's "WebP Container Specification".
#include "media/kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace hadal {
namespace {

using Bytes = std::span<const uint8_t>;

std::string_view text_of(Bytes bytes, size_t from, size_t count) {
  if (from > bytes.size() || count > bytes.size() - from) return {};
  return {reinterpret_cast<const char*>(bytes.data()) + from, count};
}

// `count` bytes at `from`, or 0 past the end.
int64_t big_endian(Bytes bytes, size_t from, size_t count) {
  int64_t value = 0;
  for (size_t i = from; i < from + count; ++i)
    value = value << 8 | (i < bytes.size() ? bytes[i] : 0);
  return value;
}

int64_t little_endian(Bytes bytes, size_t from, size_t count) {
  int64_t value = 0;
  for (size_t i = from + count; i-- > from;) value = value << 8 | (i < bytes.size() ? bytes[i] : 0);
  return value;
}

// SOF0...SOF15 hold the size; three of that range are other segments.
bool starts_frame(uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// Segments are FF, marker, length; the length counts itself.
FrameSize jpeg_size(Bytes bytes) {
  size_t at = 2;
  while (at + 4 <= bytes.size() && bytes[at] == 0xff) {
    const uint8_t marker = bytes[at + 1];
    if (marker == 0xff) {  // a fill byte
      ++at;
      continue;
    }
    if (starts_frame(marker)) return {big_endian(bytes, at + 7, 2), big_endian(bytes, at + 5, 2)};
    const int64_t length = big_endian(bytes, at + 2, 2);
    if (marker == 0xda || length < 2) break;  // the scan came before any size
    at += 2 + static_cast<size_t>(length);
  }
  return {};
}

FrameSize webp_size(Bytes bytes) {
  const std::string_view chunk = text_of(bytes, 12, 4);
  if (chunk == "VP8X") return {little_endian(bytes, 24, 3) + 1, little_endian(bytes, 27, 3) + 1};
  if (chunk == "VP8L") {
    const int64_t bits = little_endian(bytes, 21, 4);
    return {(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
  }
  if (chunk == "VP8 ")
    return {little_endian(bytes, 26, 2) & 0x3fff, little_endian(bytes, 28, 2) & 0x3fff};
  return {};
}

}  // namespace

std::string_view kind_name(FileKind kind) {
  constexpr std::array<std::string_view, 7> kNames = {"unknown", "PNG", "JPEG", "WebP",
                                                      "GIF",     "MP4", "WebM"};
  return kNames[static_cast<size_t>(kind)];
}

FileKind kind_of_name(std::string_view path) {
  constexpr std::array<std::pair<std::string_view, FileKind>, 7> kEndings = {{
      {".png", FileKind::png},
      {".jpg", FileKind::jpeg},
      {".jpeg", FileKind::jpeg},
      {".webp", FileKind::webp},
      {".gif", FileKind::gif},
      {".mp4", FileKind::mp4},
      {".webm", FileKind::webm},
  }};
  std::string lower(path.substr(std::min(path.rfind('.'), path.size())));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [ending, kind] : kEndings)
    if (lower == ending) return kind;
  return FileKind::unknown;
}

FileKind kind_of_bytes(Bytes bytes) {
  if (text_of(bytes, 0, 8) == "\x89PNG\r\n\x1a\n") return FileKind::png;
  if (text_of(bytes, 0, 3) == "\xff\xd8\xff") return FileKind::jpeg;
  if (text_of(bytes, 0, 4) == "RIFF" && text_of(bytes, 8, 4) == "WEBP") return FileKind::webp;
  if (text_of(bytes, 0, 6) == "GIF87a" || text_of(bytes, 0, 6) == "GIF89a") return FileKind::gif;
  if (text_of(bytes, 4, 4) == "ftyp") return FileKind::mp4;
  if (text_of(bytes, 0, 4) == "\x1a\x45\xdf\xa3") return FileKind::webm;
  return FileKind::unknown;
}

FrameSize stored_size(FileKind kind, Bytes bytes) {
  switch (kind) {
    case FileKind::png:
      return {big_endian(bytes, 16, 4), big_endian(bytes, 20, 4)};
    case FileKind::jpeg:
      return jpeg_size(bytes);
    case FileKind::webp:
      return webp_size(bytes);
    case FileKind::gif:
      return {little_endian(bytes, 6, 2), little_endian(bytes, 8, 2)};
    default:
      return {};
  }
}

bool is_animated_webp(Bytes bytes) {
  constexpr uint8_t kAnimationFlag = 2;
  return text_of(bytes, 12, 4) == "VP8X" && bytes.size() > 20 && (bytes[20] & kAnimationFlag);
}

}  // namespace hadal
