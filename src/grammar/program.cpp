// SPDX-License-Identifier: MIT
// Writes a program from back to front: each node is compiled with the address of what follows it.
// Characters become their UTF-8 bytes, with common tails shared.
#include "grammar/program.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace hadal {
namespace {

using Kind = Grammar::Kind;

// A rule of so many instructions is written out rather than called: then a token that begins in it
// and ends behind it is decided once for all places that it is used in.
constexpr int64_t kSmallRule = 24;
constexpr int kDeepestCopies = 8;  // rules written out within rules
constexpr int64_t kLarge = 1 << 20;
// The checks of recursion take the square of it at worst.
constexpr size_t kMostRules = 10000;

struct Utf8Range {
  int length = 0;
  std::array<uint8_t, 4> first{}, last{};
};

// A range of characters as runs in which every byte has its own range: cut where the length
// changes, and where a byte before the last changes while those behind it are not full.
void cut_utf8(char32_t first, char32_t last, std::vector<Utf8Range>& runs) {
  for (const char32_t limit : {char32_t{0x7f}, char32_t{0x7ff}, char32_t{0xffff}})
    if (first <= limit && limit < last) {
      cut_utf8(first, limit, runs);
      return cut_utf8(limit + 1, last, runs);
    }
  for (int shift = 6; shift <= 18 && last > 0x7f; shift += 6) {
    const char32_t low = (char32_t{1} << shift) - 1;
    if ((first & ~low) == (last & ~low)) break;
    if ((first & low) != 0) {
      cut_utf8(first, first | low, runs);
      return cut_utf8((first | low) + 1, last, runs);
    }
    if ((last & low) != low) {
      cut_utf8(first, (last & ~low) - 1, runs);
      return cut_utf8(last & ~low, last, runs);
    }
  }
  const std::string from = utf8_of(first), to = utf8_of(last);
  Utf8Range run;
  run.length = static_cast<int>(from.size());
  for (size_t i = 0; i < from.size(); ++i) {
    run.first[i] = static_cast<uint8_t>(from[i]);
    run.last[i] = static_cast<uint8_t>(to[i]);
  }
  runs.push_back(run);
}

}  // namespace

class ProgramWriter {
 public:
  explicit ProgramWriter(const Grammar& grammar) : grammar_(grammar) {}

  Result<Program> write() {
    if (grammar_.rules().size() > kMostRules)
      return fail("grammar: ", grammar_.rules().size(), " rules, expected at most ", kMostRules);
    for (const Grammar::Rule& rule : grammar_.rules())
      if (rule.body < 0) return fail("grammar: rule ", rule.name, " is used and never defined");
    decide_calls();
    entry_.resize(grammar_.rules().size(), -1);
    may_be_empty_.resize(grammar_.rules().size());
    const Address root = entry_of(grammar_.root());
    // Rules are compiled when they are first called; each may call further ones.
    while (!waiting_.empty() && !full()) {
      const RuleId rule = waiting_.back();
      waiting_.pop_back();
      const Address end = emit({Instruction::Kind::accept, 0, 0, -1});
      const Address body = compile(body_of(rule), end);
      code_[at(entry_of(rule))] = {Instruction::Kind::split, 0, body, -1};
    }
    if (full())
      return fail("grammar: larger than ", kMostInstructions,
                  " instructions; expected smaller counts or fewer rules");
    find_live();
    if (!live_[at(root)]) return fail("grammar: matches no text at all");
    Program program;
    TRY(program.rules_, order_rules());
    resolve_twins();
    find_byte_classes(program);
    program.code_ = std::move(code_);
    program.sets_ = std::move(sets_);
    program.live_ = std::move(live_);
    program.twins_ = std::move(twins_);
    program.start_ = root;
    return program;
  }

 private:
  static size_t at(Address address) { return static_cast<size_t>(address); }
  NodeId body_of(RuleId rule) const { return grammar_.rules()[static_cast<size_t>(rule)].body; }
  bool full() const { return static_cast<int64_t>(code_.size()) > kMostInstructions; }

  Address emit(Instruction instruction) {
    if (full()) return 0;  // write() will refuse
    code_.push_back(instruction);
    twins_.push_back(static_cast<Address>(code_.size()) - 1);
    return twins_.back();
  }

