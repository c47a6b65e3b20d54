// SPDX-License-Identifier: MIT
// What a generated file says of itself: prompt, seed, fingerprint of the model, settings.
//
//   Metadata metadata = {{"prompt", "the sea"}, {"seed", "7"}};
//   TRY(std::string comment, metadata_comment(metadata));   // {"hadal":{"prompt":"the sea",...}}
//   Metadata same = metadata_of(comment);
//
// In a file it is one comment of JSON in plain ASCII: PNG tEXt "Comment", JPEG COM, GIF comment
// extension, MP4 and WebM tag "comment".  Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

using Metadata = std::map<std::string, std::string>;

// A COM segment of a JPEG holds 65,533 bytes; what fits there fits everywhere.
constexpr int64_t kMostCommentBytes = 65533;

// Empty for empty metadata; refuses what would be longer than a comment may be.
Result<std::string> metadata_comment(const Metadata& metadata);

// Whether a comment claims to be ours: other programs comment too.
bool is_metadata_comment(std::string_view comment);

// A comment that is not ours, or is broken, is no metadata.
Metadata metadata_of(std::string_view comment);

}  // namespace hadal
