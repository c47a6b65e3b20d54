// SPDX-License-Identifier: MIT
// `hadal data pages`: pages to record, recordings to learn from, answers to judge.
//
//   hadal data pages -o pages --count 2000 --seed 1         # pages/00000.html, .script, …
//   node models/nano/visual/record.mjs pages                # pages/00000.ppm, .states, …
//   hadal data pages --collect pages -o pages.gallery
//   hadal data pages --collect pages --answers answers      # both recorded: how many are right
#pragma once

#include "tools/command.h"

namespace hadal {

void add_page_data(CLI::App& data, Command& chosen);

}  // namespace hadal
