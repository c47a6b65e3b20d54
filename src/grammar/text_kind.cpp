// SPDX-License-Identifier: MIT
// UTF-8 byte by byte, with some characters left out.
#include "grammar/text_kind.h"

#include <array>

namespace hadal {
namespace {

// What a lead byte leads to: so many full continuation bytes (1 to 3), or a narrower one first.
enum Place : int {
  one = 1,
  two,
  three,
  after_e0,
  after_ed,
  after_f0,
  after_f4,
  after_e2,
  after_e280
};

bool is_plain(TextKind kind, uint8_t c) {
  const bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  if (word || c == ' ') return true;
  return kind == TextKind::signs && c > 0x20 && c <= 0x7f && c != '"' && c != '\\';
}

int first_step(TextKind kind, uint8_t byte) {
  if (byte < 0x80) return is_plain(kind, byte) ? kWholeText : kNoText;
  if (byte < 0xc2 || byte > 0xf4) return kNoText;
  if (byte < 0xe0) return one;
  if (byte == 0xe0) return after_e0;
  if (byte == 0xe2) return after_e2;
  if (byte == 0xed) return after_ed;
  if (byte < 0xf0) return two;
  if (byte == 0xf0) return after_f0;
  return byte == 0xf4 ? after_f4 : three;
}

}  // namespace

int text_step(TextKind kind, int state, uint8_t byte) {
  struct Next {
    uint8_t first = 0, last = 0;
    int state = kNoText;
  };
  static constexpr std::array<Next, kTextStates> kNext = {{{},
                                                           {0x80, 0xbf, kWholeText},
                                                           {0x80, 0xbf, one},
                                                           {0x80, 0xbf, two},
                                                           {0xa0, 0xbf, one},
                                                           {0x80, 0x9f, one},
                                                           {0x90, 0xbf, two},
                                                           {0x80, 0x8f, two},
                                                           {0x81, 0xbf, one},
                                                           {0x80, 0xbf, kWholeText}}};
  if (state == kWholeText) return first_step(kind, byte);
  if (state == after_e2 && byte == 0x80) return after_e280;
  if (state == after_e280 && (byte == 0xa8 || byte == 0xa9)) return kNoText;
  const Next& next = kNext[static_cast<size_t>(state)];
  return byte >= next.first && byte <= next.last ? next.state : kNoText;
}

TextKind text_kind_of(std::string_view bytes) {
  for (const TextKind kind : {TextKind::words, TextKind::signs}) {
    int state = kWholeText;
    for (const char byte : bytes)
      if (state != kNoText) state = text_step(kind, state, static_cast<uint8_t>(byte));
    if (state == kWholeText) return kind;
  }
  return TextKind::other;
}

}  // namespace hadal
