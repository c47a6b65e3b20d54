// SPDX-License-Identifier: MIT
// JSON as a grammar (RFC 8259).
#include "grammar/json_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "grammar/text_reader.h"

namespace hadal {
namespace {

const CharacterSet& hex_digits() {
  static const CharacterSet kSet = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
  return kSet;
}

std::u32string characters_of(std::string_view text) {
  std::u32string points;
  TextReader reader(text, "");
  while (!reader.at_end()) points += reader.next();
  return points;
}

}  // namespace

JsonText::JsonText(Grammar& grammar, const CharacterSet& avoided) : grammar_(grammar) {
  CharacterSet special = {{0, 0x1f}, {'"', '"'}, {'\\', '\\'}};
  special.add(avoided);
  plain_ = special.complement();
}

// A rule that is made when it is first asked for.
NodeId JsonText::once(RuleId& rule, std::string_view name, NodeId (JsonText::*make)()) {
  if (rule < 0) {
    rule = grammar_.add_rule(std::string(name));
    grammar_.define(rule, (this->*make)());
  }
  return grammar_.rule(rule);
}

NodeId JsonText::any_value() {
  return once(value_, "value", &JsonText::make_value);
}
NodeId JsonText::any_object() {
  return once(object_, "object", &JsonText::make_object);
}
NodeId JsonText::any_array() {
  return once(array_, "array", &JsonText::make_array);
}
NodeId JsonText::any_string() {
  return once(string_, "string", &JsonText::make_string);
}
NodeId JsonText::number() {
  return once(number_, "number", &JsonText::make_number);
}

NodeId JsonText::make_value() {
  return grammar_.choice({any_object(), any_array(), any_string(), number(),
                          grammar_.literal("true"), grammar_.literal("false"),
                          grammar_.literal("null")});
}

NodeId JsonText::make_object() {
  const NodeId member =
      grammar_.sequence({any_string(), grammar_.literal(":"), small_blank(), any_value()});
  return object({}, member);
}

NodeId JsonText::make_array() {
  return array({}, 0, any_value(), kNoMost);
}

NodeId JsonText::make_string() {
  return grammar_.sequence(
      {grammar_.literal("\""), grammar_.repeat(character(), 0, kNoMost), grammar_.literal("\"")});
}

// Up to 19 digits and an exponent of at most 279: never more than a double holds.
NodeId JsonText::make_number() {
  Grammar& g = grammar_;
  const NodeId digit = g.characters({{'0', '9'}});
  const NodeId whole =
      g.choice({g.literal("0"), g.sequence({g.characters({{'1', '9'}}), g.repeat(digit, 0, 18)})});
  const NodeId fraction = g.sequence({g.literal("."), g.repeat(digit, 1, 24)});
  const NodeId power =
      g.choice({g.repeat(digit, 1, 2),
                g.sequence({g.characters({{'1', '2'}}), g.characters({{'0', '7'}}), digit})});
  const NodeId exponent = g.sequence({g.characters({{'E', 'E'}, {'e', 'e'}}),
                                      g.optional(g.characters({{'+', '+'}, {'-', '-'}})), power});
  return g.sequence(
      {g.optional(g.literal("-")), whole, g.optional(fraction), g.optional(exponent)});
}

NodeId JsonText::blank() {
  if (blank_ < 0)
    blank_ = grammar_.choice(
        {grammar_.nothing(), grammar_.literal(" "),
         grammar_.sequence({grammar_.literal("\n"),
                            grammar_.repeat(grammar_.characters({{'\t', '\t'}, {' ', ' '}}), 0,
                                            kDeepestIndent)})});
  return blank_;
}

NodeId JsonText::small_blank() {
  return grammar_.optional(grammar_.literal(" "));
}

NodeId JsonText::comma() {
  return grammar_.sequence({grammar_.literal(","), blank()});
}

NodeId JsonText::character() {
  if (character_ < 0) character_ = make_character();
  return character_;
}

// As itself, behind a backslash, or as \u and one or two halves of UTF-16.
NodeId JsonText::make_character() {
  Grammar& g = grammar_;
  const NodeId hex = g.characters(hex_digits());
  const NodeId d = g.characters({{'D', 'D'}, {'d', 'd'}});
  const NodeId others = g.sequence(
      {g.characters(hex_digits().without({{'D', 'D'}, {'d', 'd'}})), g.repeat(hex, 3, 3)});
  const NodeId below = g.sequence({d, g.characters({{'0', '7'}}), g.repeat(hex, 2, 2)});
  const NodeId high =
      g.sequence({d, g.characters({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), g.repeat(hex, 2, 2)});
  const NodeId low = g.sequence({d, g.characters({{'C', 'F'}, {'c', 'f'}}), g.repeat(hex, 2, 2)});
  const NodeId pair = g.sequence({high, g.literal("\\u"), low});
  const NodeId code = g.sequence({g.literal("u"), g.choice({others, below, pair})});
  CharacterSet brief = {{'"', '"'}, {'/', '/'}, {'\\', '\\'}};
  for (const char32_t c : {'b', 'f', 'n', 'r', 't'}) brief.add(c, c);
  return g.choice(
      {g.characters(plain_), g.sequence({g.literal("\\"), g.choice({g.characters(brief), code})})});
}

std::string JsonText::spelled(char32_t point) const {
  if (plain_.contains(point)) return utf8_of(point);
  constexpr std::array<std::pair<char32_t, std::string_view>, 7> kBrief = {{{'"', "\\\""},
                                                                            {'\\', "\\\\"},
                                                                            {'\b', "\\b"},
                                                                            {'\f', "\\f"},
                                                                            {'\n', "\\n"},
                                                                            {'\r', "\\r"},
                                                                            {'\t', "\\t"}}};
  for (const auto& [special, text] : kBrief)
    if (special == point) return std::string(text);
  std::array<char, 16> text{};
  const auto number = [](char32_t code) { return static_cast<unsigned>(code); };
  if (point < 0x10000)
    std::snprintf(text.data(), text.size(), "\\u%04x", number(point));
  else
    std::snprintf(text.data(), text.size(), "\\u%04x\\u%04x",
                  number(0xd800 + ((point - 0x10000) >> 10)), number(0xdc00 + (point & 0x3ff)));
  return text.data();
}

NodeId JsonText::spell(const CharacterSet& set) {
  std::vector<NodeId> ways;
  const CharacterSet special = set.without(plain_);
  const CharacterSet plain = set.without(special);
  if (!plain.empty()) ways.push_back(grammar_.characters(plain));
  for (const CharacterSet::Range& range : special.ranges())
    for (char32_t point = range.first; point <= range.last; ++point)
      ways.push_back(grammar_.literal(spelled(point)));
  return grammar_.choice(std::move(ways));
}

NodeId JsonText::quoted(std::string_view text) {
  std::string written = "\"";
  for (const char32_t point : characters_of(text)) written += spelled(point);
  return grammar_.literal(written + "\"");
}

NodeId JsonText::value(const nlohmann::ordered_json& literal) {
  if (literal.is_string()) return quoted(literal.get_ref<const std::string&>());
  if (literal.is_array()) {
    std::vector<NodeId> elements;
    for (const auto& element : literal) elements.push_back(value(element));
    const int64_t count = static_cast<int64_t>(elements.size());
    return array(elements, count, std::nullopt, count);
  }
  if (literal.is_object()) {
    std::vector<Member> members;
    for (const auto& [name, member] : literal.items())
      members.push_back(
          {grammar_.sequence({quoted(name), grammar_.literal(":"), small_blank(), value(member)}),
           true});
    return object(members, std::nullopt);
  }
  return grammar_.literal(literal.dump());
}

NodeId JsonText::name_other_than(std::vector<std::string> names) {
  std::vector<std::u32string> sorted;
  for (const std::string& name : names) sorted.push_back(characters_of(name));
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  free_name_ = grammar_.repeat(spell(CharacterSet::all()), 0, kNoMost);
  return grammar_.sequence({grammar_.literal("\""), other_names(sorted, 0, sorted.size(), 0)});
}

// What may follow the common beginning of names [begin, end), `depth` characters long, with the
// closing quote.
NodeId JsonText::other_names(const std::vector<std::u32string>& names, size_t begin, size_t end,
                             size_t depth) {
  const NodeId quote = grammar_.literal("\"");
  std::vector<NodeId> ways;
  CharacterSet begun;  // characters with which a name goes on
  size_t i = begin;
  if (i < end && names[i].size() == depth)
    ++i;  // ends here, so another may not
  else
    ways.push_back(quote);
  while (i < end) {
    const char32_t point = names[i][depth];
    size_t last = i;
    while (last < end && names[last][depth] == point) ++last;
    begun.add(point, point);
    ways.push_back(grammar_.sequence(
        {grammar_.literal(spelled(point)), other_names(names, i, last, depth + 1)}));
    i = last;
  }
  ways.push_back(grammar_.sequence({spell(begun.complement()), free_name_, quote}));
  return grammar_.choice(std::move(ways));
}

// Behind a member that is written, the next ones begin with a comma.  As long as none is written
// yet, where to go on depends on which comes first: those ends are rules, so that they are not
// written out again and again.
NodeId JsonText::object(const std::vector<Member>& members, std::optional<NodeId> further) {
  Grammar& g = grammar_;
  const NodeId close = g.sequence({blank(), g.literal("}")});
  const auto with_comma = [&](const Member& member) {
    const NodeId node = g.sequence({comma(), member.node});
    return member.required ? node : g.optional(node);
  };
  std::vector<NodeId> end;
  if (further) end.push_back(g.repeat(g.sequence({comma(), *further}), 0, kNoMost));
  end.push_back(close);

  size_t first_required = 0;
  while (first_required < members.size() && !members[first_required].required) ++first_required;
  // What follows the first required member, or the last member of all.
  std::vector<NodeId> rest;
  for (size_t i = first_required + 1; i < members.size(); ++i)
    rest.push_back(with_comma(members[i]));
  rest.insert(rest.end(), end.begin(), end.end());

  std::vector<NodeId> beginnings;
  NodeId after = -1;  // what follows member i, once it is written
  if (first_required < members.size()) {
    after = g.sequence(rest);
    beginnings.push_back(g.sequence({members[first_required].node, after}));
    after = g.sequence({with_comma(members[first_required]), after});
  } else {
    after = g.sequence(end);
    if (further) beginnings.push_back(g.sequence({*further, after}));
  }
  for (size_t i = first_required; i-- > 0;) {
    const RuleId rule = g.add_rule("members");
    g.define(rule, after);
    beginnings.push_back(g.sequence({members[i].node, g.rule(rule)}));
    after = g.sequence({with_comma(members[i]), g.rule(rule)});
  }
  const NodeId open = g.sequence({g.literal("{"), blank()});
  NodeId body = g.sequence({open, g.choice(std::move(beginnings))});
  if (first_required == members.size())
    body = g.choice({body, g.sequence({g.literal("{"), close})});
  return body;
}

NodeId JsonText::list(NodeId element, int64_t least, int64_t most) {
  if (most == 0) return grammar_.nothing();
  const NodeId again = grammar_.sequence({comma(), element});
  const NodeId some =
      grammar_.sequence({element, grammar_.repeat(again, std::max<int64_t>(0, least - 1),
                                                  most == kNoMost ? kNoMost : most - 1)});
  return least == 0 ? grammar_.optional(some) : some;
}

NodeId JsonText::array(const std::vector<NodeId>& elements, int64_t least,
                       std::optional<NodeId> further, int64_t most) {
  Grammar& g = grammar_;
  const NodeId open = g.sequence({g.literal("["), blank()});
  const NodeId close = g.sequence({blank(), g.literal("]")});
  const int64_t count = static_cast<int64_t>(elements.size());
  std::vector<NodeId> ways;
  if (least == 0) ways.push_back(g.sequence({g.literal("["), close}));
  if (count == 0) {
    if (further && most != 0)
      ways.push_back(g.sequence({open, list(*further, std::max<int64_t>(1, least), most), close}));
    return g.choice(std::move(ways));
  }
  // From the back: what may follow element i.
  NodeId after = g.nothing();
  if (further && (most == kNoMost || most > count))
    after = g.repeat(g.sequence({comma(), *further}), std::max<int64_t>(0, least - count),
                     most == kNoMost ? kNoMost : most - count);
  for (int64_t i = count - 1; i > 0; --i) {
    after = g.sequence({comma(), elements[static_cast<size_t>(i)], after});
    if (i >= least) after = g.optional(after);
  }
  ways.push_back(g.sequence({open, elements.front(), after, close}));
  return g.choice(std::move(ways));
}

}  // namespace hadal