  // The instruction a call jumps to; its rule is compiled later.
  Address entry_of(RuleId rule) {
    Address& entry = entry_[static_cast<size_t>(rule)];
    if (entry < 0) {
      entry = emit({Instruction::Kind::split, 0, 0, -1});
      waiting_.push_back(rule);
    }
    return entry;
  }

  // About how many instructions a node takes; kLarge if it leads deep.
  int64_t estimate(NodeId id, int depth) const {
    const Grammar::Node& node = grammar_.node(id);
    int64_t sum = 0;
    switch (node.kind) {
      case Kind::literal:
        return static_cast<int64_t>(node.text.size());
      case Kind::control:
        return 4;
      case Kind::characters:
        return 2 * static_cast<int64_t>(node.characters.ranges().size());
      case Kind::sequence:
      case Kind::choice:
        for (const NodeId part : node.parts) {
          sum += 1 + estimate(part, depth);
          if (sum > kSmallRule) return kLarge;
        }
        return sum;
      case Kind::repeat:
        sum = 1 + estimate(node.parts.front(), depth);
        return std::min(kLarge, sum * std::min(kLarge, std::max(node.least, node.most) + 1));
      case Kind::rule:
        if (depth >= kDeepestCopies) return kLarge;
        return estimate(body_of(static_cast<RuleId>(node.target)), depth + 1);
    }
    return kLarge;
  }

  void decide_calls() {
    for (const Grammar::Rule& rule : grammar_.rules())
      is_small_.push_back(estimate(rule.body, 1) <= kSmallRule);
  }

