// SPDX-License-Identifier: MIT
// A reader by descent: alternatives, terms, atoms.
#include "grammar/regex.h"

#include <utility>
#include <vector>

#include "grammar/text_reader.h"

namespace hadal {
namespace {

constexpr size_t kLongestPattern = 64 << 10;

const CharacterSet& digits() {
  static const CharacterSet kSet = {{'0', '9'}};
  return kSet;
}
const CharacterSet& word() {
  static const CharacterSet kSet = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return kSet;
}
// ECMAScript's WhiteSpace and LineTerminator.
const CharacterSet& spaces() {
  static const CharacterSet kSet = {
      {'\t', '\r'},     {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
      {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
  return kSet;
}
const CharacterSet& line_ends() {
  static const CharacterSet kSet = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return kSet;
}

class RegexReader {
 public:
  RegexReader(Grammar& grammar, std::string_view pattern, const RegexOptions& options)
      : grammar_(grammar), options_(options), reader_(pattern, options.name) {}

  Result<NodeId> read() {
    std::vector<NodeId> alternatives;
    do {
      TRY(const NodeId alternative, read_top());
      alternatives.push_back(alternative);
    } while (reader_.take('|'));
    if (!reader_.at_end()) return reader_.fail("\")\" closes nothing");
    return grammar_.choice(std::move(alternatives));
  }

 private:
  // One alternative of the whole, with what may stand around it.
  Result<NodeId> read_top() {
    std::vector<NodeId> parts;
    const bool from_start = reader_.take('^');
    const bool searches = options_.match == RegexMatch::search;
    if (searches && !from_start) parts.push_back(anything());
    TRY(const NodeId body, read_terms(0));
    parts.push_back(body);
    const bool to_end = reader_.take('$');
    if (to_end && !reader_.at_end() && reader_.peek() != '|')
      return reader_.fail("\"$\" in the middle, expected it at the end");
    if (searches && !to_end) parts.push_back(anything());
    return grammar_.sequence(std::move(parts));
  }

  NodeId spell(const CharacterSet& set) {
    return options_.spell ? options_.spell(grammar_, set) : grammar_.characters(set);
  }
  NodeId anything() { return grammar_.repeat(spell(CharacterSet::all()), 0, kNoMost); }

  Result<NodeId> read_terms(int depth) {
    std::vector<NodeId> parts;
    while (!reader_.at_end() && reader_.peek() != '|' && reader_.peek() != ')') {
      if (reader_.peek() == '$' && depth == 0) break;
      TRY(NodeId atom, read_atom(depth));
      TRY(atom, read_count(atom));
      parts.push_back(atom);
    }
    return grammar_.sequence(std::move(parts));
  }

  Result<NodeId> read_count(NodeId atom) {
    int64_t least = 0, most = kNoMost;
    if (reader_.take('+')) {
      least = 1;
    } else if (reader_.take('?')) {
      most = 1;
    } else if (reader_.take('{')) {
      TRY(const auto counts, reader_.counts());
      std::tie(least, most) = counts;
    } else if (!reader_.take('*')) {
      return atom;
    }
    reader_.take('?');  // lazy: the same texts
    if (reader_.peek() == '+') return reader_.fail("possessive counts are not supported");
    if (reader_.peek() == '*' || reader_.peek() == '?' || reader_.peek() == '{')
      return reader_.fail("a count behind a count");
    return grammar_.repeat(atom, least, most);
  }

  Result<NodeId> read_atom(int depth) {
    switch (reader_.peek()) {
      case '(':
        return read_group(depth + 1);
      case '[': {
        TRY(const CharacterSet set, read_class());
        return spell(set);
      }
      case '.':
        reader_.take('.');
        return spell(line_ends().complement());
      case '\\': {
        TRY(const CharacterSet set, read_escape(false));
        return spell(set);
      }
      case '*':
      case '+':
      case '?':
      case '{':
        return reader_.fail("nothing to repeat before \"", reader_.peek(), "\"");
      case '^':
      case '$':
        return reader_.fail("\"", reader_.peek(),
                            "\" is supported at the two ends of the pattern only");
      default:
        break;
    }
    const char32_t point = reader_.next();
    return spell({{point, point}});
  }

  Result<NodeId> read_group(int depth) {
    if (depth > kDeepestGroups) return reader_.fail("more than ", kDeepestGroups, " groups deep");
    reader_.take('(');
    if (reader_.take('?')) {
      const bool looks =
          reader_.peek() == '=' || reader_.peek() == '!' ||
          (reader_.peek() == '<' && (reader_.peek(1) == '=' || reader_.peek(1) == '!'));
      if (looks) return reader_.fail("look-ahead and look-behind are not supported");
      if (reader_.take('<')) {
        while (!reader_.at_end() && reader_.peek() != '>') reader_.next();
        if (!reader_.take('>')) return reader_.fail("expected \">\" behind the group's name");
      } else if (!reader_.take(':')) {
        return reader_.fail("flags and other \"(?\" are not supported, only (?:…) and (?<name>…)");
      }
    }
    std::vector<NodeId> alternatives;
    do {
      TRY(const NodeId alternative, read_terms(depth));
      alternatives.push_back(alternative);
    } while (reader_.take('|'));
    if (!reader_.take(')')) return reader_.fail("expected \")\"");
    return grammar_.choice(std::move(alternatives));
  }

  Result<CharacterSet> read_class() {
    reader_.take('[');
    const bool negated = reader_.take('^');
    CharacterSet set;
    while (!reader_.take(']')) {
      if (reader_.at_end()) return reader_.fail("expected \"]\"");
      TRY(const CharacterSet first, read_class_member());
      if (reader_.peek() != '-' || reader_.peek(1) == ']' || reader_.peek(1) == '\0') {
        set.add(first);
        continue;
      }
      reader_.take('-');
      TRY(const CharacterSet last, read_class_member());
      const auto single = [](const CharacterSet& member) {
        return member.ranges().size() == 1 && member.ranges()[0].first == member.ranges()[0].last;
      };
      if (!single(first) || !single(last) || first.ranges()[0].first > last.ranges()[0].first)
        return reader_.fail("not a range: expected two characters, the smaller one first");
      set.add(first.ranges()[0].first, last.ranges()[0].first);
    }
    return negated ? set.complement() : set;
  }

  Result<CharacterSet> read_class_member() {
    if (reader_.at_end()) return reader_.fail("expected \"]\"");
    if (reader_.peek() == '\\') return read_escape(true);
    const char32_t point = reader_.next();
    return CharacterSet{{point, point}};
  }

  Result<CharacterSet> read_escape(bool in_class) {
    reader_.take('\\');
    if (reader_.at_end()) return reader_.fail("\"\\\" at the end");
    const auto one = [](char32_t point) { return CharacterSet{{point, point}}; };
    const char32_t c = reader_.next();
    switch (c) {
      case 'd':
        return digits();
      case 'D':
        return digits().complement();
      case 'w':
        return word();
      case 'W':
        return word().complement();
      case 's':
        return spaces();
      case 'S':
        return spaces().complement();
      case 'n':
        return one('\n');
      case 't':
        return one('\t');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'b':
        if (in_class) return one('\b');
        return reader_.fail("\\b, a word's boundary, is not supported");
      case 'B':
        return reader_.fail("\\B, no word's boundary, is not supported");
      case 'p':
      case 'P':
        return reader_.fail("\\p, a property of characters, is not supported");
      case 'k':
        return reader_.fail("\\k, a back-reference, is not supported");
      case 'x':
        return read_code(2, 2);
      case 'u':
        if (!reader_.take('{')) return read_code(4, 4);
        return read_code(1, 6, '}');
      case '0':
        if (reader_.peek() >= '0' && reader_.peek() <= '9') return reader_.fail("octal escape");
        return one(0);
      default:
        break;
    }
    if (c >= '1' && c <= '9')
      return reader_.fail("\\", static_cast<char>(c), ", a back-reference, is not supported");
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) return reader_.fail("\\", static_cast<char>(c), " means nothing");
    return one(c);
  }

  Result<CharacterSet> read_code(int least, int most, char end = '\0') {
    std::optional<char32_t> point = reader_.hex(least, most);
    if (!point || (end && !reader_.take(end)))
      return reader_.fail("expected ", least, " hexadecimal digits");
    // Two halves of one character, as ECMAScript writes those beyond 16 bits.
    if (*point >= 0xd800 && *point <= 0xdbff && reader_.take("\\u")) {
      const std::optional<char32_t> low = reader_.hex(4, 4);
      if (low && *low >= 0xdc00 && *low <= 0xdfff)
        point = 0x10000 + ((*point - 0xd800) << 10) + (*low - 0xdc00);
    }
    if (*point > kLastCharacter || (*point >= 0xd800 && *point <= 0xdfff))
      return reader_.fail("the escape names no character");
    return CharacterSet{{*point, *point}};
  }

  Grammar& grammar_;
  const RegexOptions& options_;
  TextReader reader_;
};

}  // namespace

Result<NodeId> add_regex(Grammar& grammar, std::string_view pattern, const RegexOptions& options) {
  if (pattern.size() > kLongestPattern)
    return fail(options.name, ": ", pattern.size(), " bytes, expected at most ", kLongestPattern);
  if (!TextReader::is_text(pattern)) return fail(options.name, ": not UTF-8");
  return RegexReader(grammar, pattern, options).read();
}

Result<Grammar> regex_grammar(std::string_view pattern) {
  Grammar grammar;
  const RuleId root = grammar.add_rule("root");
  TRY(const NodeId body, add_regex(grammar, pattern, {}));
  grammar.define(root, body);
  return grammar;
}

}  // namespace hadal
