// SPDX-License-Identifier: MIT
// Comments in four containers.  Every reader walks forward by at least one byte a step and never
// looks past the end, so it ends on any bytes.
#include "media/comment.h"

extern "C" {
#include <libavutil/crc.h>
}

#include <algorithm>

#include "base/result.h"
#include "media/metadata.h"

namespace hadal {
namespace {

constexpr std::string_view kKeyword("Comment\0", 8);  // PNG 11.3.3.2, with its separator
constexpr size_t kPngSignature = 8;
constexpr size_t kPngHeaderEnd = kPngSignature + 8 + 13 + 4;  // behind IHDR
constexpr size_t kRiffHeader = 12;                            // "RIFF", the length, "WEBP"
constexpr std::string_view kWebpChunk = "HADL";               // of a name that nobody else has

std::string big_endian_32(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

uint32_t png_crc(std::string_view bytes) {
  const AVCRC* table = av_crc_get_table(AV_CRC_32_IEEE_LE);
  return ~av_crc(table, ~0u, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

std::string png_chunk(std::string_view comment) {
  const std::string body = "tEXt" + std::string(kKeyword) + std::string(comment);
  return big_endian_32(static_cast<uint32_t>(body.size() - 4)) + body +
         big_endian_32(png_crc(body));
}

std::string jpeg_segment(std::string_view comment) {
  const size_t length = comment.size() + 2;  // the length counts itself
  std::string segment = "\xff\xfe";
  segment += static_cast<char>(length >> 8);
  segment += static_cast<char>(length & 0xff);
  return segment.append(comment);
}

std::string gif_extension(std::string_view comment) {
  std::string extension = "\x21\xfe";
  for (size_t at = 0; at < comment.size(); at += 255) {
    const std::string_view block = comment.substr(at, 255);
    extension += static_cast<char>(block.size());
    extension.append(block);
  }
  return extension + '\0';
}

std::string little_endian_32(size_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

size_t read_little_32(std::string_view file, size_t at) {
  size_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint8_t>(file[at + i]);
  return value;
}

// A name of four letters, the length, the bytes, and one more where they are odd (RFC 9649, 2.3).
std::string riff_chunk(std::string_view name, std::string_view bytes) {
  std::string chunk = std::string(name) + little_endian_32(bytes.size()) + std::string(bytes);
  if (bytes.size() % 2 == 1) chunk += '\0';
  return chunk;
}

// A simple file becomes an extended one (RFC 9649, 2.7): only that may hold chunks of its own.
// Without transparency and without motion: what is written here has neither.
std::string with_webp_chunk(std::string_view file, FrameSize size, std::string_view comment) {
  const auto side = [](int64_t pixels) {
    return little_endian_32(static_cast<size_t>(pixels - 1)).substr(0, 3);
  };
  const std::string header = std::string(4, '\0') + side(size.width) + side(size.height);
  const std::string body = "WEBP" + riff_chunk("VP8X", header) +
                           std::string(file.substr(kRiffHeader)) + riff_chunk(kWebpChunk, comment);
  return "RIFF" + little_endian_32(body.size()) + body;
}

std::string find_in_webp(std::string_view file) {
  for (size_t at = kRiffHeader; at + 8 <= file.size();) {
    const size_t length = read_little_32(file, at + 4);
    if (length > file.size() - at - 8) break;
    const std::string_view text = file.substr(at + 8, length);
    if (file.substr(at, 4) == kWebpChunk && is_metadata_comment(text)) return std::string(text);
    at += 8 + length + length % 2;
  }
  return "";
}

uint32_t read_32(std::string_view file, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<uint8_t>(file[i]);
  return value;
}

std::string find_in_png(std::string_view file) {
  for (size_t at = kPngSignature; at + 12 <= file.size();) {
    const size_t length = read_32(file, at);
    if (length > file.size() - at - 12) break;
    const std::string_view body = file.substr(at + 4, length + 4);
    at += length + 12;
    if (!body.starts_with("tEXt") || read_32(file, at - 4) != png_crc(body)) continue;
    const std::string_view text = body.substr(4);
    if (text.starts_with(kKeyword) && is_metadata_comment(text.substr(kKeyword.size())))
      return std::string(text.substr(kKeyword.size()));
  }
  return "";
}

std::string find_in_jpeg(std::string_view file) {
  for (size_t at = 2; at + 4 <= file.size() && file[at] == '\xff';) {
    const char marker = file[at + 1];
    if (marker == '\xff') {  // a fill byte
      ++at;
      continue;
    }
    if (marker == '\xda') break;  // the picture itself begins
    const size_t length = read_32(file, at) & 0xffff;
    if (length < 2 || length > file.size() - at - 2) break;
    const std::string_view text = file.substr(at + 4, length - 2);
    if (marker == '\xfe' && is_metadata_comment(text)) return std::string(text);
    at += 2 + length;
  }
  return "";
}

// Joins the sub-blocks from `at` on and leaves `at` behind their end mark, or at the file's end.
std::string gif_blocks(std::string_view file, size_t& at) {
  std::string joined;
  while (at < file.size()) {
    const size_t count = static_cast<uint8_t>(file[at++]);
    if (count == 0) return joined;
    const std::string_view block = file.substr(at, count);
    if (joined.size() <= static_cast<size_t>(kMostCommentBytes)) joined.append(block);
    at += block.size();
  }
  return joined;
}

// Bytes of a colour table, from the flags that announce it.
size_t gif_table_bytes(uint8_t flags) {
  return flags & 0x80 ? size_t{3} << ((flags & 7) + 1) : 0;
}

std::string find_in_gif(std::string_view file) {
  if (file.size() < 13) return "";
  size_t at = 13 + gif_table_bytes(static_cast<uint8_t>(file[10]));
  while (at + 1 < file.size()) {
    const char block = file[at];
    if (block == '\x21') {
      const bool is_comment = file[at + 1] == '\xfe';
      at += 2;
      const std::string text = gif_blocks(file, at);
      if (is_comment && is_metadata_comment(text)) return text;
    } else if (block == '\x2c' && at + 10 < file.size()) {
      at += 10 + gif_table_bytes(static_cast<uint8_t>(file[at + 9])) + 1;  // and the code size
      gif_blocks(file, at);
    } else {
      break;
    }
  }
  return "";
}

// Behind SOI and, where it is there, the JFIF segment, which wants to be the first.
size_t jpeg_comment_place(std::string_view file) {
  CHECK(file.size() > 6, file.size());
  return file.substr(2, 2) == "\xff\xe0" ? 4 + (read_32(file, 2) & 0xffff) : 2;
}

}  // namespace

std::string with_comment(FileKind kind, std::string file, std::string_view comment) {
  if (comment.empty()) return file;
  CHECK(static_cast<int64_t>(comment.size()) <= kMostCommentBytes, comment.size());
  switch (kind) {
    case FileKind::png:
      CHECK(file.size() > kPngHeaderEnd, file.size());
      return file.insert(kPngHeaderEnd, png_chunk(comment));
    case FileKind::jpeg:
      return file.insert(jpeg_comment_place(file), jpeg_segment(comment));
    case FileKind::webp: {
      const FrameSize size =
          stored_size(kind, {reinterpret_cast<const uint8_t*>(file.data()), file.size()});
      CHECK(size.width > 0 && file.size() > kRiffHeader, file.size());
      return with_webp_chunk(file, size, comment);
    }
    case FileKind::gif:
      CHECK(file.size() > 13 && file.back() == '\x3b', file.size());
      return file.insert(file.size() - 1, gif_extension(comment));
    default:
      CHECK(false, kind_name(kind), " takes its comment from its muxer");
      return file;
  }
}

std::string find_comment(FileKind kind, std::span<const uint8_t> bytes) {
  const std::string_view file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string found;
  if (kind == FileKind::png) found = find_in_png(file);
  if (kind == FileKind::jpeg) found = find_in_jpeg(file);
  if (kind == FileKind::webp) found = find_in_webp(file);
  if (kind == FileKind::gif) found = find_in_gif(file);
  return static_cast<int64_t>(found.size()) <= kMostCommentBytes ? found : "";
}

}  // namespace hadal
