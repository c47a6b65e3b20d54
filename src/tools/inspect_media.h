// SPDX-License-Identifier: MIT
// `hadal inspect` of a picture or clip: its size, and what was written into it.
//
//   if (is_media_name(path)) return inspect_media({.path = path}, text);
//
// Nothing is decoded; the headers are read by a child process (media/read.h).
#pragma once

#include <ostream>
#include <string_view>

#include "base/result.h"
#include "tools/inspect.h"

namespace hadal {

// By the ending: .png .jpg .jpeg .webp .gif .mp4 .webm
bool is_media_name(std::string_view path);

Result<int> inspect_media(const InspectOptions& options, std::ostream& out);

}  // namespace hadal
