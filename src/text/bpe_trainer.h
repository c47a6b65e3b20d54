// SPDX-License-Identifier: MIT
// Trains a byte-level BPE vocabulary, and writes it as a tokenizer.json of DeepSeek's layout.
//
//   TRY(TrainedBpe bpe, train_bpe(next_document, {.vocab_size = 16384}));
//   TRY_STATUS(write_tokenizer_json(path, bpe, control_tokens));
//
// Ids: 0, 1, 2 are <｜begin▁of▁sentence｜>, <｜end▁of▁sentence｜>, <｜▁pad▁｜>; then the 256 bytes
// in the order of the byte alphabet; then one token per merge; then the caller's control tokens.
// The same documents in the same order give the same vocabulary, bit for bit.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace hadal {

// Gives the next document, false after the last.  The view must live until the next call.
using DocumentSource = std::function<bool(std::string_view& document)>;

struct TrainerOptions {
  // The three special tokens, the 256 bytes and the merges; without the caller's control tokens.
  // Fewer come out if the text has too few pairs.
  int64_t vocab_size = 0;
  int64_t min_count = 2;  // a pair that occurs once teaches nothing
  // Longer tokens are runs of one character or pasted hashes; V3's longest words are shorter.
  int64_t max_token_bytes = 64;
};

inline constexpr int32_t kBpeSpecials = 3;  // the ids that are no text

struct TrainedBpe {
  std::vector<std::string> tokens;                  // bytes by id; 0 to 2 are the special ones
  std::vector<std::pair<int32_t, int32_t>> merges;  // ids of the parts, best first
};

Result<TrainedBpe> train_bpe(const DocumentSource& next_document, const TrainerOptions& options);

// The ids of `added` must follow the vocabulary without a gap, in any order.
Result<std::string> tokenizer_json(const TrainedBpe& bpe, std::span<const AddedToken> added);
// Through a file beside it, so that `path` is never half written.
Status write_tokenizer_json(const std::string& path, const TrainedBpe& bpe,
                            std::span<const AddedToken> added);

}  // namespace hadal
