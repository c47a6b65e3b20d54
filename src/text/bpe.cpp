// SPDX-License-Identifier: MIT
// Byte-pair merging.  Tested by bpe_test.cpp, where each way is the other's judge.
#include "text/bpe.h"

#include <functional>
#include <queue>
#include <tuple>

namespace hadal {
namespace {

constexpr size_t kScanLimit = 48;  // below this a scan of a few cache lines beats a heap

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

struct Candidate {
  int32_t rank;
  int32_t at;           // index of the left symbol
  int32_t left, right;  // the tokens it was found for: it is stale once they changed
  int32_t merged;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, at) > std::tie(other.rank, other.at);
  }
};

// Symbols in a doubly linked list; a merged-away symbol has token -1.
struct LinkedSymbols {
  std::vector<int32_t>& token;
  std::vector<int32_t> next, previous;

  explicit LinkedSymbols(std::vector<int32_t>& symbols) : token(symbols) {
    auto count = static_cast<int32_t>(symbols.size());
    for (int32_t i = 0; i < count; ++i) {
      next.push_back(i + 1 < count ? i + 1 : -1);
      previous.push_back(i - 1);
    }
  }

  void join(int32_t at, int32_t merged) {
    int32_t gone = next[at];
    token[at] = merged;
    token[gone] = -1;
    next[at] = next[gone];
    if (next[at] >= 0) previous[next[at]] = at;
  }
};

}  // namespace

bool MergeTable::add(int32_t left, int32_t right, Merge merge) {
  return merges_.emplace(pair_key(left, right), merge).second;
}

const Merge* MergeTable::find(int32_t left, int32_t right) const {
  auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void merge_piece(const MergeTable& table, std::vector<int32_t>& symbols) {
  if (symbols.size() <= kScanLimit)
    merge_piece_by_scan(table, symbols);
  else
    merge_piece_by_heap(table, symbols);
}

void merge_piece_by_scan(const MergeTable& table, std::vector<int32_t>& symbols) {
  while (symbols.size() > 1) {
    const Merge* best = nullptr;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge* merge = table.find(symbols[i], symbols[i + 1]);
      if (merge && (!best || merge->rank < best->rank)) {
        best = merge;
        best_at = i;
      }
    }
    if (!best) return;
    symbols[best_at] = best->token;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best_at) + 1);
  }
}

void merge_piece_by_heap(const MergeTable& table, std::vector<int32_t>& symbols) {
  LinkedSymbols list(symbols);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  auto offer = [&](int32_t at) {
    if (at < 0 || list.next[at] < 0) return;
    int32_t left = list.token[at];
    int32_t right = list.token[list.next[at]];
    if (const Merge* merge = table.find(left, right))
      queue.push({merge->rank, at, left, right, merge->token});
  };
  for (int32_t i = 0; i < static_cast<int32_t>(symbols.size()); ++i) offer(i);

  while (!queue.empty()) {
    Candidate best = queue.top();
    queue.pop();
    int32_t right = list.next[best.at];
    if (list.token[best.at] != best.left || right < 0 || list.token[right] != best.right) continue;
    list.join(best.at, best.merged);
    offer(list.previous[best.at]);
    offer(best.at);
  }
  std::erase(symbols, -1);
}

}  // namespace hadal
