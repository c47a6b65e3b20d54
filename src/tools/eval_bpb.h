// SPDX-License-Identifier: MIT
// `hadal eval bpb`: bits per byte of a model on held-out documents.
//
//   hadal eval bpb --model models/nano --data valid.shard
//
// The model is charged for every token but the first of a document, control tokens included; the
// bits are divided by the bytes of the text alone.
#pragma once

#include "tools/command.h"
#include "tools/open_model.h"
#include "train/shard.h"

namespace hadal {

void add_bpb(CLI::App& eval, Command& chosen);

// Refuses a shard of ids that mean something else to the model.
Status check_tokenizer(const OpenModel& open, const Shard& shard, const std::string& path);

}  // namespace hadal
