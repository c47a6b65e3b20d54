// SPDX-License-Identifier: MIT
// The trainer: one step after another, from documents to moved weights.
//
//   TRY(auto trainer, Trainer::create(config, compressed_ids));
//   TRY_STATUS(trainer->resume());                     // if there is a state to go on from
//   while (trainer->step_index() < config.steps) TRY(StepReport report, trainer->step());
//
// A step: `accumulation` micro-batches of whole documents, each document a sequence of its own,
// forward and backward; losses are means over the step's tokens; the gradient is clipped; the
// optimiser moves; router biases follow the loads.  With `draft_of` only the draft head of a model
// that is done learns: its weights are read from its folder, and never written.  A loss or gradient
// that is not finite ends the run with the tensor's name, before anything has moved. With the same
// configuration and number of threads two runs agree to the bit, and so does a run that was killed
// and resumed.  One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/train_config.h"

namespace hadal {

struct StepReport {
  int64_t step = 0;      // counting from 1: how many steps are done
  int64_t tokens = 0;    // predicted in this step
  double loss = 0;       // nats a token of text; where a draft head learns: its loss a guess
  int64_t cells = 0;     // predicted in this step
  double cell_loss = 0;  // nats a cell, all its codes
  double balance = 0;    // mean sequence balance loss a token and layer; 1 is even
  double indexer = 0;    // mean KL a token and indexer
  double draft = 0;      // nats a token of the extra-token block, or of a draft head's guesses
  double gradient_norm = 0;
  double rate = 0;
};

struct HeldOut {
  int64_t tokens = 0;
  int64_t text_bytes = 0;
  double nats = 0;  // of text, in all; where a draft head learns: its loss
  int64_t cells = 0;
  double cell_nats = 0;  // of cells, in all
  double loss() const { return tokens > 0 ? nats / static_cast<double>(tokens) : 0; }
  double cell_loss() const { return cells > 0 ? cell_nats / static_cast<double>(cells) : 0; }
  double bits_per_byte() const;

  // Of a draft head's guesses by their place in a block, after the text's own tokens: the share
  // that the model would have made too, and of its draws what they could stand for.
  std::vector<double> agreed, overlap;
};

class Trainer {
 public:
  static Result<std::unique_ptr<Trainer>> create(const TrainConfig& config,
                                                 const std::vector<int32_t>& compressed_ids);
  virtual ~Trainer() = default;

  virtual Result<StepReport> step() = 0;
  virtual int64_t steps_done() const = 0;
  virtual int64_t parameter_count() const = 0;

  // Over the validation shards, at most `tokens`; the same documents every time.
  virtual Result<HeldOut> validate(int64_t tokens) = 0;

  // Weights, optimiser and position, as <out>/state-<step>.safetensors; the last two are kept.
  virtual Status save_state() = 0;
  // Goes on from the newest whole state of <out>; false if there is none.
  virtual Result<bool> resume() = 0;
  // config.json and model.safetensors in the published layout.
  virtual Status export_model(const std::string& folder) = 0;
};

}  // namespace hadal
