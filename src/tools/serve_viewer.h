// SPDX-License-Identifier: MIT
// The viewer of `hadal serve`: the encoder of a model that sees, on a back end of its own.
//
//   TRY(std::unique_ptr<Viewer> viewer, open_viewer(choice));      // null: the model reads text
//
// It has the model opened for itself (the weights are mapped, so they are shared), because a back
// end serves one thread, and answers that run should not wait for a picture.
#pragma once

#include <memory>

#include "serve/viewer.h"
#include "tools/options.h"

namespace hadal {

Result<std::unique_ptr<Viewer>> open_viewer(const ModelChoice& choice);

}  // namespace hadal
