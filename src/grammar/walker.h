// SPDX-License-Identifier: MIT
// Follows a program byte by byte: a deterministic machine whose states are made when first needed.
//
//   Walker walker(program);
//   int32_t state = walker.start();
//   for (uint8_t byte : bytes) if ((state = walker.step(state, byte)) == Walker::kDead) …
//   walker.accepts(state)
//
// A state is a set of places: an instruction and a stack.  A stack is a set too, of all the places
// that the running rule may come back to with the stacks below them (Tomita's graph-structured
// stack): callers that wait for the same rule from the same byte on share one run of it, so that
// ambiguity does not multiply.  Equal stacks are one stack and equal sets one state, and every step
// is computed once.  From every state but kDead some text leads to the end.  If a state would have
// more than kMostPlaces, the rest is left out: what follows still fits the grammar.  One thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "grammar/program.h"

namespace hadal {

class Walker {
 public:
  static constexpr int32_t kDead = -1;
  static constexpr size_t kMostPlaces = 4096;
  // Stacks: the bottom, and one that nothing is known of.
  static constexpr int32_t kBottom = 0, kUnknown = 1;

  struct Place {
    int32_t stack = 0;
    Address address = 0;  // of a `bytes` instruction, or of an `accept` at the end of its stack
    auto operator<=>(const Place&) const = default;
  };

  explicit Walker(const Program& program);

  int32_t start();
  // The state of these places and all that they lead to without reading.
  int32_t state_of(std::span<const Place> places);
  int32_t step(int32_t state, uint8_t byte);
  // The text may end here.
  bool accepts(int32_t state) const { return states_[static_cast<size_t>(state)].accepts; }
  // What began on an unknown stack may have come to its end here.
  bool escapes(int32_t state) const { return states_[static_cast<size_t>(state)].escapes; }
  // Sorted by stack; without those that read nothing.
  std::span<const Place> places(int32_t state) const;

  // Places looked at since the walker was made: what a caller may bound.
  int64_t work() const { return work_; }
  // Bytes held, about.
  int64_t memory() const;

  // Forgets all states but this one, whose new number is returned.
  int32_t forget_all_but(int32_t state);

 private:
  struct State {
    std::vector<Place> places;
    bool accepts = false, escapes = false;
    // Where it leads, by the set of its places that a byte passes: bytes of several classes often
    // pass the same ones.  Only for the first 64 places, so only for states of no more.
    std::vector<std::pair<uint64_t, int32_t>> ways = {};
  };
  using Stack = std::vector<Place>;  // sorted: where to come back to, with what is below
  static constexpr int32_t kNotYet = -2;

  int32_t find_step(int32_t state, uint8_t byte);
  void begin();
  void settle(bool in_new_rule);
  void visit(const Place& place, bool in_new_rule);
  bool mark(const Place& place);
  void grow_marks();
  void enter_rules();
  int32_t stack_of(Stack stack);
  int32_t intern();

  const Program* program_;
  std::vector<State> states_;
  std::vector<int32_t> steps_;                                // one a state and class of bytes
  std::unordered_map<uint64_t, std::vector<int32_t>> index_;  // hash of places to states
  std::vector<Stack> stacks_;
  std::map<Stack, int32_t> stack_index_;
  int64_t work_ = 0, places_held_ = 0;  // the latter in states and stacks
  // The state being made.
  State making_;
  std::vector<Place> todo_;
  std::map<int32_t, Stack> calls_;                // by rule: who has called it at this byte
  std::vector<std::pair<Place, uint32_t>> seen_;  // open addressing; the number is the making's
  uint32_t stamp_ = 0;
  size_t seen_count_ = 0;
};

}  // namespace hadal
