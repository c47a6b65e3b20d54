// SPDX-License-Identifier: MIT
// What `hadal train` is asked to do when a visual tokenizer is learnt: a JSON file with
// "kind": "visual_tokenizer", every key checked by name and range.
//
//   TRY(TokenizerTrainConfig config, TokenizerTrainConfig::open("tokenizer.json", {"steps=100"}));
//
// Paths are relative to the file that names them.  `network_changes` is merged into the network's
// file: that is how an ablation changes one thing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/visual_tokenizer_network.h"
#include "train/schedule.h"

namespace hadal {

// A part of a gallery to learn from or to measure on, and what may be done to its pictures without
// harm.
struct TokenizerSource {
  std::string gallery;
  int64_t first = 0;    // item
  int64_t count = 0;    // items; 0: to the end
  double weight = 1;    // how often it is drawn from, against the others
  bool mirror = false;  // half of the samples left to right
  int64_t shift = 0;    // samples are moved by up to so many pixels each way
  // Share of samples whose red, green and blue change places and are turned to their opposites at
  // random: forms are learnt in colours that the gallery does not show them in.
  double recolour = 0;
};

struct TokenizerLossWeights {
  double absolute = 1;    // L1 in brightness and two colour differences
  double square = 1;      // L2 in red, green, blue
  double gradient = 0.5;  // L1 of differences between neighbours, at two scales
  double decibels = 0;    // mean over latent frames of log10 of the mean square error
  double colour = 1.5;    // weight of the colour differences in `absolute`
  double foreground = 2;  // added weight of pixels that move or are not the picture's ground
};

struct TokenizerTrainConfig {
  std::string network;  // visual_tokenizer.json
  std::vector<TokenizerSource> train;
  std::vector<TokenizerSource> valid;  // may be empty; not mirrored, not moved
  std::string out;                     // folder of checkpoints, log and plot

  uint64_t seed = 1;
  int64_t steps = 1000;
  int64_t latent_frames = 16;  // of one forward and backward pass
  int64_t accumulation = 1;    // passes a step
  int64_t side = 64;           // pixels: larger pictures are cut, smaller ones bordered
  int64_t longest_run = 4;     // latent frames of one sample of a clip

  // Goes on from these weights (a folder with visual_tokenizer.json) instead of first values.
  std::string start_from;
  // The encoder stays as it is: pictures come back better from the same codes, so that what was
  // learnt over them stays true.
  bool decoder_only = false;

  bool muon = false;  // for matrices; else AdamW for all
  double learning_rate = 2e-3;
  double final_learning_rate = 1e-4;
  int64_t warmup_steps = 50;
  int64_t decay_start = 500;
  double clip = 1;
  double muon_momentum = 0.95;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.99;
  double adam_epsilon = 1e-8;
  double weight_decay = 0.01;

  TokenizerLossWeights loss;
  // Shares of all steps.  Until the first one half of the samples are not rounded; from the second
  // one on pre-codes are scaled by running means instead of the batch's own.
  double unrounded_until = 0.25;
  double fixed_scales_from = 0.5;

  // Share of samples of which only the first groups of codes are shown to the decoder, any number
  // of them: then the first ones learn to say most, and pictures come back from a part of the
  // codes.
  double fewer_groups = 0;
  int64_t fewest_groups = 1;  // what these samples are shown at least

  int64_t validate_every = 200;
  int64_t validate_items = 50;  // of each gallery, evenly spread
  int64_t save_every = 200;
  int64_t threads = 0;          // 0: as many as the machine has
  VisualTokenizerConfig shape;  // the network after network_changes

  static Result<TokenizerTrainConfig> open(const std::string& path,
                                           const std::vector<std::string>& settings);
  static Result<TokenizerTrainConfig> parse(std::string_view json, const std::string& path,
                                            const std::vector<std::string>& settings);
  // Whether a training configuration is of this kind.
  static Result<bool> is_kind(const std::string& path);

  Schedule schedule() const {
    return {steps, warmup_steps, decay_start, learning_rate, final_learning_rate};
  }
};

}  // namespace hadal
