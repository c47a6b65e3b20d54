// SPDX-License-Identifier: MIT
// Cuts text into the pieces inside which BPE may merge, by a sequence of regular expressions.
//
//   TRY(Pretokenizer cutter, Pretokenizer::create(deepseek_split_patterns()));
//   cutter.split(text, [&](std::string_view piece) { ... });
//
// Each pattern cuts every piece of the one before it: its matches become pieces of their own, and
// so does what lies between them ("isolated").  A pattern sees one piece alone; what stands
// beyond the piece is, for look-ahead, the end of the text.  Pieces in order make up the text,
// byte for byte, whatever the bytes: a run of bytes that is not UTF-8 is one piece, uncut.
// A Pretokenizer does not change once made; any number of threads may use one.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

using PieceSink = std::function<void(std::string_view piece)>;

class Pretokenizer {
 public:
  static Result<Pretokenizer> create(std::span<const std::string> patterns);

  void split(std::string_view text, const PieceSink& sink) const;

 private:
  struct Pattern;
  void split_from(size_t pattern, std::string_view piece, const PieceSink& sink) const;

  std::vector<std::shared_ptr<const Pattern>> patterns_;
};

// The three patterns of DeepSeek V3, V4 and V4.1: up to three digits; Han and kana; the rest.
const std::vector<std::string>& deepseek_split_patterns();

}  // namespace hadal
