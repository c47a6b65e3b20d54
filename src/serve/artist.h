// SPDX-License-Identifier: MIT
// The artist: orders for pictures and clips go in, finished files come out.
//
//   if (const std::optional<ArtFault> fault = artist.fault_of(order)) …     // a 400 by name
//   Result<Artwork> made = artist.make(order, sink, cancel);
//
// All that the server knows of painting is this page, as worker.h is all it knows of writing.
//
// make() takes as long as it takes; one thread at a time.  The rest may be called from anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "media/kind.h"
#include "media/read.h"

namespace hadal {

struct ArtOrder {
  std::string prompt;
  int64_t count = 1;              // pictures of the same prompt, with seeds one after the other
  int64_t width = 0, height = 0;  // pixels
  int64_t frames = 1;             // 1: a still
  double fps = 8;
  uint64_t seed = 0;
  double guidance = 2;  // how much the prompt weighs; 1: as it is
  int64_t passes = 0;   // 0: cell after cell
  double temperature = 1;
  int64_t top_k = 0;        // 0: all
  std::string first_frame;  // bytes of a picture's file, from which a clip goes on; empty: none
  // first_frame is a clip's file: the work begins with all of it and goes on from its last frame,
  // which counts among `frames`.
  bool extends = false;
  // first_frame is a picture to be drawn anew, by what the model says that it shows.
  bool redraws = false;
  // first_frame is a picture, or a clip of as many frames, that is painted over, in passes: so
  // great a part of its cells, of those alone that `region`, a picture's file, shows white, or
  // transparent. The others stay.  0: it is not.
  double paint_over = 0;
  std::string region;  // empty: everywhere
  bool region_is_transparent = false;
  // Of a clip only its last frame is wanted, as a still: how a picture looks afterwards.
  bool ends_as_still = false;
  FileKind kind = FileKind::png;
  int64_t quality = 100;  // of JPEG and WebP
  int64_t previews = 0;   // of each picture, as PNG files, while it is painted
  bool gallery = false;   // thumbnail and sheet beside the file

  bool is_still() const { return frames == 1 || ends_as_still; }
};

struct ArtFile {
  std::string bytes;
  uint64_t seed = 0;
  std::string thumbnail, sheet;  // JPEG: the first frame; frames beside each other
  std::string caption;           // of what was redrawn
};

struct Artwork {
  std::vector<ArtFile> files;
  int64_t text_tokens = 0;   // of all prompts
  int64_t given_cells = 0;   // of first frames
  int64_t output_cells = 0;  // that were painted
};

// What an artist can do at all, and does when an order does not say.
struct ArtLimits {
  int64_t least_side = 8;    // pixels
  int64_t longest_side = 0;  // pixels
  int64_t cell_side = 8;     // pixels of what is decided at once; a pass decides at least one
  int64_t most_count = 10;
  int64_t most_frames = 0;
  int64_t usual_width = 64, usual_height = 64, usual_frames = 9;
  double usual_fps = 8;
  double usual_guidance = 1, usual_temperature = 1;
};

struct ArtFault {
  std::string field;  // "size", "num_frames", as the APIs call it
  std::string message;
};

// Hears of a work while it is made, on the thread that makes it.
class ArtSink {
 public:
  virtual ~ArtSink() = default;
  virtual void progress(double part) = 0;  // 0 … 1
  // `number` of the picture's previews, from 0.
  virtual void preview(int64_t picture, int64_t number, std::string png) = 0;
};

class Artist {
 public:
  virtual ~Artist() = default;
  virtual ArtLimits limits() const = 0;
  // What is wrong with an order.  Whether its first frame can be read is seen in make().
  virtual std::optional<ArtFault> fault_of(const ArtOrder& order) const = 0;
  // After `cancel` it returns soon, with what it likes.  REQUIRES an order without a fault.
  virtual Result<Artwork> make(const ArtOrder& order, ArtSink& sink,
                               const std::atomic<bool>& cancel) = 0;
  // Whether the model says what a picture or clip shows: ids after which it writes that, of a
  // picture's file, or with a part of a clip's.  Any thread, also beside make().
  virtual bool looks() const { return false; }
  virtual Result<std::vector<int64_t>> looking_at(const std::string& file,
                                                  const std::optional<ClipPart>& part);
};

}  // namespace hadal
