// SPDX-License-Identifier: MIT
// A set of tokens, one bit each.
//
//   TokenMask mask(vocab);
//   mask.set(17);
//   pick_token(logits, options, position, mask.words());
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

class TokenMask {
 public:
  TokenMask() = default;
  explicit TokenMask(int64_t tokens) : words_(static_cast<size_t>((tokens + 63) / 64), 0) {}

  void set(int64_t token) { words_[word(token)] |= bit(token); }
  void clear(int64_t token) { words_[word(token)] &= ~bit(token); }
  bool test(int64_t token) const { return (words_[word(token)] & bit(token)) != 0; }
  void set_all() { words_.assign(words_.size(), ~uint64_t{0}); }
  void set(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens) set(token);
  }
  // Requires: masks of the same vocabulary.
  void add(const TokenMask& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  std::span<const uint64_t> words() const { return words_; }

 private:
  static size_t word(int64_t token) { return static_cast<size_t>(token) / 64; }
  static uint64_t bit(int64_t token) { return uint64_t{1} << (static_cast<uint64_t>(token) % 64); }

  std::vector<uint64_t> words_;
};

}  // namespace hadal
