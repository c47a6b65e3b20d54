// SPDX-License-Identifier: MIT
// The artist of `hadal serve`: a studio that paints to order, files in the end.
//
//   TRY(std::unique_ptr<Artist> artist, open_artist(choice));      // null: the model does not draw
//
// It has the model opened for itself (the weights are mapped, so they are shared), because a
// painting and the answers beside it keep different caches.  One make() at a time.
#pragma once

#include <memory>

#include "serve/artist.h"
#include "tools/options.h"
#include "tools/studio.h"

namespace hadal {

Result<std::unique_ptr<Artist>> open_artist(const ModelChoice& choice);

}  // namespace hadal
