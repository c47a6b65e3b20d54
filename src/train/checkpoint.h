// SPDX-License-Identifier: MIT
// Parameters as files: the published layout for those who run the model, and the exact state for
// the run that goes on.
//
// Published layout (model-spec §8): config.json and model.safetensors.  Each tensor is stored as
// the configuration's formats and the tensor list say: BF16, F32, FP8 with a scale a tile, FP4
// with a scale a row's 32 columns; Engram rows always as FP8 with a scale per 32 columns.
// State: every f32 weight, the optimiser's memory and the step, in one safetensors file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/safetensors.h"
#include "model/config.h"
#include "train/parameters.h"

namespace hadal {

// `tensor` as it is stored under `spec`: the values, and the scales if the format has some.
std::vector<NamedTensor> stored(const TensorSpec& spec, const at::Tensor& tensor,
                                const ModelConfig& config);

Status write_checkpoint(const std::string& folder, const ModelConfig& config,
                        const Parameters& parameters);

// What is to stand beside the files of the model in `draft_of`, which stay as they are, for it to
// have this draft head: config.json, draft.safetensors, and model.safetensors.index.json that says
// of every tensor which file holds it.  A model whose own files hold a head is refused.
Status check_has_no_head(const std::string& draft_of);
Status write_draft_head(const std::string& folder, const std::string& draft_of,
                        const ModelConfig& config, const Parameters& parameters);

using NamedState = std::vector<std::pair<std::string, at::Tensor>>;

Status write_state(const std::string& path, const NamedState& tensors,
                   const std::map<std::string, std::string>& metadata);
// Fills the given tensors from a file that has exactly these names and shapes, and gives back its
// metadata.  Nothing is filled unless everything fits.
Result<std::map<std::string, std::string>> read_state(const std::string& path,
                                                      const NamedState& tensors);

// <folder>/state-<step>.safetensors; the steps of those that are there, ascending; and the removal
// of all but the newest two.
std::string state_path(const std::string& folder, int64_t step);
std::vector<int64_t> saved_steps(const std::string& folder);
void forget_old_states(const std::string& folder);

// Weights to begin with.  A state of another run gives those parameters that it has; where its
// table has more or fewer rows, the rows that both have are taken; other differences of shape are
// refused. A folder is a model in the published layout, which must have every tensor; what it holds
// in few bits is taken as it stands.
Status read_weights(const std::string& path, const ModelConfig& config, Parameters& parameters);

}  // namespace hadal
