// SPDX-License-Identifier: MIT
// The visual tokenizer's trainer: one step after another, from galleries to moved weights.
//
//   TRY(auto trainer, TokenizerTrainer::create(config));
//   TRY(bool found, trainer->resume());                // if there is a state to go on from
//   while (trainer->steps_done() < config.steps) TRY(TokenizerStep done, trainer->step());
//
// A loss or gradient that is not finite ends the run with the tensor's name, before anything has
// moved.  With the same configuration and number of threads two runs agree to the bit, and so does
// a run that was killed and resumed.  One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "train/tokenizer_config.h"

namespace hadal {

struct TokenizerStep {
  int64_t step = 0;           // counting from 1: how many steps are done
  int64_t latent_frames = 0;  // of this step
  double loss = 0;
  double gradient_norm = 0;
  double rate = 0;
};

// Restored pictures and clips of one set, with codes as they are sent.
struct TokenizerSet {
  int64_t items = 0;
  double decibels = 0;  // sum of PSNR
};

struct TokenizerHeldOut {
  double loss = 0;                           // as in training
  std::map<std::string, TokenizerSet> sets;  // by kind
};

class TokenizerTrainer {
 public:
  static Result<std::unique_ptr<TokenizerTrainer>> create(const TokenizerTrainConfig& config);
  virtual ~TokenizerTrainer() = default;

  virtual Result<TokenizerStep> step() = 0;
  virtual int64_t steps_done() const = 0;
  virtual int64_t parameter_count() const = 0;

  // Over the validation galleries; the same items every time.
  virtual Result<TokenizerHeldOut> validate() = 0;

  // Weights, optimiser and position, as <out>/state-<step>.safetensors; the last two are kept.
  virtual Status save_state() = 0;
  // Goes on from the newest whole state of <out>; false if there is none.
  virtual Result<bool> resume() = 0;
  // visual_tokenizer.json and visual_tokenizer.safetensors: matrices in BF16, vectors in F32.
  virtual Status export_model(const std::string& folder) = 0;
};

}  // namespace hadal
