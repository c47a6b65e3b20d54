// SPDX-License-Identifier: MIT
// UTF-8 at byte level, after the table of well-formed sequences in the Unicode standard (3-7).
#include "text/utf8.h"

#include <cstdint>

namespace hadal {
namespace {

struct Lead {
  size_t length = 0;   // 0: this byte starts no character
  uint8_t low = 0x80;  // bounds of the second byte; later ones are always 80..BF
  uint8_t high = 0xBF;
};

Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // nothing above U+10FFFF
  return {0};
}

// How many leading bytes at `at` fit the start of one character, and its full length.
struct Fit {
  size_t fitting;
  size_t wanted;
};

Fit fit_at(std::string_view text, size_t at) {
  Lead lead = lead_of(static_cast<uint8_t>(text[at]));
  if (lead.length == 0) return {0, 0};
  size_t fitting = 1;
  while (fitting < lead.length && at + fitting < text.size()) {
    auto byte = static_cast<uint8_t>(text[at + fitting]);
    uint8_t low = fitting == 1 ? lead.low : 0x80;
    uint8_t high = fitting == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) break;
    ++fitting;
  }
  return {fitting, lead.length};
}

}  // namespace

size_t utf8_char_length(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  Fit fit = fit_at(text, at);
  return fit.fitting == fit.wanted ? fit.wanted : 0;
}

size_t utf8_run_length(std::string_view text, size_t at) {
  size_t end = at;
  while (size_t length = utf8_char_length(text, end)) end += length;
  return end - at;
}

bool utf8_may_continue(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  Fit fit = fit_at(text, at);
  return fit.fitting < fit.wanted && at + fit.fitting == text.size();
}

std::string utf8_for_display(std::string_view bytes) {
  std::string shown;
  shown.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    size_t run = utf8_run_length(bytes, at);
    shown.append(bytes.substr(at, run));
    at += run;
    if (at == bytes.size()) break;
    shown += "\xEF\xBF\xBD";
    size_t broken = fit_at(bytes, at).fitting;
    at += broken ? broken : 1;
  }
  return shown;
}

bool is_utf8(std::string_view text) {
  return utf8_run_length(text, 0) == text.size();
}

}  // namespace hadal