  Address compile(NodeId id, Address next) {
    if (full()) return 0;
    const Grammar::Node& node = grammar_.node(id);
    switch (node.kind) {
      case Kind::literal:
        return compile_text(node.text, next);
      case Kind::control:
        return compile_text(control_bytes(node.target), next);
      case Kind::characters:
        return compile_characters(node.characters, next);
      case Kind::sequence:
        for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part)
          next = compile(*part, next);
        return next;
      case Kind::choice:
        return compile_choice(node, next);
      case Kind::repeat:
        return compile_repeat(node, next);
      case Kind::rule:
        break;
    }
    const RuleId rule = static_cast<RuleId>(node.target);
    if (is_small_[static_cast<size_t>(rule)]) return compile(body_of(rule), next);
    return emit({Instruction::Kind::call, entry_of(rule), next, -1});
  }

  Address compile_text(std::string_view text, Address next) {
    for (auto c = text.rbegin(); c != text.rend(); ++c) {
      ByteSet set;
      set.set(static_cast<uint8_t>(*c));
      next = emit_bytes(set, next);
    }
    return next;
  }

  Address emit_bytes(const ByteSet& set, Address next) {
    const auto [place, is_new] = set_index_.try_emplace(set, static_cast<int32_t>(sets_.size()));
    if (is_new) sets_.push_back(set);
    return emit({Instruction::Kind::bytes, place->second, next, -1});
  }

  // Any of several ways; none at all is an instruction that no byte passes.
  Address emit_ways(const std::vector<Address>& ways) {
    if (ways.empty()) return emit_bytes(ByteSet(), 0);
    Address all = ways.back();
    for (size_t i = ways.size() - 1; i-- > 0;)
      all = emit({Instruction::Kind::split, 0, ways[i], all});
    return all;
  }

  Address compile_characters(const CharacterSet& characters, Address next) {
    std::vector<Utf8Range> runs;
    for (const CharacterSet::Range& range : characters.ranges())
      cut_utf8(range.first, range.last, runs);
    return compile_runs(runs, 0, next);
  }

  // Runs from their byte `depth` on.  Those with equal rests share the instructions behind.
  Address compile_runs(const std::vector<Utf8Range>& runs, int depth, Address next) {
    std::map<std::vector<std::pair<uint8_t, uint8_t>>, ByteSet> heads;
    for (const Utf8Range& run : runs) {
      std::vector<std::pair<uint8_t, uint8_t>> rest;
      for (int i = depth + 1; i < run.length; ++i)
        rest.emplace_back(run.first[static_cast<size_t>(i)], run.last[static_cast<size_t>(i)]);
      ByteSet& set = heads[rest];
      for (int byte = run.first[static_cast<size_t>(depth)];
           byte <= run.last[static_cast<size_t>(depth)]; ++byte)
        set.set(static_cast<size_t>(byte));
    }
    std::map<std::vector<std::pair<uint8_t, uint8_t>>, Address> tails;
    std::vector<Address> ways;
    for (const auto& [rest, set] : heads) ways.push_back(emit_bytes(set, tail(rest, next, tails)));
    return emit_ways(ways);
  }

  Address tail(const std::vector<std::pair<uint8_t, uint8_t>>& rest, Address next,
               std::map<std::vector<std::pair<uint8_t, uint8_t>>, Address>& tails) {
    if (rest.empty()) return next;
    if (const auto found = tails.find(rest); found != tails.end()) return found->second;
    const Address behind = tail({rest.begin() + 1, rest.end()}, next, tails);
    ByteSet set;
    for (int byte = rest.front().first; byte <= rest.front().second; ++byte)
      set.set(static_cast<size_t>(byte));
    return tails[rest] = emit_bytes(set, behind);
  }

  // Literals that begin alike share their beginning, so that a list of a thousand words is not a
  // thousand machines.
  Address compile_choice(const Grammar::Node& node, Address next) {
    std::vector<std::string_view> words;
    std::vector<Address> ways;
    for (const NodeId part : node.parts) {
      const Grammar::Node& option = grammar_.node(part);
      if (option.kind == Kind::literal)
        words.push_back(option.text);
      else
        ways.push_back(compile(part, next));
    }
    std::sort(words.begin(), words.end());
    if (!words.empty()) ways.push_back(compile_words(words, 0, words.size(), 0, next));
    return emit_ways(ways);
  }

  // Sorted words [begin, end), which agree in their first `depth` bytes.  As deep as a word is
  // long where it branches; runs that do not branch are compiled in one go.
  Address compile_words(const std::vector<std::string_view>& words, size_t begin, size_t end,
                        size_t depth, Address next) {
    size_t same = depth;
    const std::string_view low = words[begin], high = words[end - 1];
    while (same < low.size() && same < high.size() && low[same] == high[same]) ++same;
    std::vector<Address> ways;
    size_t i = begin;
    if (low.size() == same) ways.push_back(next);
    while (i < end && words[i].size() == same) ++i;
    while (i < end) {
      size_t last = i;
      while (last < end && words[last][same] == words[i][same]) ++last;
      if (last - i == 1)
        ways.push_back(compile_text(words[i].substr(same), next));
      else
        ways.push_back(compile_words(words, i, last, same, next));
      i = last;
    }
    return compile_text(low.substr(depth, same - depth), emit_ways(ways));
  }

  // From the back: the optional copies, or the loop, then the copies that must be.
  Address compile_repeat(const Grammar::Node& node, Address next) {
    const NodeId part = node.parts.front();
    const bool reads = !may_be_empty(part, 0);
    const Address exit = next;
    if (node.most == kNoMost) {
      const Address loop = emit({Instruction::Kind::split, 0, 0, exit});
      const Address body = compile(part, loop);
      if (!full()) code_[at(loop)].next = body;
      next = loop;
    } else {
      next = copies(part, node.most - node.least, next, exit, reads);
    }
    return copies(part, node.least, next, -1, reads);
  }

  // `count` copies before `next`; with an exit each may be the last.
  Address copies(NodeId part, int64_t count, Address next, Address exit, bool reads) {
    size_t model_begin = 0, model_end = 0;  // the copy that all farther from the end resemble
    for (int64_t i = 0; i < count && !full(); ++i) {
      const size_t begin = code_.size();
      next = compile(part, next);
      if (exit >= 0) next = emit({Instruction::Kind::split, 0, next, exit});
      const size_t end = code_.size();
      if (end == begin) break;  // nothing to repeat
      if (i == kHorizon) {
        model_begin = begin;
        model_end = end;
      } else if (i > kHorizon && reads && end - begin == model_end - model_begin) {
        for (size_t k = begin; k < end; ++k)
          twins_[k] = static_cast<Address>(model_begin + (k - begin));
      }
    }
    return next;
  }

  // Whether the node can match nothing; yes where that leads too deep to say.
  bool may_be_empty(NodeId id, int depth) {
    const Grammar::Node& node = grammar_.node(id);
    const auto is_empty = [&](NodeId part) { return may_be_empty(part, depth); };
    switch (node.kind) {
      case Kind::literal:
        return node.text.empty();
      case Kind::control:
      case Kind::characters:
        return false;
      case Kind::sequence:
        return std::all_of(node.parts.begin(), node.parts.end(), is_empty);
      case Kind::choice:
        return std::any_of(node.parts.begin(), node.parts.end(), is_empty);
      case Kind::repeat:
        return node.least == 0 || is_empty(node.parts.front());
      case Kind::rule:
        break;
    }
    std::optional<bool>& known = may_be_empty_[static_cast<size_t>(node.target)];
    if (!known && depth < kDeepestCopies) {
      known = true;  // while nothing better is known: a rule within itself
      known = may_be_empty(body_of(static_cast<RuleId>(node.target)), depth + 1);
    }
    return known.value_or(true);
  }

  // Backwards from the ends: an instruction lives if one that it leads to does; a call, if both
  // its rule and what comes after it do.
  void find_live() {
    live_.assign(code_.size(), false);
    std::vector<std::vector<Address>> users(code_.size());
    std::vector<Address> todo;
    for (size_t i = 0; i < code_.size(); ++i) {
      const Instruction& code = code_[i];
      const Address self = static_cast<Address>(i);
      if (code.kind == Instruction::Kind::accept) {
        todo.push_back(self);
        continue;
      }
      if (code.kind == Instruction::Kind::bytes && sets_[at(code.set)].none()) continue;
      users[at(code.next)].push_back(self);
      if (code.kind == Instruction::Kind::call) users[at(code.set)].push_back(self);
      if (code.other >= 0) users[at(code.other)].push_back(self);
    }
    while (!todo.empty()) {
      const Address address = todo.back();
      todo.pop_back();
      if (live_[at(address)]) continue;
      const Instruction& code = code_[at(address)];
      const bool is_call = code.kind == Instruction::Kind::call;
      if (is_call && !(live_[at(code.next)] && live_[at(code.set)])) continue;
      live_[at(address)] = true;
      todo.insert(todo.end(), users[at(address)].begin(), users[at(address)].end());
    }
  }

  // Set after set, each class is cut in those that are in the set and those that are not.
  void find_byte_classes(Program& program) const {
    for (const ByteSet& set : sets_) {
      std::array<std::array<int, 2>, 256> cut;
      for (auto& halves : cut) halves = {-1, -1};
      int count = 0;
      for (size_t byte = 0; byte < 256; ++byte) {
        int& half = cut[program.byte_class_[byte]][set.test(byte) ? 1 : 0];
        if (half < 0) half = count++;
        program.byte_class_[byte] = static_cast<uint8_t>(half);
      }
      program.byte_classes_ = count;
    }
  }

  // What a rule reaches before it reads a byte.
  struct Reach {
    std::vector<size_t> calls;  // positions in rules_of_entry_
    bool end = false;
  };

  // The rules that are called, each before those it may call without reading; calls name them by
  // their places from here on.
  Result<std::vector<CalledRule>> order_rules() {
    std::vector<RuleId> rules;
    std::unordered_map<Address, size_t> index;
    for (size_t rule = 0; rule < entry_.size(); ++rule)
      if (entry_[rule] >= 0) {
        index[entry_[rule]] = rules.size();
        rules.push_back(static_cast<RuleId>(rule));
      }
    const std::vector<bool> empty = find_empty(rules, index);
    std::vector<Reach> reach;
    for (const RuleId rule : rules) reach.push_back(reach_of(rule, index, empty));
    TRY(const std::vector<size_t> order, order_of(reach, rules));
    std::vector<CalledRule> called;
    std::unordered_map<Address, int32_t> place;
    for (const size_t i : order) {
      const Address entry = entry_[static_cast<size_t>(rules[i])];
      place[entry] = static_cast<int32_t>(called.size());
      called.push_back({entry, empty[i]});
    }
    for (Instruction& code : code_)
      if (code.kind == Instruction::Kind::call) code.set = place.at(code.set);
    return called;
  }

  Reach reach_of(RuleId rule, const std::unordered_map<Address, size_t>& index,
                 const std::vector<bool>& empty) {
    Reach reach;
    std::vector<Address> todo = {entry_[static_cast<size_t>(rule)]};
    seen_.resize(code_.size(), 0);
    ++stamp_;
    while (!todo.empty()) {
      const Address address = todo.back();
      todo.pop_back();
      if (address < 0 || !live_[at(address)] || seen_[at(address)] == stamp_) continue;
      seen_[at(address)] = stamp_;
      const Instruction& code = code_[at(address)];
      if (code.kind == Instruction::Kind::accept) reach.end = true;
      if (code.kind == Instruction::Kind::split) todo.insert(todo.end(), {code.next, code.other});
      if (code.kind != Instruction::Kind::call) continue;
      const size_t called = index.at(code.set);
      reach.calls.push_back(called);
      if (empty[called]) todo.push_back(code.next);
    }
    return reach;
  }

  // Which rules match nothing: again and again, until no more are found.  Each round costs what
  // the rules reach without reading, and there are at most as many rounds as rules call in a row.
  std::vector<bool> find_empty(const std::vector<RuleId>& rules,
                               const std::unordered_map<Address, size_t>& index) {
    std::vector<bool> empty(rules.size(), false);
    std::vector<std::vector<size_t>> callers(rules.size());
    std::vector<size_t> todo;
    for (size_t i = 0; i < rules.size(); ++i) {
      const Reach reach = reach_of(rules[i], index, empty);
      for (const size_t called : reach.calls) callers[called].push_back(i);
      todo.push_back(i);
    }
    while (!todo.empty()) {
      const size_t i = todo.back();
      todo.pop_back();
      if (empty[i]) continue;
      const Reach reach = reach_of(rules[i], index, empty);
      for (const size_t called : reach.calls)
        if (!empty[called]) callers[called].push_back(i);
      if (!reach.end) continue;
      empty[i] = true;
      todo.insert(todo.end(), callers[i].begin(), callers[i].end());
    }
    return empty;
  }

  Result<std::vector<size_t>> order_of(const std::vector<Reach>& reach,
                                       const std::vector<RuleId>& rules) const {
    std::vector<int64_t> callers(reach.size(), 0);
    for (const Reach& from : reach)
      for (const size_t called : from.calls) ++callers[called];
    std::vector<size_t> order;
    for (size_t i = 0; i < reach.size(); ++i)
      if (callers[i] == 0) order.push_back(i);
    for (size_t i = 0; i < order.size(); ++i)
      for (const size_t called : reach[order[i]].calls)
        if (--callers[called] == 0) order.push_back(called);
    if (order.size() == reach.size()) return order;
    // What is left is on a cycle or behind one, and is called by something that is left: following
    // the callers leads onto a cycle.
    std::vector<size_t> caller(reach.size(), 0);
    size_t here = 0;
    for (size_t i = 0; i < reach.size(); ++i) {
      if (callers[i] == 0) continue;
      here = i;
      for (const size_t called : reach[i].calls) caller[called] = i;
    }
    for (size_t step = 0; step < reach.size(); ++step) here = caller[here];
    return fail("grammar: rule ", grammar_.rules()[static_cast<size_t>(rules[here])].name,
                " comes back to itself before it has read anything; expected no left recursion");
  }

  // Twins of twins, down to one that is its own.  A twin has a lower address.
  void resolve_twins() {
    for (Address& twin : twins_) twin = twins_[at(twin)];
  }

  const Grammar& grammar_;
  std::vector<Instruction> code_;
  std::vector<ByteSet> sets_;
  std::unordered_map<ByteSet, int32_t> set_index_;
  std::vector<Address> twins_;
  std::vector<bool> live_;
  std::vector<std::optional<bool>> may_be_empty_;  // by rule
  std::vector<bool> is_small_;                     // by rule: written out where it is used
  std::vector<Address> entry_;                     // by rule: where it begins, or -1
  std::vector<RuleId> waiting_;                    // called, not compiled yet
  std::vector<uint32_t> seen_;
  uint32_t stamp_ = 0;
};

Result<Program> Program::compile(const Grammar& grammar) {
  return ProgramWriter(grammar).write();
}

}  // namespace hadal
