// SPDX-License-Identifier: MIT
// The byte alphabet of byte-level BPE: one printable character for each of the 256 bytes, so that
// a vocabulary of arbitrary bytes can be written as JSON strings.
//
//   spell_bytes(" a")  ->  "Ġa"          bytes_of_spelling("Ġa")  ->  " a"
//
// Printable Latin-1 bytes stand for themselves; the other 68 take U+0100 and on, in byte order
// (GPT-2's table).  Stateless, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hadal {

std::string spell_bytes(std::string_view bytes);

// Nothing if a character of the spelling is outside the alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

// All 256 bytes in the order of their characters: the order of byte tokens in a vocabulary.
const std::array<uint8_t, 256>& bytes_in_alphabet_order();

}  // namespace hadal
