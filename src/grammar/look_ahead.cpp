// SPDX-License-Identifier: MIT
// From state to state, by bytes; those where something new stands on a stack first.
#include "grammar/look_ahead.h"

#include <algorithm>
#include <deque>
#include <span>
#include <utility>

namespace hadal {
namespace {

// Recursion makes states without end: an array in an array has another stack and the same masks.
constexpr size_t kMostStates = 8192;
// Half of what a grammar keeps.
constexpr size_t kMostLearnt = 512;
// Of bytes that may come next: with fewer, all but a corner of the vocabulary is passed over.
constexpr size_t kFewBytes = 64;

// One byte of each set of bytes that lead to the same place from here.
std::vector<uint8_t> telling_bytes(const Program& program, std::span<const Walker::Place> places) {
  std::set<int32_t> sets;
  for (const Walker::Place& place : places) {
    const Instruction& code = program.at(place.address);
    if (code.kind == Instruction::Kind::bytes) sets.insert(code.set);
  }
  ByteSet left;
  for (const int32_t set : sets) left |= program.set(set);
  std::vector<uint8_t> bytes;
  while (left.any()) {
    const size_t byte = left._Find_first();
    ByteSet alike = left;
    for (const int32_t set : sets)
      alike &= program.set(set).test(byte) ? program.set(set) : ~program.set(set);
    bytes.push_back(static_cast<uint8_t>(byte));
    left &= ~alike;
  }
  return bytes;
}

// What stands on top of each stack of a state, as TokenGrammar tells it apart.
StackTops tops_of(const Program& program, std::span<const Walker::Place> places) {
  StackTops tops;
  for (size_t i = 0; i < places.size();) {
    std::vector<Address> top;
    const int32_t stack = places[i].stack;
    for (; i < places.size() && places[i].stack == stack; ++i)
      top.push_back(program.twin(places[i].address));
    std::sort(top.begin(), top.end());
    top.erase(std::unique(top.begin(), top.end()), top.end());
    tops.insert(std::move(top));
  }
  return tops;
}

// One look, from state to state.
class Look {
 public:
  Look(const TokenGrammar& grammar, int64_t most_work)
      : grammar_(grammar), program_(grammar.program()), most_work_(most_work), walker_(program_) {}

  StackTops run() {
    reach(walker_.start());
    while (work_ + walker_.work() < most_work_ && learnt_.size() < kMostLearnt) {
      // Where something new was found, more is near.
      std::deque<int32_t>& line = fresh_.empty() ? stale_ : fresh_;
      if (line.empty()) break;
      const int32_t state = line.front();
      line.pop_front();
      // A copy: steps make states, and states move.
      const std::vector<Walker::Place> places(walker_.places(state).begin(),
                                              walker_.places(state).end());
      for (const uint8_t byte : telling_bytes(program_, places)) reach(walker_.step(state, byte));
    }
    return std::move(learnt_);
  }

 private:
  void reach(int32_t state) {
    if (state == Walker::kDead || seen_.size() >= kMostStates || !seen_.insert(state).second)
      return;
    bool is_new = false;
    for (const std::vector<Address>& top : tops_of(program_, walker_.places(state))) {
      if (!met_.insert(top).second) continue;
      is_new = true;
      if (!costs_a_walk(program_, top)) continue;
      work_ += grammar_.local(top)->work;
      learnt_.insert(top);
    }
    (is_new ? fresh_ : stale_).push_back(state);
  }

  const TokenGrammar& grammar_;
  const Program& program_;
  const int64_t most_work_;
  Walker walker_;
  std::deque<int32_t> fresh_, stale_;  // to go on from
  std::set<int32_t> seen_;
  StackTops met_, learnt_;
  int64_t work_ = 0;
};

}  // namespace

bool costs_a_walk(const Program& program, const std::vector<Address>& top) {
  ByteSet next;
  for (const Address address : top)
    if (const Instruction& code = program.at(address); code.kind == Instruction::Kind::bytes)
      next |= program.set(code.set);
  return next.count() >= kFewBytes;
}

StackTops look_ahead(const TokenGrammar& grammar, int64_t most_work) {
  return Look(grammar, most_work).run();
}

}  // namespace hadal
