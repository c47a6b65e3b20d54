// SPDX-License-Identifier: MIT
// The fingerprint of a model's folder: what a stored session must agree with.
//
//   TRY(std::string fingerprint, model_fingerprint("models/nano"));   // "3f0c…", 16 hex digits
//
// Over config.json, tokenizer.json, every tensor's name, format and shape, and samples of the
// numbers: the first bytes of up to 256 tensors, evenly spread.  Reading all of a checkpoint of
// hundreds of GB would take longer than what the session saves.  Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "model/model.h"
#include "ops/ops.h"

namespace hadal {

Result<std::string> model_fingerprint(const std::string& folder);

// What decides the bits in a cache besides the model: another back end or rounding gives others.
// "cpu/published".
std::string numerics_of(Model& model, const Ops& ops);

}  // namespace hadal
