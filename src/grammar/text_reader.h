// SPDX-License-Identifier: MIT
// Characters of a pattern or grammar, one after the other; inside the room only.
//
//   TextReader reader(text, "regex");
//   if (reader.take('(')) …
//   return reader.fail("found nothing to repeat");        // names the place
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"

namespace hadal {

// Groups within groups: each takes a few frames of the call stack.
inline constexpr int kDeepestGroups = 200;
// A repetition is written out; larger ones do not fit a program.
inline constexpr int64_t kMostRepeats = 100'000;

class TextReader {
 public:
  // Requires: valid UTF-8 (is_text).
  TextReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}
  static bool is_text(std::string_view bytes);

  bool at_end() const { return at_ >= text_.size(); }
  size_t place() const { return at_; }
  void go_to(size_t place) { at_ = place; }
  // The next character as a byte, 0 at the end: enough to look for punctuation.
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool take(char c);
  bool take(std::string_view word);
  // Requires: not at the end.
  char32_t next();
  // Up to `most` hexadecimal digits, at least `least`.
  std::optional<char32_t> hex(int least, int most);
  std::optional<int64_t> number();  // at most kMostRepeats

  template <typename... Parts>
  Error fail(const Parts&... parts) const {
    return hadal::fail(name_, ": byte ", at_, ": ", parts...);
  }

  // {m}, {m,} or {m,n} behind "{"; `most` is kNoMost without an upper end.
  Result<std::pair<int64_t, int64_t>> counts();

 private:
  std::string_view text_, name_;
  size_t at_ = 0;
};

}  // namespace hadal
