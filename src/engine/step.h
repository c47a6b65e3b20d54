// SPDX-License-Identifier: MIT
// A step: one forward pass over the next tokens of several sequences.
//
//   Step step(*model, ops, cache);
//   step.add(writer, 1);                 // a token that was sampled
//   step.add(reader, 64);                // a slice of a prompt
//   step.add_told(reader, 32, [](const Tensor& logits_CV) { … });   // … whose every row is told
//   step.run();                          // each has taken its own; logits where nothing is unread
//
// What a sequence gets does not depend on who else is in the step.  A sequence may be added once.
// One thread at a time.
#pragma once

#include <functional>
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
  // The same; the logits behind each of them are told when the step has run, on the host. Requires:
  // a sequence whose prompt needs all its logits (Wanted::needed_from).
  using Told = std::function<void(const Tensor& logits_CV)>;
  void add_told(Sequence& sequence, int64_t count, Told told);
  int64_t rows() const { return batch_.rows(); }
  // Requires: rows() > 0.  Afterwards the step is empty again.
  void run();

 private:
  struct Part {
    Sequence* sequence = nullptr;
    int64_t wanted_row = -1;  // of the logits
    int64_t told_row = 0, told_rows = 0;
    Told told = nullptr;
  };

  Model& model_;
  Ops& ops_;
  Cache& cache_;
  Batch batch_;
  std::vector<Part> parts_;
};

}  // namespace hadal
