// SPDX-License-Identifier: MIT
// `hadal data visual`: galleries into a shard of documents with cells.
//
//   hadal data visual --config config.json --tokenizer tokenizer.json --visual DIR
//                     --gallery shapes.gallery --task draw --task describe --out shapes.shard
#pragma once

#include "tools/command.h"

namespace hadal {

void add_visual_data(CLI::App& data, Command& chosen);

}  // namespace hadal
