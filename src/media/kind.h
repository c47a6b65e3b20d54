// SPDX-License-Identifier: MIT
// Which kind of file some bytes are, and how large its picture says it is, from the first bytes
// alone: nothing is decoded and nothing is believed.
//
//   FileKind kind = kind_of_bytes(bytes);
//   FrameSize size = stored_size(kind, bytes);
//
// Any thread; any bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hadal {

enum class FileKind : uint32_t { unknown, png, jpeg, webp, gif, mp4, webm };

std::string_view kind_name(FileKind kind);  // "PNG"

// By the ending of a name: .png .jpg .jpeg .webp .gif .mp4 .webm, in capitals too.
FileKind kind_of_name(std::string_view path);

FileKind kind_of_bytes(std::span<const uint8_t> bytes);

struct FrameSize {
  int64_t width = 0, height = 0;
};

// What the header of a PNG, JPEG, WebP or GIF says; 0 × 0 where it says nothing, and for films,
// whose containers say it elsewhere.
FrameSize stored_size(FileKind kind, std::span<const uint8_t> bytes);

// A WebP of several pictures: FFmpeg's libraries of this Debian decode stills only.
bool is_animated_webp(std::span<const uint8_t> bytes);

}  // namespace hadal
