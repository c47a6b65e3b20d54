// SPDX-License-Identifier: MIT
// Clips into files: .png, .jpg, .jpeg, .webp, .gif, .mp4 and .webm, by the ending of the name.
//
//   TRY_STATUS(write_media("sea.mp4", clip, {{"prompt", "the sea"}, {"seed", "7"}}));
//   TRY(std::string png, encode_media(clip, FileKind::png, {}));
//
// PNG, JPEG and WebP hold one frame; PNG is lossless, and so is WebP at its best quality.  A GIF is
// exact when the clip has at most 256 colours, else quantised and dithered; it loops for ever and
// counts time in 1/100 s.  MP4 is H.264 (libx264; where the library lacks it, MPEG-4 part 2), WebM
// is VP9.  Their frames have even sizes: an odd row or column is doubled at the edge, so the file
// reads back one pixel larger.
//
// A file is replaced as a whole (base/file.h).  The same clip gives the same bytes.  Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "media/kind.h"
#include "media/metadata.h"
#include "media/picture.h"

namespace hadal {

Status write_media(const std::string& path, const Clip& clip, const Metadata& metadata = {});

// Of JPEG and WebP, the only kinds that are smaller for less.
constexpr int64_t kBestQuality = 100;

// The bytes of such a file.  `name` begins the message of a failure; `quality` is 0 to 100.
Result<std::string> encode_media(const Clip& clip, FileKind kind, const Metadata& metadata = {},
                                 const std::string& name = "clip", int64_t quality = kBestQuality);

struct FilmForm {
  FileKind kind = FileKind::mp4;  // mp4 or webm
  int64_t width = 0, height = 0;  // pixels
  double fps = 0;
};

// A film whose frames come one by one: only its file grows in memory, not its pixels.
//
//   TRY(FilmEncoder film, FilmEncoder::open({FileKind::mp4, 1280, 720, 24}, metadata, path));
//   TRY_STATUS(film.add(picture));
//   TRY(const std::string bytes, film.finish());     // the bytes that encode_media() gives
class FilmEncoder {
 public:
  static Result<FilmEncoder> open(const FilmForm& form, const Metadata& metadata,
                                  const std::string& name);
  FilmEncoder(FilmEncoder&&) noexcept;
  FilmEncoder& operator=(FilmEncoder&&) noexcept;
  ~FilmEncoder();

  Status add(const Picture& picture);
  int64_t frames() const;        // added so far
  Result<std::string> finish();  // nothing may be added afterwards

 private:
  friend Result<std::string> encode_media(const Clip& clip, FileKind kind, const Metadata& metadata,
                                          const std::string& name, int64_t quality);
  static Result<std::string> encode(const Clip& clip, FileKind kind, const std::string& comment,
                                    const std::string& name);
  struct Film;
  explicit FilmEncoder(std::unique_ptr<Film> film);

  std::unique_ptr<Film> film_;
};

}  // namespace hadal
