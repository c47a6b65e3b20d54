// SPDX-License-Identifier: MIT
// Whether all text of a kind may follow a state, whatever the text is.
//
//   TextReach reach(walker, bytes);                       // bytes: of the walker's program
//   if (reach.admits(state, TextKind::words, 12)) …       // every word of up to 12 bytes may come
//
// Follows all texts of a kind at once, until no new state is met or one is dead; what is seen on
// the way is known of later states too.  Where a form is too ambiguous to be looked at for long,
// the answer is no.  One thread.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "grammar/program.h"
#include "grammar/text_kind.h"
#include "grammar/walker.h"

namespace hadal {

// By kind and state of its text: bytes with which it may go on, one for each class of bytes that
// the program tells apart.
class TextBytes {
 public:
  explicit TextBytes(const Program& program);

  const std::vector<uint8_t>& of(TextKind kind, int state) const {
    return bytes_[static_cast<size_t>(kind) * kTextStates + static_cast<size_t>(state)];
  }

 private:
  std::array<std::vector<uint8_t>, static_cast<size_t>((kTextKinds - 1) * kTextStates)> bytes_;
};

class TextReach {
 public:
  // Both must outlive it.
  TextReach(Walker& walker, const TextBytes& bytes) : walker_(walker), bytes_(bytes) {}

  // Never for other kinds than words and signs.
  bool admits(int32_t state, TextKind kind, int32_t bytes);
  // The walker's states have new numbers.
  void forget();
  Walker& walker() const { return walker_; }

 private:
  // Texts up to so many bytes are admitted; and whether longer ones were found not to be.
  struct Known {
    int32_t bytes = 0;
    bool is_all = false;
  };
  struct Place {
    int text = 0;
    int32_t state = 0;
  };

  Known& known(int32_t state, TextKind kind);
  bool meet(const Place& place);
  void search(int32_t state, TextKind kind, int32_t bytes);
  int32_t follow(TextKind kind, int32_t bytes);

  Walker& walker_;
  const TextBytes& bytes_;
  std::vector<std::array<Known, static_cast<size_t>(kTextKinds - 1)>> known_;  // by state
  // Of one search: where all texts of some length lead, and at what length whole texts led where.
  std::vector<Place> now_, next_;
  std::vector<std::pair<int32_t, int32_t>> whole_;
  std::vector<uint32_t> met_;  // by state and state of the text: the search that met it
  uint32_t search_ = 0;
};

}  // namespace hadal
