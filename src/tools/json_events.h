// SPDX-License-Identifier: MIT
// What `hadal generate --json` prints: one object a line.
//
//   {"type":"token","id":17,"logprob":-0.5,"text":" sea"}      text may be empty: held back
//   {"type":"token","text":"…"}                                 what was held back to the end
//   {"type":"picture","path":"hadal-1.png"}                     a file that the answer drew here
//   {"type":"done","reason":"end","seed":7,
//    "usage":{"prompt_tokens":4,"cached_tokens":0,"completion_tokens":12},
//    "timing":{"prompt_seconds":0.1,"completion_seconds":0.4}}
//
// Reasoning stands under "reasoning" instead of "text".  All text is UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/answer.h"

namespace hadal {

// Empty when there is neither a token nor text.
std::string token_event(const std::optional<Sample>& token, const AnswerPiece& piece);
std::string done_event(const Answer& answer, uint64_t seed);

}  // namespace hadal
