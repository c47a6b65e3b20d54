// SPDX-License-Identifier: MIT
// The byte alphabet of byte-level BPE.
#include "text/byte_alphabet.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr int kCharacters = 0x100 + 68;  // the highest character in use, plus one

struct Alphabet {
  std::array<uint16_t, 256> character_of_byte{};
  std::array<int16_t, kCharacters> byte_of_character{};
  std::array<uint8_t, 256> bytes_in_order{};

  Alphabet() {
    byte_of_character.fill(-1);
    uint16_t spare = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      uint16_t character = printable ? static_cast<uint16_t>(byte) : spare++;
      character_of_byte[byte] = character;
      byte_of_character[character] = static_cast<int16_t>(byte);
    }
    auto next = bytes_in_order.begin();
    for (int16_t byte : byte_of_character)
      if (byte >= 0) *next++ = static_cast<uint8_t>(byte);
  }
};

const Alphabet& alphabet() {
  static const Alphabet table;
  return table;
}

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string spelling;
  spelling.reserve(bytes.size() * 2);
  for (char byte : bytes) {
    uint16_t character = alphabet().character_of_byte[static_cast<uint8_t>(byte)];
    if (character < 0x80) {
      spelling += static_cast<char>(character);
    } else {
      spelling += static_cast<char>(0xC0 | (character >> 6));
      spelling += static_cast<char>(0x80 | (character & 0x3F));
    }
  }
  return spelling;
}

std::optional<std::string> bytes_of_spelling(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (size_t at = 0; at < spelling.size(); ++at) {
    auto first = static_cast<uint8_t>(spelling[at]);
    int character = first;
    if (first >= 0x80) {
      if ((first & 0xE0) != 0xC0 || at + 1 == spelling.size()) return std::nullopt;
      auto second = static_cast<uint8_t>(spelling[++at]);
      if ((second & 0xC0) != 0x80) return std::nullopt;
      character = ((first & 0x1F) << 6) | (second & 0x3F);
    }
    if (character >= kCharacters) return std::nullopt;
    int16_t byte = alphabet().byte_of_character[character];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

const std::array<uint8_t, 256>& bytes_in_alphabet_order() {
  return alphabet().bytes_in_order;
}

}  // namespace hadal
