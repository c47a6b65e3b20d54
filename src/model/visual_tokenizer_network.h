// SPDX-License-Identifier: MIT
// The visual tokenizer's configuration, tensors and network.  The network is written once over
// verbs; its callers differ in where weights come from and whether gradients are remembered.
//
// Encoder: a group's patches (patch² pixels of `temporal` frames) -> 1×1 -> residual blocks;
// every further stage halves the sides (2×2 cells become one) and has blocks of its own; then,
// where configured, a mix with the latent frame before, and 1×1 to groups·digits pre-codes.
// Decoder: the mirror image, with widths and blocks of its own.
//   block(x)  = x + out · silu(conv3×3(rms_norm(x)))
//   mix(x, p) = x + W · silu([x, p])          p: the cells of the latent frame before, or x itself
// RMSNorm by pixel and repeated borders keep codes local: a norm over the picture, or zeros around
// it, let a far corner change the codes of plain ground.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/ops.h"

namespace hadal {

struct VisualTokenizerConfig {
  int64_t spatial = 8;   // pixels of a cell's side
  int64_t temporal = 4;  // frames of a group
  int64_t patch = 4;     // pixels of a patch's side: what the first stage sees as one position
  int64_t groups = 4;    // codes of a cell
  int64_t digits = 3;    // of a code
  int64_t levels = 8;    // of a digit
  // By stage, from patches to cells; each stage halves the sides.
  std::vector<int64_t> encoder_widths = {64, 128};
  std::vector<int64_t> encoder_blocks = {1, 2};
  std::vector<int64_t> decoder_widths = {96, 192};
  std::vector<int64_t> decoder_blocks = {2, 2};
  bool encoder_time_mix = false;
  bool decoder_time_mix = true;

  static Result<VisualTokenizerConfig> parse(std::string_view json, std::string_view name);
  std::string to_json() const;  // parse(to_json()) gives the same configuration

  int64_t codes() const;  // values of a code: levels^digits
  int64_t all_digits() const { return groups * digits; }
  int64_t patch_values() const { return temporal * patch * patch * 3; }
  int64_t stages() const { return static_cast<int64_t>(encoder_widths.size()); }
  bool operator==(const VisualTokenizerConfig&) const = default;
};

// A tensor of the network.  Matrices are [out, in]; vectors are [out].
struct VisualTensor {
  std::string name;
  Shape shape;
  bool is_matrix() const { return shape.size() == 2; }
};
// All tensors in the order of the network, with the names of visual_tokenizer.safetensors.
std::vector<VisualTensor> visual_tensor_list(const VisualTokenizerConfig& config);

// Where weights come from: a file, or a trainer's parameters.
using VisualTensorSource = std::function<Result<Weight>(const VisualTensor& tensor)>;

class VisualNetwork {
 public:
  static Result<VisualNetwork> create(const VisualTokenizerConfig& config,
                                      const VisualTensorSource& source, Ops& ops);

  // Patches [K, Y', X', patch_values] of values -1 … 1 -> pre-codes [K, Y, X, groups·digits] of K
  // latent frames.  `before` [K] says which of them is the one before each (itself at a start).
  Tensor encode(const Tensor& patches, const Tensor& before, Ops& ops) const;
  // Squashed digits [K, Y, X, groups·digits] -> patches.
  Tensor decode(const Tensor& values, const Tensor& before, Ops& ops) const;

  // The same in two steps, for streams: cells before and after the mix with the frame before.
  Tensor encode_cells(const Tensor& patches, Ops& ops) const;
  Tensor encode_codes(const Tensor& cells, const Tensor& cells_before, Ops& ops) const;
  Tensor decode_cells(const Tensor& values, Ops& ops) const;
  Tensor decode_patches(const Tensor& cells, const Tensor& cells_before, Ops& ops) const;

 private:
  struct Layer {  // a matrix and its bias
    Weight weight;
    Tensor bias;
  };
  struct Block {
    Tensor norm;
    Layer neighbours, out;
  };
  struct Stage {
    Layer entry;  // from the stage before
    std::vector<Block> blocks;
  };
  struct Half {
    std::vector<Stage> stages;  // in the order in which they run
    Layer mix_here;             // undefined where time is not mixed
    Weight mix_before;
    Tensor norm;
    Layer exit;
  };
  class Binder;

  static Tensor apply(const Layer& layer, const Tensor& x, Ops& ops);
  static Tensor run(const std::vector<Block>& blocks, Tensor x, Ops& ops);
  static Tensor mixed(const Half& half, const Tensor& cells, const Tensor& before, Ops& ops);
  static Tensor leave(const Half& half, const Tensor& x, Ops& ops);

  Half encoder_, decoder_;
};

}  // namespace hadal
