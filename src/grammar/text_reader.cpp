// SPDX-License-Identifier: MIT
// Characters of a pattern or grammar.
#include "grammar/text_reader.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

// The character that begins at `at` and its length in bytes; a length of 0 if none does.
std::pair<char32_t, size_t> character_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> char32_t { return static_cast<uint8_t>(text[at + i]); };
  const char32_t first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                                       : 4;
  if (length == 0 || first > 0xf4 || at + length > text.size()) return {0, 0};
  char32_t point = length == 1 ? first : first & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    point = point << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (overlong || point > kLastCharacter || (point >= 0xd800 && point <= 0xdfff)) return {0, 0};
  return {point, length};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool TextReader::is_text(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = character_at(bytes, at).second;
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool TextReader::take(char c) {
  if (at_end() || text_[at_] != c) return false;
  ++at_;
  return true;
}

bool TextReader::take(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

char32_t TextReader::next() {
  const auto [point, length] = character_at(text_, at_);
  CHECK(length > 0, "not UTF-8 at ", at_);
  at_ += length;
  return point;
}

std::optional<char32_t> TextReader::hex(int least, int most) {
  char32_t value = 0;
  int count = 0;
  while (count < most && hex_digit(peek()) >= 0) {
    value = value << 4 | static_cast<char32_t>(hex_digit(peek()));
    ++at_;
    ++count;
  }
  if (count < least) return std::nullopt;
  return value;
}

std::optional<int64_t> TextReader::number() {
  int64_t value = 0;
  const size_t begin = at_;
  while (peek() >= '0' && peek() <= '9') {
    value = std::min(kMostRepeats + 1, value * 10 + (peek() - '0'));
    ++at_;
  }
  if (at_ == begin || value > kMostRepeats) return std::nullopt;
  return value;
}

Result<std::pair<int64_t, int64_t>> TextReader::counts() {
  const std::optional<int64_t> least = number();
  if (!least) return fail("expected a number up to ", kMostRepeats, " behind \"{\"");
  std::optional<int64_t> most = least;
  if (take(',')) most = peek() == '}' ? kNoMost : number();
  if (!most || !take('}')) return fail("expected {m}, {m,} or {m,n} up to ", kMostRepeats);
  if (*most != kNoMost && *most < *least)
    return fail("{", *least, ",", *most, "}: the second number is the smaller one");
  return std::pair(*least, *most);
}

}  // namespace hadal
