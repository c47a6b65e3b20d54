// SPDX-License-Identifier: MIT
// The viewer: a picture's file goes in, what a model that sees makes of it comes out.
//
//   Result<Tensor> rows_ND = viewer.view(png, 4096);      // N positions of the prompt, on the host
//
// All that the server knows of sight is this page, as worker.h is all it knows of writing.
//
// view() takes as long as it takes; any thread may call, and waits for the others.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/tensor.h"

namespace hadal {

class Viewer {
 public:
  virtual ~Viewer() = default;
  // Embeddings, f32 [N, width of the model].  The same bytes give the same numbers.  Refuses what
  // is no picture, and before it computes what takes more than `most` positions.
  virtual Result<Tensor> view(std::string_view picture, int64_t most) = 0;
  // The token that stands for a picture in a prompt.
  virtual int64_t placeholder() const = 0;
};

}  // namespace hadal
