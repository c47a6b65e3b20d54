// SPDX-License-Identifier: MIT
// A model of a configuration with random weights in the published formats, in memory: what speed is
// measured on where no checkpoint of that shape fits the machine.
//
//   ModelConfig small = shortened(config, {.layers = 12, .experts = 8});
//   TRY(std::unique_ptr<Model> model, random_model(small, ops, {}));
//
// Weights have the usual spread, so routing and the indexer's choices differ from token to token
// as they do in a trained model; what it says is noise.  Any thread.
#pragma once

#include <cstdint>
#include <memory>

#include "model/model.h"

namespace hadal {

struct Shortening {
  int64_t layers = 0;   // 0: all
  int64_t experts = 0;  // of a layer; 0: all
};

// Every width stays; fewer layers of the same kinds in the same order, with a vocabulary that is
// shortened as much, and no Engram, drafts, vision or pictures.  Fails if so few layers cannot hold
// every kind, or so few experts cannot be chosen from.
Result<ModelConfig> shortened(const ModelConfig& config, const Shortening& shortening);

Result<std::unique_ptr<Model>> random_model(const ModelConfig& config, Ops& ops,
                                            const ModelOptions& options);

// Bytes of weights that one token is multiplied with.
int64_t random_active_bytes(const ModelConfig& config);

}  // namespace hadal
