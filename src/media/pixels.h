// SPDX-License-Identifier: MIT
// Decoded frames into Pictures, and Pictures into frames for encoders.
//
//   FrameReader reader(request, turn_of_matrix(matrix));
//   Picture picture;
//   if (!reader.read(*frame, picture)) ...      // no memory, or a format that cannot be converted
//
// In this order: to RGB by the frame's own matrix and range; over white, where it is transparent,
// or that itself as a grey; upright; cut; scaled.  The first frame decides the size of all: later
// frames of another size are scaled to it.  One thread at a time.
#pragma once

#include <cstdint>
#include <optional>

#include "media/av.h"
#include "media/kind.h"
#include "media/picture.h"
#include "media/read.h"

namespace hadal {

// Where a stored pixel is shown: (x, y) goes to (a·x + c·y, b·x + d·y), moved into the picture.
// Quarter turns and mirrorings only.
struct Turn {
  int a = 1, b = 0, c = 0, d = 1;
  bool operator==(const Turn&) const = default;
};

// Of FFmpeg's 3×3 display matrix (ISO 14496-12, 8.5.2.3); any other matrix turns nothing.
Turn turn_of_matrix(const int32_t* matrix);

class FrameReader {
 public:
  // `turn` is of the container; a frame's own matrix, EXIF's for example, comes before it.
  FrameReader(const ReadRequest& request, Turn turn) : request_(request), turn_(turn) {}

  bool read(const AVFrame& frame, Picture& picture);

 private:
  FramePtr to_rgb(const AVFrame& frame);
  bool scale(const Picture& from, Picture& to);

  ReadRequest request_;
  Turn turn_;
  int64_t width_ = 0, height_ = 0;  // of all pictures, from the first on
  ScalerPtr to_rgb_, scaler_;
};

// What the request makes of stored pictures of this size, before any turning.
FrameSize shown_size(const ReadRequest& request, FrameSize stored, Turn turn);

// A frame of `format` and of the picture's size, or the next even one where the format halves its
// colours; BT.709 and limited range where it is YUV for films.  Null: no memory.
FramePtr frame_of_picture(const Picture& picture, AVPixelFormat format);

}  // namespace hadal
