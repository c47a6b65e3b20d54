// SPDX-License-Identifier: MIT
// Kinds of text that forms often admit whole, as machines over bytes.
//
//   TextKind kind = text_kind_of(" word");                       // words
//   int state = kWholeText;
//   for (uint8_t byte : bytes) state = text_step(kind, state, byte);   // kNoText: not of the kind
//
// A vocabulary keeps tokens of each kind apart: where a form admits every text of a kind, which is
// seen at a few bytes, nobody needs to ask for a hundred thousand tokens one by one.  Plain
// functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace hadal {

enum class TextKind : uint8_t {
  // ASCII's letters, digits and the blank; every character beyond ASCII but the separators of lines
  // and paragraphs (U+2028, U+2029), which `.` does not mean in a regular expression.
  words,
  signs,  // and ASCII's other signs but the quote and the backslash: what JSON needs not escape
  other,  // anything else, and pieces of characters: nothing that a form would admit whole
};
inline constexpr int kTextKinds = 3;

// States: whole characters have been read, or one of nine places within a character (RFC 3629).
inline constexpr int kTextStates = 10;
inline constexpr int kWholeText = 0, kNoText = -1;

// Requires: words or signs.
int text_step(TextKind kind, int state, uint8_t byte);
TextKind text_kind_of(std::string_view bytes);

}  // namespace hadal
