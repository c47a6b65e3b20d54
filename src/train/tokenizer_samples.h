// SPDX-License-Identifier: MIT
// What a visual tokenizer learns from: runs of latent frames out of galleries, drawn by number.
//
//   TokenizerSamples samples(galleries, config);
//   VisualLesson lesson = samples.lesson(17, CodeNoise::none);  // the same every time, in any
//   thread
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "backends/torch/libtorch.h"
#include "base/random.h"
#include "scenes/gallery.h"
#include "train/tokenizer_config.h"

namespace hadal {

// One micro-batch of K latent frames, each of side × side pixels.
struct VisualLesson {
  at::Tensor patches;    // f32 [K, Y', X', patch_values]: what is shown and should come back
  at::Tensor weights;    // f32 [K, Y', X', temporal·patch²]: what each pixel counts
  at::Tensor before;     // i64 [K]: the latent frame before each one, itself at a start
  at::Tensor unrounded;  // f32 [K, 1, 1, 1]: 1 where digits are not rounded; undefined: nowhere
  at::Tensor shown;  // f32 [K, 1, 1, groups·digits]: 0 where digits are not shown; undefined: all
};

// What a lesson does to codes: nothing; hides some groups of some samples (fewer_groups); that, and
// leaves half of the samples unrounded.
enum class CodeNoise { none, fewer_groups, half_unrounded };

class TokenizerSamples {
 public:
  // A gallery for each source of config.train, which has the items that the source names.  Lends
  // both; they must outlive this.
  TokenizerSamples(const std::vector<Gallery>& galleries, const TokenizerTrainConfig& config);

  // Micro-batch `index` of a run.
  VisualLesson lesson(int64_t index, CodeNoise noise) const;

 private:
  struct Run {  // consecutive latent frames of an item, as its pixels are cut
    const Gallery& gallery;
    int64_t item, first, count;
    int64_t top, left;  // of the window; beyond the picture its border is repeated
    bool mirrored;
    std::array<int, 3> channels;   // which one is shown as red, green, blue
    std::array<uint8_t, 3> flips;  // 255: as its opposite
  };
  Run draw(Random& random, int64_t most) const;
  Tensor window(const Run& run, int64_t latent) const;

  const std::vector<Gallery>& galleries_;
  const TokenizerTrainConfig& config_;
  std::vector<double> shares_;  // of the galleries, summed up
};

// What pixels count: 1, and `foreground` more where they are not the median colour of their group
// of frames or differ from its first frame.  `pixels` is u8 [F, Y, X, 3]; the result has the order
// of patches (visual_tokenizer_pixels.h), one number a pixel.
Tensor pixel_weights(const Tensor& pixels, const VisualTokenizerConfig& config, double foreground);

}  // namespace hadal
