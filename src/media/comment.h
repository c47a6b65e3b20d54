// SPDX-License-Identifier: MIT
// One comment in a PNG, JPEG or GIF: put in, and found again.
//
//   std::string file = with_comment(FileKind::png, png, R"({"hadal":{"seed":"7"}})");
//   std::string comment = find_comment(FileKind::png, bytes);
//
//   PNG    chunk   length(4) "tEXt" "Comment" 00 text crc(4), after IHDR
//   JPEG   segment FF FE length(2) text, after SOI and APP0
//   GIF    extension 21 FE { count(1) text(1...255) } 00, before the trailer 3B
//
// Searching takes any bytes and gives "" where there is no comment of ours; a comment is put into
// files of our own encoders only.  Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "media/kind.h"

namespace hadal {

// `comment` is ASCII of at most kMostCommentBytes.
std::string with_comment(FileKind kind, std::string file, std::string_view comment);

// The first comment that is_metadata_comment().
std::string find_comment(FileKind kind, std::span<const uint8_t> bytes);

}  // namespace hadal
