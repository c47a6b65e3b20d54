// SPDX-License-Identifier: MIT
// What must hold between the keys of a configuration, once each is in its own range.
#pragma once

#include "model/config.h"
#include "model/fields.h"

namespace hadal {

// Reports the first mismatch under the name of the key that is to be mended.
void check_config(const ModelConfig& config, Problem& problem);

}  // namespace hadal
