// SPDX-License-Identifier: MIT
// Engram's addresses: which rows of its tables a token looks up (model-spec §5.2).
//
// The last few compressed token ids are multiplied, xor-ed and taken modulo distinct primes:
// one row for each n-gram order and head.  Nothing but token ids goes in, so rows can be fetched
// before the layer runs.  Source: [EN41]; constants from the published rule, held to goldens.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace hadal {

// Constants of one Engram layer.
struct EngramHash {
  std::vector<int64_t> multipliers;  // one a look-back step, 0 … max_ngram-1
  std::vector<int64_t> primes;       // order-major, then head
  std::vector<int64_t> offsets;      // first row of each column: the primes before it, summed
  int64_t rows() const { return offsets.back() + primes.back(); }
};

// For every Engram layer, in order; primes are never used twice across layers.
std::vector<EngramHash> engram_hashes(const EngramConfig& config);

// Rows of one token.  history[s] is the compressed id s steps back, -1 where there is none or
// where an image span lies between: the padding id stands in.  A salt other than 0 gives the rows
// of some n-gram that does not occur.
void engram_rows(const EngramHash& hash, const std::vector<int64_t>& history, int64_t pad,
                 int64_t* rows, uint64_t salt = 0);

}  // namespace hadal
