// SPDX-License-Identifier: MIT
// A reader by descent: rules, alternatives, items.
#include "grammar/ebnf.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "grammar/text_reader.h"

namespace hadal {
namespace {

constexpr size_t kLongestGrammar = 1 << 20;

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class EbnfReader {
 public:
  explicit EbnfReader(std::string_view text) : reader_(text, "grammar") {}

  Result<Grammar> read() {
    skip_blanks();
    while (!reader_.at_end()) {
      const size_t start = reader_.place();
      const std::string name = take_name();
      skip_blanks();
      if (name.empty() || !reader_.take("::=")) {
        reader_.go_to(start);
        return reader_.fail("expected name ::= …");
      }
      const RuleId rule = rule_of(name);
      if (grammar_.rules()[static_cast<size_t>(rule)].body >= 0) {
        reader_.go_to(start);
        return reader_.fail("rule ", name, " is defined twice");
      }
      TRY(const NodeId body, read_alternatives(0));
      grammar_.define(rule, body);
      skip_blanks();
    }
    const auto root = rules_.find("root");
    if (root == rules_.end() || grammar_.rules()[static_cast<size_t>(root->second)].body < 0)
      return fail("grammar: no rule is called root");
    grammar_.set_root(root->second);
    return std::move(grammar_);
  }

 private:
  RuleId rule_of(const std::string& name) {
    const auto [place, is_new] = rules_.try_emplace(name, 0);
    if (is_new) place->second = grammar_.add_rule(name);
    return place->second;
  }

  void skip_blanks() {
    while (true) {
      const char c = reader_.peek();
      if (c == '#')
        while (!reader_.at_end() && reader_.peek() != '\n') reader_.next();
      else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
        reader_.take(c);
      else
        return;
    }
  }

  std::string take_name() {
    std::string name;
    while (is_name_byte(reader_.peek())) name += static_cast<char>(reader_.next());
    return name;
  }

  Result<NodeId> read_alternatives(int depth) {
    if (depth > kDeepestGroups) return reader_.fail("more than ", kDeepestGroups, " groups deep");
    std::vector<NodeId> alternatives;
    do {
      TRY(const NodeId alternative, read_sequence(depth));
      alternatives.push_back(alternative);
    } while (reader_.take('|'));
    return grammar_.choice(std::move(alternatives));
  }

  // Up to "|", ")", the end or the next rule.
  Result<NodeId> read_sequence(int depth) {
    std::vector<NodeId> items;
    while (true) {
      skip_blanks();
      const char c = reader_.peek();
      if (reader_.at_end() || c == '|' || c == ')' || next_rule_begins()) break;
      TRY(NodeId item, read_item(depth));
      TRY(item, read_count(item));
      items.push_back(item);
    }
    if (depth == 0 && reader_.peek() == ')') return reader_.fail("\")\" closes nothing");
    return grammar_.sequence(std::move(items));
  }

  bool next_rule_begins() {
    const size_t start = reader_.place();
    const bool named = !take_name().empty();
    skip_blanks();
    const bool begins = named && reader_.take("::=");
    reader_.go_to(start);
    return begins;
  }

  Result<NodeId> read_item(int depth) {
    const char c = reader_.peek();
    if (c == '"' || c == '\'') return read_literal(c);
    if (c == '[') return read_class();
    if (reader_.take('.')) return grammar_.characters(CharacterSet::all());
    if (reader_.take('(')) {
      TRY(const NodeId group, read_alternatives(depth + 1));
      if (!reader_.take(')')) return reader_.fail("expected \")\"");
      return group;
    }
    if (!is_name_byte(c)) return reader_.fail("expected a literal, a class, a group or a name");
    return grammar_.rule(rule_of(take_name()));
  }

  Result<NodeId> read_count(NodeId item) {
    // Blanks before a count belong to no item; a newline ends the search for one.
    if (reader_.take('*')) return grammar_.repeat(item, 0, kNoMost);
    if (reader_.take('+')) return grammar_.repeat(item, 1, kNoMost);
    if (reader_.take('?')) return grammar_.repeat(item, 0, 1);
    if (!reader_.take('{')) return item;
    TRY(const auto counts, reader_.counts());
    return grammar_.repeat(item, counts.first, counts.second);
  }

  Result<NodeId> read_literal(char quote) {
    reader_.take(quote);
    std::string text;
    while (!reader_.take(quote)) {
      if (reader_.at_end() || reader_.peek() == '\n') return reader_.fail("the literal has no end");
      TRY(const char32_t point, read_character());
      text += utf8_of(point);
    }
    return grammar_.literal(text);
  }

  Result<NodeId> read_class() {
    reader_.take('[');
    const bool negated = reader_.take('^');
    CharacterSet set;
    while (!reader_.take(']')) {
      if (reader_.at_end()) return reader_.fail("expected \"]\"");
      TRY(const char32_t first, read_character());
      char32_t last = first;
      if (reader_.peek() == '-' && reader_.peek(1) != ']' && reader_.peek(1) != '\0') {
        reader_.take('-');
        TRY(last, read_character());
      }
      if (last < first) return reader_.fail("not a range: the smaller character stands first");
      set.add(first, last);
    }
    return grammar_.characters(negated ? set.complement() : set);
  }

  Result<char32_t> read_character() {
    if (!reader_.take('\\')) return reader_.next();
    if (reader_.at_end()) return reader_.fail("\"\\\" at the end");
    const char32_t c = reader_.next();
    std::optional<char32_t> point;
    switch (c) {
      case 'n':
        return U'\n';
      case 't':
        return U'\t';
      case 'r':
        return U'\r';
      case 'x':
        point = reader_.hex(2, 2);
        break;
      case 'u':
        point = reader_.hex(4, 4);
        break;
      case 'U':
        point = reader_.hex(8, 8);
        break;
      default: {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter || c < ' ') return reader_.fail("an escape that means nothing");
        return c;
      }
    }
    if (!point || *point > kLastCharacter || (*point >= 0xd800 && *point <= 0xdfff))
      return reader_.fail("the escape names no character");
    return *point;
  }

  TextReader reader_;
  Grammar grammar_;
  std::map<std::string, RuleId> rules_;
};

}  // namespace

Result<Grammar> ebnf_grammar(std::string_view text) {
  if (text.size() > kLongestGrammar)
    return fail("grammar: ", text.size(), " bytes, expected at most ", kLongestGrammar);
  if (!TextReader::is_text(text)) return fail("grammar: not UTF-8");
  return EbnfReader(text).read();
}

}  // namespace hadal
