// SPDX-License-Identifier: MIT
// The parameters: one f32 leaf for every tensor of the tensor list, with first values for a fresh
// run, handed to the model as its weights.
//
//   Parameters parameters(config, seed);
//   TRY(auto model, Model::create(config, parameters.source(), ops, options, map));
//
// The model and the optimiser hold the same storage: values change in place.  First values depend
// on the seed and the tensor's name alone.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backends/torch/libtorch.h"
#include "model/config.h"
#include "model/model.h"
#include "model/weights.h"

namespace hadal {

struct Parameter {
  TensorSpec spec;
  at::Tensor value;  // f32; router biases and frozen tensors want no gradient
};

// Which tensors of the list: those that are trained from nothing, V4's extra-token block among
// them, or those of the draft head alone.
enum class Learnt { model, draft };

class Parameters {
 public:
  Parameters(const ModelConfig& config, uint64_t seed, Learnt learnt = Learnt::model);
  // Those of another network.
  explicit Parameters(std::vector<Parameter> all) : all_(std::move(all)) {}
  // Leaves of their own over the same values: gradients of one worker.
  Parameters replica() const;

  std::vector<Parameter>& all() { return all_; }
  const std::vector<Parameter>& all() const { return all_; }
  Parameter* find(const std::string& name);
  // Lends; the Parameters must live as long as the model.  `others`: where tensors come from that
  // are not among them; null: nowhere.
  WeightSource source(const WeightSource& others = nullptr);
  int64_t count() const;  // of trained values

 private:
  Parameters() = default;
  std::vector<Parameter> all_;
};

}  // namespace hadal
