// SPDX-License-Identifier: MIT
// Sets of characters, and the nodes of a grammar.
#include "grammar/grammar.h"

#include <algorithm>
#include <utility>

#include "base/result.h"

namespace hadal {
namespace {

constexpr char32_t kFirstSurrogate = 0xd800, kLastSurrogate = 0xdfff;

}  // namespace

CharacterSet::CharacterSet(std::initializer_list<Range> ranges) {
  for (const Range& range : ranges) add(range.first, range.last);
}

CharacterSet CharacterSet::all() {
  return {{0, kLastCharacter}};
}

void CharacterSet::add(char32_t first, char32_t last) {
  last = std::min(last, kLastCharacter);
  if (first > last) return;
  if (first <= kLastSurrogate && last >= kFirstSurrogate) {
    if (first < kFirstSurrogate) add(first, kFirstSurrogate - 1);
    if (last > kLastSurrogate) add(kLastSurrogate + 1, last);
    return;
  }
  // Neighbours and overlaps melt into the new range.
  const auto begin = std::find_if(ranges_.begin(), ranges_.end(),
                                  [&](const Range& range) { return range.last + 1 >= first; });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
  }
  ranges_.insert(ranges_.erase(begin, end), Range{first, last});
}

void CharacterSet::add(const CharacterSet& other) {
  for (const Range& range : other.ranges_) add(range.first, range.last);
}

CharacterSet CharacterSet::complement() const {
  CharacterSet result;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) result.add(next, range.first - 1);
    next = range.last + 1;
  }
  result.add(next, kLastCharacter);
  return result;
}

CharacterSet CharacterSet::without(const CharacterSet& other) const {
  CharacterSet outside = complement();
  outside.add(other);
  return outside.complement();
}

bool CharacterSet::contains(char32_t point) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
    return range.first <= point && point <= range.last;
  });
}

NodeId Grammar::add(Node node) {
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Grammar::literal(std::string_view text) {
  Node node;
  node.kind = Kind::literal;
  node.text = text;
  return add(std::move(node));
}

NodeId Grammar::characters(CharacterSet set) {
  Node node;
  node.kind = Kind::characters;
  node.characters = std::move(set);
  return add(std::move(node));
}

NodeId Grammar::control(int64_t token) {
  Node node;
  node.kind = Kind::control;
  node.target = token;
  return add(std::move(node));
}

NodeId Grammar::sequence(std::vector<NodeId> parts) {
  if (parts.size() == 1) return parts.front();
  Node node;
  node.kind = Kind::sequence;
  node.parts = std::move(parts);
  return add(std::move(node));
}

NodeId Grammar::choice(std::vector<NodeId> parts) {
  if (parts.size() == 1) return parts.front();
  Node node;
  node.kind = Kind::choice;
  node.parts = std::move(parts);
  return add(std::move(node));
}

NodeId Grammar::repeat(NodeId part, int64_t least, int64_t most) {
  Node node;
  node.kind = Kind::repeat;
  node.parts = {part};
  node.least = least;
  node.most = most;
  return add(std::move(node));
}

NodeId Grammar::rule(RuleId rule) {
  Node node;
  node.kind = Kind::rule;
  node.target = rule;
  return add(std::move(node));
}

RuleId Grammar::add_rule(std::string name) {
  rules_.push_back({std::move(name), -1});
  return static_cast<RuleId>(rules_.size() - 1);
}

void Grammar::define(RuleId rule, NodeId body) {
  rules_[static_cast<size_t>(rule)].body = body;
}

std::string utf8_of(char32_t point) {
  const auto byte = [](char32_t bits) { return static_cast<char>(bits); };
  if (point < 0x80) return {byte(point)};
  if (point < 0x800) return {byte(0xc0 | point >> 6), byte(0x80 | (point & 0x3f))};
  if (point < 0x10000)
    return {byte(0xe0 | point >> 12), byte(0x80 | (point >> 6 & 0x3f)),
            byte(0x80 | (point & 0x3f))};
  return {byte(0xf0 | point >> 18), byte(0x80 | (point >> 12 & 0x3f)),
          byte(0x80 | (point >> 6 & 0x3f)), byte(0x80 | (point & 0x3f))};
}

std::string control_bytes(int64_t token) {
  CHECK(token >= 0 && token < int64_t{1} << 24, token);
  return {'\xff', static_cast<char>(token >> 16), static_cast<char>(token >> 8),
          static_cast<char>(token)};
}

}  // namespace hadal
