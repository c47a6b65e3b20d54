// SPDX-License-Identifier: MIT
// States by subset construction over places.
#include "grammar/walker.h"

#include <algorithm>
#include <set>

namespace hadal {
namespace {

uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 32)) * 0x9e3779b97f4a7c15ULL;
  return x ^ (x >> 29);
}

uint64_t hash_of(const Walker::Place& place) {
  return mix(static_cast<uint64_t>(static_cast<uint32_t>(place.stack)) << 32 |
             static_cast<uint32_t>(place.address));
}

}  // namespace

Walker::Walker(const Program& program) : program_(&program), stacks_(2), seen_(64) {}

int32_t Walker::start() {
  const Place place{kBottom, program_->start()};
  return state_of({&place, 1});
}

int32_t Walker::state_of(std::span<const Place> places) {
  begin();
  todo_.assign(places.begin(), places.end());
  settle(false);
  enter_rules();
  return intern();
}

int32_t Walker::step(int32_t state, uint8_t byte) {
  const size_t slot = static_cast<size_t>(state) * static_cast<size_t>(program_->byte_classes()) +
                      program_->byte_class(byte);
  if (steps_[slot] == kNotYet) steps_[slot] = find_step(state, byte);
  return steps_[slot];
}

int32_t Walker::find_step(int32_t state, uint8_t byte) {
  const std::vector<Place>& places = states_[static_cast<size_t>(state)].places;
  work_ += static_cast<int64_t>(places.size());
  begin();
  uint64_t passed = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    const Instruction& code = program_->at(places[i].address);
    if (!program_->set(code.set).test(byte)) continue;
    todo_.push_back({places[i].stack, code.next});
    passed |= uint64_t{1} << (i % 64);
  }
  const bool has_ways = places.size() <= 64;
  if (has_ways)
    for (const auto& [by, there] : states_[static_cast<size_t>(state)].ways)
      if (by == passed) return there;
  settle(false);
  enter_rules();
  const int32_t there = intern();
  if (has_ways) states_[static_cast<size_t>(state)].ways.emplace_back(passed, there);
  return there;
}

void Walker::begin() {
  making_ = {};
  todo_.clear();
  calls_.clear();
  ++stamp_;
  seen_count_ = 0;
}

// All that the places lead to without reading and without entering rules.
void Walker::settle(bool in_new_rule) {
  while (!todo_.empty()) {
    const Place place = todo_.back();
    todo_.pop_back();
    if (!program_->live(place.address) || making_.places.size() >= kMostPlaces) continue;
    if (mark(place)) visit(place, in_new_rule);
  }
}

void Walker::visit(const Place& place, bool in_new_rule) {
  const Instruction& code = program_->at(place.address);
  switch (code.kind) {
    case Instruction::Kind::bytes:
      making_.places.push_back(place);
      break;
    case Instruction::Kind::split:
      if (code.other >= 0) todo_.push_back({place.stack, code.other});
      todo_.push_back({place.stack, code.next});
      break;
    case Instruction::Kind::call: {
      // A call that is the last thing of its rule comes back to where that rule would.
      Stack& callers = calls_[code.set];
      const Stack& below = stacks_[static_cast<size_t>(place.stack)];
      if (program_->at(code.next).kind == Instruction::Kind::accept && !below.empty())
        callers.insert(callers.end(), below.begin(), below.end());
      else
        callers.push_back({place.stack, code.next});
      if (program_->rule(code.set).may_be_empty) todo_.push_back({place.stack, code.next});
      break;
    }
    case Instruction::Kind::accept:
      if (in_new_rule) break;  // it has read nothing: its callers have gone on already
      if (place.stack == kBottom) making_.accepts = true;
      if (place.stack == kUnknown) making_.escapes = true;
      for (const Place& back : stacks_[static_cast<size_t>(place.stack)]) todo_.push_back(back);
      break;
  }
}

// Rules stand in the order in which they call each other without reading: when one is entered, all
// who call it at this byte are known.
void Walker::enter_rules() {
  while (!calls_.empty()) {
    auto called = calls_.extract(calls_.begin());
    todo_.push_back({stack_of(std::move(called.mapped())), program_->rule(called.key()).entry});
    settle(true);
  }
}

