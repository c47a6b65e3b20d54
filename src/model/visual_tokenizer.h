// SPDX-License-Identifier: MIT
// The visual tokenizer: pictures and clips <-> codes, over the same verbs as the model.
//
//   TRY(auto tokenizer, VisualTokenizer::open("models/nano", ops));
//   Tensor codes_KYXG = tokenizer->encode_clip(pixels_FYXC);               // i64, 0 … codes()-1
//   Tensor again_FYXC = tokenizer->decode_clip(codes_KYXG, height, width);  // u8
//
// Time: the first frame is repeated to fill a group of its own, every further `temporal` frames
// are one group; a group becomes one latent frame.  1 + temporal·k frames <-> 1 + k latent frames,
// and a picture is a clip of one frame.  A clip of another length has its last frame repeated.
// Space: a cell is spatial × spatial pixels; sides that are no multiple have their border
// repeated, and the surplus is cut off again.  A cell is `groups` codes of levels^digits values.
// Codes are local: a cell's codes depend on the pixels of a few cells around it alone, and the
// same surroundings have the same codes everywhere, at the border of a picture too.
//
// The first groups say most: a tokenizer that was trained for it (train/tokenizer_config.h,
// fewer_groups) may be opened with fewer groups than it has, for codes that are easier to learn and
// pictures that are a little coarser.
//
// For clips of any length, and for a generator that makes one latent frame after another:
//
//   VisualStream in, out;                                   // one latent frame of memory each
//   Tensor codes_YXG = tokenizer->encode(group_FYXC, in);   // first one frame, then `temporal`
//   Tensor frames_FYXC = tokenizer->decode(codes_YXG, height, width, out);
//
// Source of the quantiser: see `squash` in ops/ops.h.  Deterministic; one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/visual_tokenizer_network.h"
#include "ops/ops.h"

namespace hadal {

// What a stream of latent frames remembers: the cells of the last one.  Fresh for each clip.
struct VisualStream {
  int64_t latent_frames = 0;  // done so far
  Tensor cells;
};

class VisualTokenizer {
 public:
  // Reads visual_tokenizer.json and visual_tokenizer.safetensors of a folder; every name, shape
  // and number format is checked.  With `groups` cells are the first so many codes alone, and
  // config().groups says so; 0: all that the files have.
  static Result<std::unique_ptr<VisualTokenizer>> open(const std::string& folder, Ops& ops,
                                                       int64_t groups = 0);
  // Whether the folder has a visual tokenizer at all.
  static bool is_in(const std::string& folder);
  static Result<std::unique_ptr<VisualTokenizer>> create(const VisualTokenizerConfig& config,
                                                         const VisualTensorSource& source,
                                                         Ops& ops);

  // The tensors of a folder's visual_tokenizer.safetensors, checked: what open() and a training
  // that goes on from them read.
  static Result<VisualTensorSource> tensors_of(const std::string& folder,
                                               const VisualTokenizerConfig& config);

  const VisualTokenizerConfig& config() const { return config_; }
  // Cells along a side of so many pixels.
  int64_t cells(int64_t pixels) const { return (pixels + config_.spatial - 1) / config_.spatial; }
  int64_t latent_frames(int64_t frames) const {
    return 1 + (frames - 1 + config_.temporal - 1) / config_.temporal;
  }
  // Frames that so many latent frames stand for.
  int64_t frames(int64_t latent_frames) const { return 1 + (latent_frames - 1) * config_.temporal; }

  // The next latent frame of a stream.  Pixels are u8 [F, height, width, 3], sRGB: one frame at the
  // start of a stream, then 1 … temporal frames (the last is repeated).  -> i64 [Y, X, groups]
  Tensor encode(const Tensor& pixels_FYXC, VisualStream& stream) const;
  // The next latent frame back: u8 [1, height, width, 3] at the start of a stream, then
  // [temporal, height, width, 3].  Requires codes in range and a grid of
  // that size.
  Tensor decode(const Tensor& codes_YXG, int64_t height, int64_t width, VisualStream& stream) const;

  // Whole clips, through the same streams: u8 [F, height, width, 3] <-> i64 [K, Y, X, groups].
  Tensor encode_clip(const Tensor& pixels_FYXC) const;
  Tensor decode_clip(const Tensor& codes_KYXG, int64_t height, int64_t width) const;

 private:
  VisualTokenizer(VisualTokenizerConfig config, VisualNetwork network, Ops& ops)
      : config_(std::move(config)),
        network_digits_(config_.all_digits()),
        network_(std::move(network)),
        ops_(ops) {}

  VisualTokenizerConfig config_;
  int64_t network_digits_;  // of all groups, used or not
  VisualNetwork network_;
  Ops& ops_;
};

}  // namespace hadal
