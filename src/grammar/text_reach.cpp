// SPDX-License-Identifier: MIT
// All texts of a kind, byte after byte.
#include "grammar/text_reach.h"

#include <algorithm>
#include <bitset>
#include <limits>

namespace hadal {
namespace {

constexpr int32_t kEndless = std::numeric_limits<int32_t>::max();
// Bytes that a search looks ahead, beyond what was asked: a counted string is searched once in so
// many of its characters.
constexpr int32_t kAhead = 128;
// Longer texts are not asked about; few tokens are as long.
constexpr int32_t kFarthest = 512;
// Places looked at in one search, about 3 ms.
constexpr int64_t kMostWork = 1 << 16;

}  // namespace

TextBytes::TextBytes(const Program& program) {
  for (const TextKind kind : {TextKind::words, TextKind::signs})
    for (int state = 0; state < kTextStates; ++state) {
      auto& bytes = bytes_[static_cast<size_t>(kind) * kTextStates + static_cast<size_t>(state)];
      std::array<std::bitset<256>, static_cast<size_t>(kTextStates)> met;  // by what comes next
      for (int byte = 0; byte < 256; ++byte) {
        const int next = text_step(kind, state, static_cast<uint8_t>(byte));
        if (next == kNoText) continue;
        auto& classes = met[static_cast<size_t>(next)];
        const uint8_t its_class = program.byte_class(static_cast<uint8_t>(byte));
        if (!classes.test(its_class)) bytes.push_back(static_cast<uint8_t>(byte));
        classes.set(its_class);
      }
    }
}

TextReach::Known& TextReach::known(int32_t state, TextKind kind) {
  if (known_.size() <= static_cast<size_t>(state)) known_.resize(static_cast<size_t>(state) + 64);
  return known_[static_cast<size_t>(state)][static_cast<size_t>(kind)];
}

bool TextReach::admits(int32_t state, TextKind kind, int32_t bytes) {
  if (kind == TextKind::other) return false;
  if (known(state, kind).bytes >= bytes) return true;
  if (known(state, kind).is_all || bytes > kFarthest) return false;
  search(state, kind, bytes + kAhead);
  return known(state, kind).bytes >= bytes;
}

void TextReach::forget() {
  known_.clear();
  met_.clear();
}

void TextReach::search(int32_t state, TextKind kind, int32_t bytes) {
  ++search_;
  whole_.clear();
  now_.clear();
  meet({kWholeText, state});
  now_.push_back({kWholeText, state});
  const int32_t found = follow(kind, bytes);
  for (const auto& [there, length] : whole_) {
    Known& of_it = known(there, kind);
    of_it.bytes = std::max(of_it.bytes, found == kEndless ? kEndless : found - length);
  }
  Known& of_start = known(state, kind);
  of_start.bytes = std::max(of_start.bytes, found);
  of_start.is_all = found < bytes || found == kEndless;
}

// Byte after byte, up to so many.  Gives the length up to which nothing dies.
int32_t TextReach::follow(TextKind kind, int32_t bytes) {
  const int64_t limit = walker_.work() + kMostWork;
  for (int32_t length = 0; length < bytes; ++length) {
    if (now_.empty()) return kEndless;
    next_.clear();
    for (const Place& here : now_)
      for (const uint8_t byte : bytes_.of(kind, here.text)) {
        const int32_t there = walker_.step(here.state, byte);
        if (there == Walker::kDead || walker_.work() > limit) return length;
        const Place place{text_step(kind, here.text, byte), there};
        if (!meet(place)) continue;
        next_.push_back(place);
        if (place.text == kWholeText) whole_.emplace_back(there, length + 1);
      }
    now_.swap(next_);
  }
  return bytes;
}

// Whether the search is here for the first time.
bool TextReach::meet(const Place& place) {
  const size_t at =
      static_cast<size_t>(place.state) * kTextStates + static_cast<size_t>(place.text);
  if (met_.size() <= at) met_.resize(at + 64 * kTextStates);
  return std::exchange(met_[at], search_) != search_;
}

}  // namespace hadal
