// SPDX-License-Identifier: MIT
// Clips into files: .png, .jpg, .jpeg, .gif, .mp4 and .webm, by the ending of the name.
//
//   TRY_STATUS(write_media("sea.mp4", clip, {{"prompt", "the sea"}, {"seed", "7"}}));
//   TRY(std::string png, encode_media(clip, FileKind::png, {}));
//
// PNG and JPEG hold one frame; PNG is lossless.  A GIF is exact when the clip has at most 256
// colours, else quantised and dithered; it loops for ever and counts time in 1/100 s.  MP4 is H.264
// (libx264; where the library lacks it, MPEG-4 part 2), WebM is VP9.  Their frames have even sizes:
// an odd row or column is doubled at the edge, so the file reads back one pixel larger.
//
// A file is replaced as a whole (base/file.h).  The same clip gives the same bytes.  Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "media/kind.h"
#include "media/metadata.h"
#include "media/picture.h"

namespace hadal {

Status write_media(const std::string& path, const Clip& clip, const Metadata& metadata = {});

// The bytes of such a file.  `name` begins the message of a failure.
Result<std::string> encode_media(const Clip& clip, FileKind kind, const Metadata& metadata = {},
                                 const std::string& name = "clip");

}  // namespace hadal
