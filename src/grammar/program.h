// SPDX-License-Identifier: MIT
// A grammar as instructions over bytes: a machine with a stack, of which many run side by side.
//
//   TRY(Program program, Program::compile(grammar));
//
// Thompson's construction ("Regular expression search algorithm", 1968), with a call for every use
// of a rule that is recursive or large; small rules are written out where they stand.
// What always holds: from every live instruction the end can be reached, whatever the stack; no
// rule comes back to itself without reading a byte (such grammars are refused by name); at most
// kMostInstructions.  Does not change once made; any thread.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"

namespace hadal {

using ByteSet = std::bitset<256>;
using Address = int32_t;  // of an instruction

// 16 bytes each; a string of at most 10,000 characters takes half of them.
inline constexpr int64_t kMostInstructions = int64_t{1} << 18;

// Tokens of at most so many bytes see no difference between two places in a long counted
// repetition that are both this far from its end.  Few tokens of a vocabulary are longer.
inline constexpr int64_t kHorizon = 32;

struct Instruction {
  enum class Kind : uint8_t { bytes, split, call, accept };
  Kind kind = Kind::accept;
  int32_t set = 0;     // bytes: which set; call: which rule
  Address next = 0;    // bytes, split; call: where to come back to
  Address other = -1;  // split: the second way
};

// A rule that is called.
struct CalledRule {
  Address entry = 0;
  bool may_be_empty = false;
};

class Program {
 public:
  static Result<Program> compile(const Grammar& grammar);

  Address start() const { return start_; }
  const Instruction& at(Address address) const { return code_[static_cast<size_t>(address)]; }
  const ByteSet& set(int32_t index) const { return sets_[static_cast<size_t>(index)]; }
  // Bytes of one class are in the same sets, so that no state tells them apart.
  uint8_t byte_class(uint8_t byte) const { return byte_class_[byte]; }
  int32_t byte_classes() const { return byte_classes_; }
  // Ordered: what a rule may call before it has read a byte stands behind it.
  const CalledRule& rule(int32_t index) const { return rules_[static_cast<size_t>(index)]; }
  // Whether the end of the rule can be reached from here.
  bool live(Address address) const { return live_[static_cast<size_t>(address)]; }
  // An instruction from which the same texts of up to kHorizon bytes may come.
  Address twin(Address address) const { return twins_[static_cast<size_t>(address)]; }
  int64_t size() const { return static_cast<int64_t>(code_.size()); }

 private:
  friend class ProgramWriter;

  std::vector<Instruction> code_;
  std::vector<ByteSet> sets_;
  std::array<uint8_t, 256> byte_class_{};
  int32_t byte_classes_ = 1;
  std::vector<CalledRule> rules_;
  std::vector<bool> live_;
  std::vector<Address> twins_;
  Address start_ = 0;
};

}  // namespace hadal