// Whether the place is new in this making.  Open addressing; marks of older makings are free.
bool Walker::mark(const Place& place) {
  if (seen_count_ * 2 >= seen_.size()) grow_marks();
  size_t at = hash_of(place) & (seen_.size() - 1);
  while (seen_[at].second == stamp_ && seen_[at].first != place) at = (at + 1) & (seen_.size() - 1);
  if (seen_[at].second == stamp_) return false;
  seen_[at] = {place, stamp_};
  ++seen_count_;
  ++work_;
  return true;
}

void Walker::grow_marks() {
  std::vector<std::pair<Place, uint32_t>> old(seen_.size() * 2);
  old.swap(seen_);
  for (const auto& [place, stamp] : old) {
    if (stamp != stamp_) continue;
    size_t at = hash_of(place) & (seen_.size() - 1);
    while (seen_[at].second == stamp_) at = (at + 1) & (seen_.size() - 1);
    seen_[at] = {place, stamp_};
  }
}

int32_t Walker::stack_of(Stack stack) {
  std::sort(stack.begin(), stack.end());
  stack.erase(std::unique(stack.begin(), stack.end()), stack.end());
  work_ += static_cast<int64_t>(stack.size());
  const auto [place, is_new] =
      stack_index_.try_emplace(stack, static_cast<int32_t>(stacks_.size()));
  if (is_new) {
    places_held_ += 2 * static_cast<int64_t>(stack.size());
    stacks_.push_back(std::move(stack));
  }
  return place->second;
}

// The number of the state that was made: kDead if nothing lives in it.
int32_t Walker::intern() {
  State& made = making_;
  if (made.places.empty() && !made.accepts && !made.escapes) return kDead;
  std::sort(made.places.begin(), made.places.end());
  uint64_t hash = static_cast<uint64_t>(made.accepts) * 2 + static_cast<uint64_t>(made.escapes);
  for (const Place& place : made.places) hash = mix(hash ^ hash_of(place));
  std::vector<int32_t>& same_hash = index_[hash];
  for (const int32_t id : same_hash) {
    const State& known = states_[static_cast<size_t>(id)];
    if (known.places == made.places && known.accepts == made.accepts &&
        known.escapes == made.escapes)
      return id;
  }
  const int32_t id = static_cast<int32_t>(states_.size());
  same_hash.push_back(id);
  places_held_ += static_cast<int64_t>(made.places.size());
  made.places.shrink_to_fit();
  states_.push_back(std::move(made));
  steps_.resize(steps_.size() + static_cast<size_t>(program_->byte_classes()), kNotYet);
  return id;
}

std::span<const Walker::Place> Walker::places(int32_t state) const {
  return states_[static_cast<size_t>(state)].places;
}

int64_t Walker::memory() const {
  constexpr int64_t kStepBytes = 4, kStateBytes = 128, kStackBytes = 80;
  const int64_t state_bytes = kStateBytes + program_->byte_classes() * kStepBytes;
  return static_cast<int64_t>(states_.size()) * state_bytes +
         places_held_ * static_cast<int64_t>(sizeof(Place)) +
         static_cast<int64_t>(stacks_.size()) * kStackBytes;
}

// A stack's number is larger than those of the stacks below it, so the reachable ones are found
// from the top down and made anew from the bottom up.
int32_t Walker::forget_all_but(int32_t state) {
  std::set<int32_t> needed;
  for (const Place& place : states_[static_cast<size_t>(state)].places) needed.insert(place.stack);
  for (auto stack = needed.rbegin(); stack != needed.rend(); ++stack)
    for (const Place& back : stacks_[static_cast<size_t>(*stack)]) needed.insert(back.stack);
  Walker fresh(*program_);
  std::map<int32_t, int32_t> renamed = {{kBottom, kBottom}, {kUnknown, kUnknown}};
  const auto rename = [&](std::vector<Place>& places) {
    for (Place& place : places) place.stack = renamed.at(place.stack);
  };
  for (const int32_t old : needed) {
    if (renamed.contains(old)) continue;
    Stack stack = stacks_[static_cast<size_t>(old)];
    rename(stack);
    renamed[old] = fresh.stack_of(std::move(stack));
  }
  fresh.making_ = states_[static_cast<size_t>(state)];
  fresh.making_.ways.clear();
  rename(fresh.making_.places);
  const int32_t id = fresh.intern();
  *this = std::move(fresh);
  return id;
}

}  // namespace hadal
