// SPDX-License-Identifier: MIT
// `hadal train` for a configuration of the kind "visual_tokenizer".
#pragma once

#include "base/result.h"
#include "tools/train_options.h"

namespace hadal {

Result<int> train_tokenizer(const TrainOptions& options);

}  // namespace hadal
