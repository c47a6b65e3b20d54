// SPDX-License-Identifier: MIT
// What an artist does who only paints.
#include "serve/artist.h"

namespace hadal {

Result<std::vector<int64_t>> Artist::looking_at(const std::string&,
                                                const std::optional<ClipPart>&) {
  return fail("the model does not look at pictures");
}

}  // namespace hadal
