// SPDX-License-Identifier: MIT
// Byte-pair merging: the tokens of one piece, by applying the best-ranked merge, leftmost first,
// until none applies.
//
//   MergeTable table;
//   table.add(left, right, {rank, merged});
//   merge_piece(table, symbols);          // in place
//
// A short piece is scanned for its best pair again and again; a long one keeps its pairs in a
// heap over a linked list, so that n symbols cost n log n.  Both give the same tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace hadal {

struct Merge {
  int32_t rank;
  int32_t token;
};

class MergeTable {
 public:
  // False if the pair has a merge already.
  bool add(int32_t left, int32_t right, Merge merge);
  const Merge* find(int32_t left, int32_t right) const;
  size_t size() const { return merges_.size(); }

 private:
  struct MixedHash {
    size_t operator()(uint64_t key) const {
      key *= 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio: spreads the low bits upwards
      return key ^ (key >> 32);
    }
  };
  std::unordered_map<uint64_t, Merge, MixedHash> merges_;
};

void merge_piece(const MergeTable& table, std::vector<int32_t>& symbols);

// The two ways, apart, for the test that holds them equal.
void merge_piece_by_scan(const MergeTable& table, std::vector<int32_t>& symbols);
void merge_piece_by_heap(const MergeTable& table, std::vector<int32_t>& symbols);

}  // namespace hadal
