// SPDX-License-Identifier: MIT
// The viewer: a picture's or a clip's file goes in, what a model that sees makes of it comes out.
//
//   Result<std::vector<SeenFrame>> one = viewer.view(png, {}, 4096);
//   Result<std::vector<SeenFrame>> frames = viewer.view(mp4, ClipPart{.fps = 1}, 4096);
//
// All that the server knows of sight is this page, as worker.h is all it knows of writing.
//
// view() takes as long as it takes; any thread may call, and waits for the others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "media/read.h"

namespace hadal {

struct SeenFrame {
  std::string label = {};  // stands before it in the prompt; the time of a clip's frame
  Tensor rows_ND;          // its positions' embeddings, f32 [N, width of the model], on the host
};

class Viewer {
 public:
  virtual ~Viewer() = default;
  // Of a picture one; with a part of a clip, those frames that show something new.  The same
  // bytes give the same numbers.  Refuses what is no picture, and before it computes what takes
  // more than `most` positions.
  virtual Result<std::vector<SeenFrame>> view(std::string_view file,
                                              const std::optional<ClipPart>& part,
                                              int64_t most) = 0;
  // The token that stands for a picture in a prompt.
  virtual int64_t placeholder() const = 0;
};

}  // namespace hadal
