// SPDX-License-Identifier: MIT
// How many bytes of a checkpoint one decoded token reads: what decoding cannot be faster than.
//
//   TRY(int64_t bytes, active_bytes("models/nano", config));
//   double limit = bandwidth / bytes;                    // tokens a second
//
// As stored in the files: everything dense, the chosen experts of each layer, the looked-up rows
// of tables.  Drafts and vision are not counted.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "model/config.h"

namespace hadal {

Result<int64_t> active_bytes(const std::string& folder, const ModelConfig& config);

}  // namespace hadal
