// SPDX-License-Identifier: MIT
// JSON itself as a grammar: values, strings, white space; what schemas are made of.
//
//   JsonText json(grammar, {});
//   NodeId body = json.any_value();
//
// White space is what printers write: at most one blank behind ":" and ",", or a line feed and up
// to kDeepestIndent blanks; a model cannot get lost in it.  Numbers stay within what a double
// holds.  Strings are valid Unicode: no lone surrogates.  Lends the grammar; one thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace hadal {

inline constexpr int64_t kDeepestIndent = 24;

class JsonText {
 public:
  // `avoided` characters are never written as themselves, only as \u escapes.
  JsonText(Grammar& grammar, const CharacterSet& avoided);

  NodeId any_value();   // any JSON value
  NodeId any_object();  // … that is an object
  NodeId any_array();
  NodeId any_string();
  NodeId number();
  NodeId blank();        // between brackets, members and elements
  NodeId small_blank();  // behind a colon
  NodeId comma();        // with the blank behind it

  // One character of a string, in any of its spellings.
  NodeId character();
  // One character of a set, in one spelling each.
  NodeId spell(const CharacterSet& set);
  // This string, in one spelling, with its quotes.
  NodeId quoted(std::string_view text);
  // This value, its strings in one spelling.
  NodeId value(const nlohmann::ordered_json& literal);
  // A string of one spelling that is none of these names.
  NodeId name_other_than(std::vector<std::string> names);

  // "{", members with commas between, "}".  From each member on, `members` may be optional.
  struct Member {
    NodeId node = 0;
    bool required = false;
  };
  // `further` may follow the members any number of times, or never if absent.
  NodeId object(const std::vector<Member>& members, std::optional<NodeId> further);
  // The first `least` elements must be there; `further` is repeated behind them.
  NodeId array(const std::vector<NodeId>& elements, int64_t least, std::optional<NodeId> further,
               int64_t most);
  // least to most of the same, with commas between.
  NodeId list(NodeId element, int64_t least, int64_t most);

 private:
  std::string spelled(char32_t point) const;
  NodeId once(RuleId& rule, std::string_view name, NodeId (JsonText::*make)());
  NodeId make_value();
  NodeId make_object();
  NodeId make_array();
  NodeId make_string();
  NodeId make_number();
  NodeId make_character();
  NodeId other_names(const std::vector<std::u32string>& names, size_t begin, size_t end,
                     size_t depth);

  Grammar& grammar_;
  CharacterSet plain_;  // written as themselves
  RuleId value_ = -1, object_ = -1, array_ = -1, string_ = -1, number_ = -1;
  NodeId blank_ = -1, character_ = -1, free_name_ = -1;
};

}  // namespace hadal
