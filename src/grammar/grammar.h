// SPDX-License-Identifier: MIT
// A grammar: rules over characters, built by the readers of regular expressions, EBNF and JSON
// schemas, and turned into a Program that says byte by byte what may come.
//
//   Grammar grammar;
//   const RuleId list = grammar.add_rule("list");
//   grammar.define(list, grammar.sequence({grammar.literal("x"),
//                                          grammar.repeat(grammar.rule(list), 0, 1)}));
//   grammar.set_root(list);
//
// Nodes may be used in several places; each use is written out anew.  Characters are Unicode code
// points, and what a grammar matches is always valid UTF-8, but for control tokens: tokens that
// are no text, which stand as themselves.  Plain value, one thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace hadal {

using NodeId = int32_t;
using RuleId = int32_t;

inline constexpr int64_t kNoMost = -1;  // of a repetition: as often as one likes
inline constexpr char32_t kLastCharacter = 0x10ffff;

// Code points: sorted ranges with gaps between them, surrogates left out.
class CharacterSet {
 public:
  struct Range {
    char32_t first = 0, last = 0;  // inclusive
  };
  CharacterSet() = default;
  CharacterSet(std::initializer_list<Range> ranges);
  static CharacterSet all();

  void add(char32_t first, char32_t last);
  void add(const CharacterSet& other);
  CharacterSet complement() const;
  CharacterSet without(const CharacterSet& other) const;
  bool contains(char32_t point) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& ranges() const { return ranges_; }

 private:
  std::vector<Range> ranges_;
};

class Grammar {
 public:
  enum class Kind : uint8_t { literal, characters, control, sequence, choice, repeat, rule };
  struct Node {
    Kind kind = Kind::sequence;
    std::string text;             // literal, UTF-8
    CharacterSet characters;      // one of them
    std::vector<NodeId> parts;    // sequence, choice; the one that is repeated
    int64_t least = 0, most = 0;  // repeat
    int64_t target = 0;           // rule: its id; control: the token's id
  };
  struct Rule {
    std::string name;  // for messages
    NodeId body = -1;
  };

  NodeId literal(std::string_view text);
  NodeId characters(CharacterSet set);
  NodeId control(int64_t token);
  NodeId sequence(std::vector<NodeId> parts);
  NodeId choice(std::vector<NodeId> parts);  // of nothing: matches nothing
  NodeId repeat(NodeId node, int64_t least, int64_t most);
  NodeId optional(NodeId node) { return repeat(node, 0, 1); }
  NodeId nothing() { return literal(""); }
  NodeId rule(RuleId rule);

  RuleId add_rule(std::string name);
  void define(RuleId rule, NodeId body);
  void set_root(RuleId rule) { root_ = rule; }

  RuleId root() const { return root_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<size_t>(id)]; }
  const std::vector<Rule>& rules() const { return rules_; }
  int64_t size() const { return static_cast<int64_t>(nodes_.size()); }

 private:
  NodeId add(Node node);

  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
  RuleId root_ = 0;
};

// One character in UTF-8.  Requires: a code point that is no surrogate.
std::string utf8_of(char32_t point);

// The bytes that stand for a control token where text is read byte by byte: 0xff, which no text
// holds, and the id in three bytes.  Requires: 0 <= token < 2^24.
std::string control_bytes(int64_t token);

}  // namespace hadal
