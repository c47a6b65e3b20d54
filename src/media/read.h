// SPDX-License-Identifier: MIT
// The door for foreign pictures and clips: PNG, JPEG, WebP (stills), GIF, MP4 (H.264) and WebM
// (VP8, VP9), by what the bytes are and not by what the file is called.
//
//   TRY(Clip clip, read_media("photo.jpg"));
//   TRY(Clip clip, read_media("film.mp4", {.width = 128, .height = 128, .fps = 8}));
//   TRY(MediaInfo info, read_media_info("film.mp4"));    // decodes nothing
//
// The bytes are read by a child process that may do nothing but compute (sandbox.h).  Whatever it
// dies of, the caller gets one line: "film.mp4: not a picture or clip that can be read".
//
// What is transparent is laid over white, unless that is what is asked for.  Pictures are upright:
// what EXIF (JPEG) and the display matrix (MP4) say of turning and mirroring is done.  A clip that
// breaks off keeps the frames before the break; a still that breaks off is refused.  Sound,
// subtitles and colour profiles are ignored.
//
// Any thread; each call has a child of its own and returns when that child has ended.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "media/metadata.h"
#include "media/picture.h"

namespace hadal {

// What a file may ask for.  Checked on the headers before anything is decoded, and again on what
// the decoder gives.
struct ReadLimits {
  int64_t file_bytes = 256 << 20;
  int64_t frame_pixels = 1 << 25;  // 33 million: above any phone's photo and 8K video
  int64_t frames = 7200;           // four minutes at 30 a second
  double seconds = 600;
  int64_t total_pixels = 1 << 28;  // of all frames that are given back: 800 MB
  double wait_seconds = 60;        // the child's time, its start included
  int64_t memory_bytes = 1 << 30;  // the child's memory, beyond program and file
};

enum class Shows {
  colours,       // over white where they are transparent
  transparency,  // instead: white where nothing is seen, black where a pixel is opaque
};

enum class Fit {
  cover,    // keeps the proportions and cuts what stands out, the same on both sides
  stretch,  // the whole picture, whatever becomes of its proportions
};

struct ReadRequest {
  int64_t width = 0, height = 0;  // 0 and 0: as it is in the file.  Scaled bicubically
  Fit fit = Fit::cover;
  Shows shows = Shows::colours;
  // 0: the frames as they are stored, at their mean rate.  Otherwise the frame that is shown at
  // 0, 1/fps, 2/fps ... seconds, at least one.
  double fps = 0;
  // 0: all.  With `fps`: the first so many.  Without: so many, evenly over the clip, or all where
  // it has fewer.
  int64_t frames = 0;
  double start = 0;  // with `fps`: the first one is the frame that is shown at so many seconds
};

Result<Clip> read_media(const std::string& path, const ReadRequest& request = {},
                        const ReadLimits& limits = {});

// The same for a file that is in memory; `name` begins the message of a failure.
Result<Clip> read_media_bytes(std::string_view bytes, const std::string& name,
                              const ReadRequest& request = {}, const ReadLimits& limits = {});

struct MediaInfo {
  std::string format;             // "PNG", "MP4"
  int64_t width = 0, height = 0;  // as stored, before any turning
  int64_t frames = 0;
  double fps = 0;  // of a still: 0
  Metadata metadata;
};

Result<MediaInfo> read_media_info(const std::string& path, const ReadLimits& limits = {});
Result<MediaInfo> read_media_info_bytes(std::string_view bytes, const std::string& name,
                                        const ReadLimits& limits = {});

// What is seen of a clip, as those who show it ask for it.
struct ClipPart {
  double fps = 0;             // frames a second; 0: as the reader thinks best
  double start = 0, end = 0;  // seconds; an end of 0: the clip's own

  bool is_whole() const { return fps == 0 && start == 0 && end == 0; }
};

// What write_media() stored; empty where the file has none.
Result<Metadata> read_metadata(const std::string& path, const ReadLimits& limits = {});

}  // namespace hadal
