// SPDX-License-Identifier: MIT
// Paths of the API: everything is served with and without /v1 and under /beta, Anthropic's also
// under /anthropic.
//
//   plain_path("/anthropic/v1/messages")      // "/messages"
//   family_of("/v1/messages/count_tokens")    // ErrorFamily::anthropic
#pragma once

#include <string_view>

#include "serve/api_error.h"

namespace hadal {

// Without the prefixes under which everything is served once more; a part of `path`.
std::string_view plain_path(std::string_view path);
// In whose words errors are told there.
ErrorFamily family_of(std::string_view path);

}  // namespace hadal
