// SPDX-License-Identifier: MIT
// The Engram token map: which tokens count as the same word when n-grams are hashed.
//
//   TRY(std::vector<int32_t> map, compressed_token_map(tokenizer, config.vocab_size));
//   int32_t pad = map[2];
//
// Tokens whose text agrees after normalising (case, accents, width, outer space) share a
// compressed id; ids are given in order of first occurrence over rising token ids.  The size of
// the map, max + 1, decides every hash: V4.1-Flash must give 99,092.  Stateless, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace hadal {

// `text` (UTF-8) after NFKC, NFD, removal of marks, lower case, one space for each run of
// blanks, and stripping; text that is nothing but blanks stays one space.
std::string normalize_text(std::string_view text);

// The normalised text, or the text itself where nothing is left of it.
std::string normalize_key(std::string_view text);

// One compressed id for each token id below `vocab_size`.  A model may have more ids than its
// tokenizer; each of those is a key of its own.
Result<std::vector<int32_t>> compressed_token_map(const Tokenizer& tokenizer, int64_t vocab_size);

}  // namespace hadal
