// SPDX-License-Identifier: MIT
// UTF-8 at byte level: which bytes form whole characters, and which form none.
//
//   size_t n = utf8_char_length(text, at);      // 0: no valid character starts here
//
// Stateless, any thread.  "Valid" is RFC 3629: no overlong forms, no surrogates, at most U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hadal {

// Bytes of the valid character that starts at `at`, or 0 if none does.
size_t utf8_char_length(std::string_view text, size_t at);

// Bytes of the valid run that starts at `at`.
size_t utf8_run_length(std::string_view text, size_t at);

// True if more bytes could still make the bytes from `at` to the end a valid character.
bool utf8_may_continue(std::string_view text, size_t at);

// The text with every maximal broken sequence replaced by one U+FFFD, for people to look at.
std::string utf8_for_display(std::string_view bytes);

bool is_utf8(std::string_view text);

}  // namespace hadal
