// SPDX-License-Identifier: MIT
// The Engram token map, after the rule in DeepSeek-V4.1's engram.py (model-spec 5.1), whose
// normalisers are those of Hugging Face's tokenizers library: StripAccents drops all of general
// category M, lower-casing goes character by character (a final sigma has no special case), and
// Strip removes Unicode White_Space.
#include "text/engram_keys.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <unordered_map>

#include "text/utf8.h"

namespace hadal {
namespace {

constexpr UChar32 kLoneSpace = 0xE000;  // keeps a token of blanks from being stripped to nothing

icu::UnicodeString compatible_then_apart(const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* nfkc = icu::Normalizer2::getNFKCInstance(status);
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(status);
  CHECK(U_SUCCESS(status), "ICU has no normalisation tables");
  icu::UnicodeString out = nfd->normalize(nfkc->normalize(text, status), status);
  CHECK(U_SUCCESS(status), "ICU cannot normalise");
  return out;
}

bool is_mark(UChar32 c) {
  return (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0;
}
bool is_blank(UChar32 c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_white_space(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_WHITE_SPACE) != 0;
}

// Marks dropped, lower-cased, each run of blanks one space.
icu::UnicodeString folded(const icu::UnicodeString& text) {
  icu::UnicodeString out;
  bool in_blanks = false;
  for (int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
    UChar32 c = text.char32At(at);
    if (is_mark(c)) continue;
    if (!is_blank(c))
      out.append(u_tolower(c));
    else if (!in_blanks)
      out.append(UChar32{' '});
    in_blanks = is_blank(c);
  }
  return out;
}

icu::UnicodeString stripped(const icu::UnicodeString& text) {
  int32_t begin = 0;
  int32_t end = text.length();  // white space is all in the first plane: one unit each
  while (begin < end && is_white_space(text.charAt(begin))) ++begin;
  while (end > begin && is_white_space(text.charAt(end - 1))) --end;
  return icu::UnicodeString(text, begin, end - begin);
}

// The decoder of the original puts U+FFFD wherever bytes are no character.
bool has_replacement_character(std::string_view bytes) {
  return !is_utf8(bytes) || bytes.find("\xEF\xBF\xBD") != std::string_view::npos;
}

}  // namespace

std::string normalize_text(std::string_view text) {
  auto source = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  icu::UnicodeString plain = folded(compatible_then_apart(source));
  if (plain == icu::UnicodeString(u' ')) plain = icu::UnicodeString(kLoneSpace);
  plain = stripped(plain);
  plain.findAndReplace(icu::UnicodeString(kLoneSpace), icu::UnicodeString(u' '));
  std::string out;
  plain.toUTF8String(out);
  return out;
}

std::string normalize_key(std::string_view text) {
  std::string key = normalize_text(text);
  return key.empty() ? std::string(text) : key;
}

Result<std::vector<int32_t>> compressed_token_map(const Tokenizer& tokenizer, int64_t vocab_size) {
  if (vocab_size < tokenizer.vocab_size() || vocab_size > int64_t{1} << 24)
    return fail("token map for a vocabulary of ", vocab_size, ", expected from ",
                tokenizer.vocab_size(), " (the tokenizer's) to ", int64_t{1} << 24);
  std::unordered_map<std::string, int32_t> compressed;
  std::vector<int32_t> map;
  map.reserve(static_cast<size_t>(vocab_size));
  for (int32_t id = 0; id < vocab_size; ++id) {
    std::string_view bytes = tokenizer.token_bytes(id);
    std::string key;
    if (id >= tokenizer.vocab_size())
      key = "<id " + std::to_string(id) + ">";
    else if (has_replacement_character(bytes))
      key = tokenizer.token_text(id);
    else
      key = normalize_key(bytes);
    auto next = static_cast<int32_t>(compressed.size());
    map.push_back(compressed.emplace(std::move(key), next).first->second);
  }
  return map;
}

}  // namespace hadal
