// SPDX-License-Identifier: MIT
// `hadal data`: from documents to what is trained on.
//
//   hadal data tokenizer --vocab 4096 --controls 64 --input train.jsonl --out tokenizer.json
//   hadal data shards --tokenizer tokenizer.json --input train.jsonl --out train.shard
//   hadal data text --input valid.jsonl --out valid.txt
//   hadal data shapes -o shapes.gallery --count 20000 --seed 1       (data_scenes.h)
//   hadal data emoji -o names.gallery --names 400                    (data_names.h)
//   hadal data pages -o pages --count 2000 --seed 1                 (data_pages.h)
//
// A document is a line of JSON: {"text": …} or {"messages": [{"role": …, "content": …}, …]}.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_data(CLI::App& program, Command& chosen);

}  // namespace hadal
