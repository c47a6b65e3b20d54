// SPDX-License-Identifier: MIT
// Foreign bytes into pictures, in this process: what the sandboxed child runs, and the fuzzer.
// Everyone else reads through read.h.
//
//   Verdict verdict = decode_media(bytes, {.request = request, .limits = limits}, sink);
//   if (verdict.refusal != Refusal::none) ...
//
// Formats and codecs are named one by one; libavformat sees the bytes and can open nothing else.
// Limits are held against headers first, then the table of frames, then each decoded frame.  One
// thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "media/kind.h"
#include "media/picture.h"
#include "media/read.h"

namespace hadal {

enum class Refusal : uint32_t {
  none,
  unreadable,  // not of the formats, broken, or needing more than it may have
  animated,    // a WebP of several pictures
  file_bytes,  // and the limits, by their names in ReadLimits
  frame_pixels,
  frames,
  seconds,
  total_pixels,
  no_sandbox,  // the machine's fault: the child did not read a byte
};

struct Verdict {
  Refusal refusal = Refusal::none;
  int64_t found = 0, limit = 0;
};

struct DecodeTask {
  bool facts_only = false;  // the table of frames, and no pictures
  ReadRequest request;
  ReadLimits limits;
};

// What headers and the table of frames say.
struct MediaFacts {
  FileKind kind = FileKind::unknown;
  int64_t width = 0, height = 0;  // stored
  int64_t frames = 0;             // stored
  double fps = 0;                 // of a still: 0
  double clip_fps = 8;            // of the pictures that will be given
  std::string comment = {};       // ours, or empty
};

class DecodeSink {
 public:
  virtual ~DecodeSink() = default;
  virtual void facts(const MediaFacts& facts) = 0;   // once, before all pictures
  virtual void picture(const Picture& picture) = 0;  // all of one size
};

Verdict decode_media(std::span<const uint8_t> bytes, const DecodeTask& task, DecodeSink& sink);

}  // namespace hadal
