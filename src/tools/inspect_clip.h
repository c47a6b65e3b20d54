// SPDX-License-Identifier: MIT
// `hadal inspect MODEL --clip WIDTHxHEIGHT`: what a picture or clip of a size costs a model.
//
//   hadal inspect presets/hadal-1t.json --clip 1280x720 --seconds 60 --fps 24
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "base/result.h"
#include "model/config.h"

namespace CLI {
class App;
}

namespace hadal {

struct ClipChoice {
  std::string size;  // "1280x720"; empty: not asked
  std::optional<int64_t> frames;
  std::optional<double> seconds;
  int64_t fps = 24;
  int64_t passes = 8;  // of refinement, a latent frame
};

void add_clip_options(CLI::App& command, ClipChoice& choice);

// `path` is the folder of a model with its visual_tokenizer.json, or NAME.json beside such a folder
// NAME: pixels of a cell and frames of a latent frame stand there.
Result<nlohmann::ordered_json> clip_json(const ClipChoice& choice, const ModelConfig& config,
                                         const std::string& path);
void print_clip(const nlohmann::ordered_json& figures, std::ostream& out);

}  // namespace hadal
