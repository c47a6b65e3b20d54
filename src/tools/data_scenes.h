// SPDX-License-Identifier: MIT
// `hadal data shapes` and `hadal data motion`: galleries of drawn scenes with their captions.
//
//   hadal data shapes -o shapes.gallery --count 20000 --seed 1
//   hadal data motion -o motion.gallery --count 20000 --seed 1 --split seen
#pragma once

#include "tools/command.h"

namespace hadal {

void add_scene_data(CLI::App& data, Command& chosen);

}  // namespace hadal
