// SPDX-License-Identifier: MIT
// `hadal inspect`: what a model is made of, from its configuration and the headers of its files.
//
//   TRY(int code, inspect({.path = "presets/deepseek-v4-flash.json"}, text));
//
// Weights are mapped and never read: 500 GB take as long as 5.
#pragma once

#include <ostream>
#include <string>

#include "base/result.h"
#include "tools/command.h"
#include "tools/inspect_clip.h"

namespace hadal {

struct InspectOptions {
  // A folder with config.json, a config.json, the name of a preset, a .safetensors file, or a
  // picture or clip.
  std::string path;
  bool json = false;  // for programs: the same figures as one JSON document
  ClipChoice clip;    // of models: what a picture or clip costs
};

Result<int> inspect(const InspectOptions& options, std::ostream& out);

void add_inspect(CLI::App& program, Command& chosen);

}  // namespace hadal
