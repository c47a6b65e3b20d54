// SPDX-License-Identifier: MIT
// The sight of V4.1 (model-spec §7): an image becomes a span of embeddings.
//
//   TRY(ImagePlan plan, plan_image(config.vision, picture.width, picture.height));
//   // … the picture, resized to plan.width × plan.height …
//   Tensor patches = image_patches(config.vision, plan, rgb);
//   Tensor span_ND = model.look(plan, patches);   // plan.span() rows, for GivenRows
//
// A span stands in the sequence as START, then for each row of the token grid its cells and a
// NEWLINE, then END.  The encoder is a transformer over square patches that all see each other
// and whose heads turn by row and column; its grid is merged cell by cell into the width of the
// language model.  It reads weights and nothing else: any number of images, one thread at a time
// for each back end.  Source: [VI41] inference/vision.py; held to tests/goldens/v41-vision-tiny.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "ops/ops.h"

namespace hadal {

class Observer;

// The size an image is fitted into, and the grids that follow from it.
struct ImagePlan {
  int64_t width = 0, height = 0;              // pixels, whole patches
  int64_t patch_rows = 0, patch_columns = 0;  // what the encoder sees
  int64_t token_rows = 0, token_columns = 0;  // cells of downsample² patches, the last ones padded

  int64_t patches() const { return patch_rows * patch_columns; }
  int64_t cells() const { return token_rows * token_columns; }
  int64_t span() const { return token_rows * (token_columns + 1) + 2; }  // positions it takes
};

// For a picture of so many pixels (§7.2).  Refuses an empty one, and one so long and thin that no
// grid of max_image_tokens holds it.
Result<ImagePlan> plan_image(const VisionConfig& config, int64_t width, int64_t height);

// The plan of a picture that already has so many whole patches.
ImagePlan plan_of_patches(const VisionConfig& config, int64_t rows, int64_t columns);

// Row and column of every patch, in reading order: i64 [patches, 2], what vision_rope turns by.
Tensor patch_places(const ImagePlan& plan);

// RGB of plan.width × plan.height pixels, 8 bits each, to patches in reading order:
// f32 [patches, 3·p·p], from -1 to 1, each patch channel by channel.
Tensor image_patches(const VisionConfig& config, const ImagePlan& plan,
                     std::span<const uint8_t> rgb);

// [O, I] and its bias.
struct Affine {
  Weight weight;
  Tensor bias;
};

struct VisionBlockWeights {
  Tensor attention_norm, feed_forward_norm;
  Affine query, key, value;  // thirds of the stored wqkv
  Affine out;
  Weight gate, up;  // halves of the stored w1
  Weight down;
};

struct VisionWeights {
  Affine patch;
  std::vector<VisionBlockWeights> blocks;
  Tensor norm;
  Affine cell;  // the aligner's w1, its inputs put in the order (y, x, channel)
  Affine align;
  Tensor start, newline, end;
  bool defined() const { return norm.defined(); }
};

// Turns the first half of a head's pairs by the row, the second half by the column.
RopeTable vision_rope(const VisionConfig& config);

class Vision {
 public:
  Vision(const VisionConfig& config, VisionWeights weights, Ops& ops);

  // The span of one image: f32 [plan.span(), D] on the host.  `observer` may be null.
  Tensor encode(const ImagePlan& plan, const Tensor& patches, Observer* observer) const;

 private:
  Tensor affine(const Tensor& x, const Affine& w) const;
  Tensor block(const VisionBlockWeights& w, const Tensor& x_PC, const Tensor& places_P2) const;
  Tensor attention(const VisionBlockWeights& w, const Tensor& x_PC, const Tensor& places_P2) const;
  Tensor align(const ImagePlan& plan, const Tensor& x_PC) const;  // [cells, D]
  Tensor span(const ImagePlan& plan, const Tensor& cells_ND) const;

  VisionConfig config_;
  VisionWeights weights_;
  RopeTable rope_;
  Ops& ops_;
};

}  // namespace hadal
