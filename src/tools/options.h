// SPDX-License-Identifier: MIT
// Options that several commands share: which model, on what; and how to sample.
//
//   auto model = std::make_shared<ModelChoice>();
//   add_model_options(*command, *model);
//
// Values are checked when the command runs, by who uses them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "model/config.h"
#include "tools/command.h"

namespace hadal {

struct ModelChoice {
  std::string folder;   // empty: HADAL_MODEL, or the model shipped with the program
  std::string backend;  // "cpu", "reference", "torch", "torch:cuda:0"; empty: the best
  int64_t threads = 0;  // 0: one a core
  bool pinned = true;   // threads stay on their processors
  std::string rounding = "published";
  int64_t context = 0;           // 0: what fits, at most 32768
  std::string weights = "auto";  // where they lie: "file", "memory"; "auto": see open_model.h
  bool quiet = false;            // no progress, no line of speed
};

struct SamplingChoice {
  std::optional<double> temperature, top_p;  // absent: what the model's family is used with
  int64_t top_k = 0;
  double min_p = 0;
  std::optional<uint64_t> seed;  // absent: another one each time
  int64_t max_tokens = 0;        // 0: as many as the context holds
  std::vector<std::string> stops;
};

void add_model_options(CLI::App& command, ModelChoice& choice);
void add_sampling_options(CLI::App& command, SamplingChoice& choice);

// The folder that was named, or the one that HADAL_MODEL names, or models/nano beside the program
// or above it.
Result<std::string> model_folder(const ModelChoice& choice);

// What can be checked before a model is read.
Status check_sampling(const SamplingChoice& choice);

// Defaults filled in (model-spec §9.7) and everything checked.
Result<SamplerOptions> sampler_options(const SamplingChoice& choice, Family family);

}  // namespace hadal
