// SPDX-License-Identifier: MIT
// Digit rows: codes of a cell that share a digit learn together.
//
// A code k is a number of `digits` digits, the first counting most (visual_tokenizer.h).  While a
// model is trained, the row of code k of group g in a table (the embedding, the head) is
//
//   W[g,k] = E[g,k] + Σ_d D[g,d,digit_d(k)],      ∂L/∂D[g,d,v] = Σ_{k: digit_d(k) = v} ∂L/∂W[g,k]
//
// and E and D have an Adam each.  Both decay alike, so the sum decays alike:
//
//   W ← W(1 − ηλ) − η·(step_E[g,k] + Σ_d step_D[g,d,digit_d(k)])
//
// W, the flat table that is published, is thus all there is of E and D but for their moments: any
// state of a run without digit rows can be gone on from, and an export needs no sum.
#pragma once

#include <cstdint>

#include "backends/torch/libtorch.h"
#include "base/result.h"
#include "model/config.h"
#include "train/parameters.h"

namespace hadal {

class DigitRows {
 public:
  // Refuses codes that are not two or more digits of `levels` values.
  static Result<DigitRows> create(const VisualVocabulary& visual, int64_t levels);

  // Of a table [V, D], the sum of the rows that share a digit: [digits, G, levels, D].
  at::Tensor gathered(const at::Tensor& table) const;
  // Adds to each row of a code the rows of its digits, times `scale`.
  void add_to(const at::Tensor& table, const at::Tensor& rows, double scale) const;
  // First values of a fresh table: half of each row's variance is that of its digits.
  void relate(Parameter& table, uint64_t seed) const;

  static bool has_rows(const TensorSpec& spec) {
    return spec.part == Part::embedding || spec.part == Part::head;
  }

 private:
  DigitRows(const VisualVocabulary& visual, int64_t levels, int64_t digits)
      : visual_(visual), levels_(levels), digits_(digits) {}
  // The rows of codes as [G, before, levels, after, D], where `levels` counts digit d.
  at::Tensor by_digit(const at::Tensor& table, int64_t digit) const;

  VisualVocabulary visual_;
  int64_t levels_, digits_;
};

}  // namespace hadal
