// SPDX-License-Identifier: MIT
// A step: one forward pass over the next tokens of several sequences.
//
//   Step step(*model, ops, cache);
//   step.add(writer, 1);                 // a token that was sampled
//   step.add(reader, 64);                // a slice of a prompt
//   step.run();                          // each has taken its own; logits where nothing is unread
//
// What a sequence gets does not depend on who else is in the step.  A sequence may be added once.
// One thread at a time.
#pragma once

#include <vector>

#include "engine/sequence.h"
#include "model/model.h"
#include "ops/ops.h"

namespace hadal {

class Step {
 public:
  Step(Model& model, Ops& ops, Cache& cache) : model_(model), ops_(ops), cache_(cache) {}

  // The next `count` unread tokens; Sequence::add_to says how many may be.
  void add(Sequence& sequence, int64_t count);
  int64_t rows() const { return batch_.rows(); }
  // Requires: rows() > 0.  Afterwards the step is empty again.
  void run();

 private:
  struct Part {
    Sequence* sequence = nullptr;
    int64_t wanted_row = -1;  // of the logits
  };

  Model& model_;
  Ops& ops_;
  Cache& cache_;
  Batch batch_;
  std::vector<Part> parts_;
};

}  // namespace hadal
