// SPDX-License-Identifier: MIT
// Frames of bytes <-> patches of numbers: the visual tokenizer's two ends.
//
// A patch is patch × patch pixels of the `temporal` frames of a group, in the order frame, row,
// column, colour; a byte b is the number b / 127.5 - 1.  Frames and pixels that a group or a grid
// of whole cells has too few of repeat the last ones.
#pragma once

#include <cstdint>

#include "base/tensor.h"
#include "model/visual_tokenizer_network.h"

namespace hadal {

// u8 [F, height, width, 3] with 1 … temporal frames -> f32 [1, Y', X', patch_values].
Tensor fold_frames(const Tensor& pixels_FYXC, const VisualTokenizerConfig& config);

// How a group came about: one frame that was repeated, or `temporal` frames.
enum class GroupKind { still, moving };

// f32 [1, Y', X', patch_values] in host memory -> u8 [1 or temporal, height, width, 3].  A still is
// the mean of the frames that stand for it.
Tensor unfold_frames(const Tensor& patches, const VisualTokenizerConfig& config, GroupKind kind,
                     int64_t height, int64_t width);

}  // namespace hadal
