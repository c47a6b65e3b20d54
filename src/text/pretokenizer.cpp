// SPDX-License-Identifier: MIT
// Cuts text into pieces with PCRE2.
//
// The patterns were written for Oniguruma.  The one class on which the two libraries differ is
// \s: PCRE2 counts U+180E as white space and Oniguruma does not, so \s and \S are compiled as
// the Unicode property White_Space, which is what Oniguruma means.
#include "text/pretokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "text/utf8.h"

namespace hadal {
namespace {

constexpr size_t kMaxPatterns = 8;            // DeepSeek's files have three
constexpr size_t kMaxPatternBytes = 4096;     // the longest of theirs has 150
constexpr uint32_t kMatchLimit = 10'000'000;  // PCRE2's own default: stops runaway backtracking
constexpr size_t kJitStackBytes = size_t{8} << 20;  // grows only when a match asks for it

std::string with_unicode_space(std::string_view pattern) {
  std::string out;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '\\' || at + 1 == pattern.size()) {
      out += pattern[at];
      continue;
    }
    char escaped = pattern[++at];
    if (escaped == 's')
      out += "\\p{White_Space}";
    else if (escaped == 'S')
      out += "\\P{White_Space}";
    else
      (out += '\\') += escaped;
  }
  return out;
}

}  // namespace

struct Pretokenizer::Pattern {
  pcre2_code* code = nullptr;
  Pattern() = default;
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  ~Pattern() { pcre2_code_free(code); }
};

namespace {

// What one thread needs to match: made once per thread, since a match must not share it.
struct MatchSpace {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* found = pcre2_match_data_create(1, nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, kJitStackBytes, nullptr);

  MatchSpace() {
    CHECK(context && found, "no memory to match with");
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  MatchSpace(const MatchSpace&) = delete;
  MatchSpace& operator=(const MatchSpace&) = delete;
  ~MatchSpace() {
    pcre2_jit_stack_free(stack);
    pcre2_match_data_free(found);
    pcre2_match_context_free(context);
  }

  // The next match in `text` from `at` on; an empty one, or an exhausted limit, counts as none.
  bool find(const pcre2_code* code, std::string_view text, size_t at, size_t& begin, size_t& end) {
    int count = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                            PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, found, context);
    if (count < 0) return false;
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(found);
    begin = bounds[0];
    end = bounds[1];
    return begin >= at && end > begin;
  }
};

MatchSpace& match_space() {
  thread_local MatchSpace space;
  return space;
}

}  // namespace

Result<Pretokenizer> Pretokenizer::create(std::span<const std::string> patterns) {
  if (patterns.size() > kMaxPatterns)
    return fail(patterns.size(), " split patterns, expected at most ", kMaxPatterns);
  Pretokenizer made;
  for (const std::string& pattern : patterns) {
    if (pattern.size() > kMaxPatternBytes)
      return fail("split pattern of ", pattern.size(), " bytes, expected at most ",
                  kMaxPatternBytes);
    std::string adapted = with_unicode_space(pattern);
    auto compiled = std::make_shared<Pattern>();
    int error = 0;
    PCRE2_SIZE where = 0;
    // \C could cut a character in two, and \K could move a match backwards.
    compiled->code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(adapted.data()), adapted.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &where, nullptr);
    if (!compiled->code) return fail("split pattern does not compile at byte ", where);
    // Without a JIT on this machine the interpreter gives the same matches, slower.
    pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE);
    made.patterns_.push_back(std::move(compiled));
  }
  return made;
}

void Pretokenizer::split(std::string_view text, const PieceSink& sink) const {
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    at += utf8_run_length(text, at);
    if (at > begin) split_from(0, text.substr(begin, at - begin), sink);
    begin = at;
    while (at < text.size() && utf8_char_length(text, at) == 0) ++at;
    if (at > begin) sink(text.substr(begin, at - begin));
  }
}

void Pretokenizer::split_from(size_t pattern, std::string_view piece, const PieceSink& sink) const {
  if (pattern == patterns_.size()) return sink(piece);
  const pcre2_code* code = patterns_[pattern]->code;
  size_t done = 0;
  size_t begin = 0;
  size_t end = 0;
  while (done < piece.size() && match_space().find(code, piece, done, begin, end)) {
    if (begin > done) split_from(pattern + 1, piece.substr(done, begin - done), sink);
    split_from(pattern + 1, piece.substr(begin, end - begin), sink);
    done = end;
  }
  if (done < piece.size()) split_from(pattern + 1, piece.substr(done), sink);
}

const std::vector<std::string>& deepseek_split_patterns() {
  static const std::vector<std::string> patterns = {
      "\\p{N}{1,3}",
      "[一-龥぀-ゟ゠-ヿ]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
      "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
      "| ?[\\p{P}\\p{S}]+[\r\n]*"
      "|\\s*[\r\n]+"
      "|\\s+(?!\\S)"
      "|\\s+",
  };
  return patterns;
}

}  // namespace hadal
