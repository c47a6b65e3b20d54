// SPDX-License-Identifier: MIT
// The optimiser: Muon for matrices, AdamW for the rest, row-wise Adam for Engram tables.
//
//   Optimiser optimiser(parameters, options);
//   optimiser.step(rate, threads);                       // reads and clears gradients
//
// Muon (model-spec §10.2): B ← μB + G;  O = NS(μB + G)·√max(n,m)·0.18;  W ← W(1 − ηλ) − ηO.  The
// matrices of `muon_heads` are split per head and orthogonalised apart (§10.3).  Matrices of one
// shape go through the iterations together.
// AdamW: β 0.9/0.95, ε 1e-20, decay as Muon; none for norms, biases and gates.
// Engram tables: Adam without decay at `engram_rate` times the rate, and only on rows that were
// looked up in this step: a row seen once moves once.  The report's momentum with Sinkhorn
// balancing (§10.3) leaves its momentum value open; this is our choice for small tables.
// Digit rows, if given, learn beside the embedding and the head (digit_rows.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "train/digit_rows.h"
#include "train/parameters.h"

namespace hadal {

struct OptimiserOptions {
  double muon_momentum = 0.95;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-20;
  double weight_decay = 0.1;
  double engram_rate = 5;
};

class Optimiser {
 public:
  Optimiser(Parameters& parameters, const OptimiserOptions& options,
            std::optional<DigitRows> digits = std::nullopt);

  // On several threads; which one does what changes nothing.
  Status step(double rate, int64_t threads);

  // Everything it remembers, by name, for the training state; the tensors are its own storage.
  std::vector<std::pair<std::string, at::Tensor>> memory() const;
  int64_t steps_done() const { return steps_done_; }
  void set_steps_done(int64_t steps) { steps_done_ = steps; }

 private:
  struct MuonSlot {
    Parameter* parameter;
    int64_t heads;
    at::Tensor momentum_HNM;  // [heads, rows, columns]
  };
  struct AdamSlot {
    Parameter* parameter;
    double decay;
    double rate;  // multiplies the learning rate
    bool rows_only;
    at::Tensor first, second;
    at::Tensor row_steps;  // rows_only: how often each row moved, for the bias correction
    at::Tensor digit_first, digit_second;  // of digit rows; undefined: the table has none
  };

  void add_muon(Parameter& parameter);
  void add_adam(Parameter& parameter);
  void step_muon(std::span<MuonSlot> slots, double rate);
  void step_adam(AdamSlot& slot, double rate);
  at::Tensor adam_step(at::Tensor& first, at::Tensor& second, const at::Tensor& gradient) const;
  void step_rows(AdamSlot& slot, double rate);

  OptimiserOptions options_;
  std::optional<DigitRows> digits_;
  int64_t steps_done_ = 0;
  std::map<std::pair<int64_t, int64_t>, std::vector<MuonSlot>> muon_;  // by shape
  std::vector<AdamSlot> adam_;
};

}  // namespace hadal
