// SPDX-License-Identifier: MIT
// Many pictures on one, in reading order, each at its own size on a grey table.
//
//   Picture sheet = contact_sheet(pictures, 16);      // sixteen columns
//
// A cell is as large as the largest picture.  Pure; any thread may use it.
#pragma once

#include <cstdint>
#include <vector>

#include "media/picture.h"

namespace hadal {

// REQUIRES columns ≥ 1.  No pictures give an empty picture.
Picture contact_sheet(const std::vector<Picture>& pictures, int64_t columns);

}  // namespace hadal
