// SPDX-License-Identifier: MIT
// One worker of a training step: a model over the shared weights with gradients of its own, so
// that micro-batches run side by side, each on one thread.
//
//   TRY(auto worker, Worker::create(config, model_config, parameters, compressed_ids));
//   worker->learn(lesson, scale, dense);        // forward and backward; in any thread
//   worker->gradients().find(name)->value.grad();
//
// Two threads on two micro-batches need no barrier inside a verb; on small models that is twice
// as fast as two threads inside each verb, and the sums stay in a fixed order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/auxiliary_losses.h"
#include "train/document_order.h"
#include "train/draft_loss.h"
#include "train/lesson.h"
#include "train/parameters.h"
#include "train/train_config.h"

namespace hadal {

// Sums over the tokens of the lessons since the last clear().
struct Lessons {
  double nats = 0;       // of text
  int64_t tokens = 0;    // of text, predicted
  double cell_nats = 0;  // of cells, all their codes
  int64_t cells = 0;
  double draft_nats = 0;
  // Of guesses, by their place in a block: how many, how many the model would have made too, and
  // what share of its draws they could stand for, in all.
  std::vector<double> guessed, agreed, overlap;
  double balance = 0;  // times rows
  double indexer = 0;  // times rows
  int64_t rows = 0;
};

class Worker {
 public:
  // `others`: the weights that are not among the parameters.
  static Result<std::unique_ptr<Worker>> create(const TrainConfig& config,
                                                const ModelConfig& model_config,
                                                const Parameters& parameters,
                                                const WeightSource& others,
                                                const std::vector<int32_t>& compressed_ids);

  // Gradients of (sum of losses)·scale are added to the worker's own.  A loss that is not finite
  // is an Error that names the first tensor that is not finite either.
  Status learn(const Lesson& lesson, double scale, bool dense);
  // The first tensor of a forward pass that is not finite, by layer and name.
  std::string first_not_finite(const Lesson& lesson);
  // The same sums over one lesson, without gradients.
  Lessons measure(const Lesson& lesson, bool dense);

  Parameters& gradients() { return parameters_; }
  AuxiliaryLosses& losses() { return losses_; }
  const Lessons& lessons() const { return lessons_; }
  void clear();

 private:
  Worker(const TrainConfig& config, const ModelConfig& model_config, const Parameters& parameters);
  // Sum of the losses of text and cells; counted in `found`.
  at::Tensor losses_of(const Lesson& lesson, const Tensor& state_WD, Lessons& found);
  at::Tensor cell_loss(const Tensor& state_WD, const std::vector<int64_t>& cells, Lessons& found);
  Cache cache_for(const Lesson& lesson);
  at::Tensor forward(const Lesson& lesson);
  // Where only the draft head learns: undefined if there is no place for a guess.  `observer` looks
  // on at the head alone; it may be null.
  at::Tensor forward_draft(const Lesson& lesson, Lessons& found, AuxiliaryLosses* observer);
  void note(const BlockLesson& blocks, const DraftLoss& loss, Lessons& found) const;

  const TrainConfig& config_;
  const ModelConfig& model_config_;
  Parameters parameters_;
  AuxiliaryLosses losses_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  Lessons lessons_;
};

}  // namespace hadal
