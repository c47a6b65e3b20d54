// SPDX-License-Identifier: MIT
// Haystacks: words drawn by chance, and needles in them that questions ask for.
//
//   Haystack haystack = make_haystack({.tokens = 1 << 20, .needles = 50, .vocab = 512, .seed = 1});
//   std::vector<int64_t> asked = question(haystack.needles[0]);   // read it behind haystack.ids
//
//   needle     MARK key value        three tokens
//   question   ASK key               the next token should be the value
//
// Needles are spread evenly over the haystack.  A key is a word that stands nowhere else; which
// words are keys changes from haystack to haystack, and values are words of the hay.  Words have no
// spelling: they are ids, all those behind the few control ids.  The same options give the same
// ids. Any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace hadal {

// Ids before the first word are control tokens; two of them open a question and a needle.
constexpr int64_t kAskId = 3, kMarkId = 4, kFirstWord = 5;
constexpr int64_t kNeedleTokens = 3;

struct Needle {
  int64_t place = 0;  // of its mark
  int64_t key = 0;
  int64_t value = 0;
};

struct Haystack {
  std::vector<int64_t> ids;  // begins with bos
  std::vector<Needle> needles;
};

struct HaystackOptions {
  int64_t tokens = 0;
  int64_t needles = 0;
  int64_t vocab = 0;
  int64_t words = 0;  // different ones, keys among them; 0: all of the vocabulary
  int64_t bos_id = 0;
  uint64_t seed = 1;
};
// Requires: fits_haystack().
Haystack make_haystack(const HaystackOptions& options);
// Whether there is room for the needles, and a word for each key that leaves some for the hay.
bool fits_haystack(const HaystackOptions& options);

std::vector<int64_t> question(const Needle& needle);

// What a model learns it from: a short haystack, and a question about each of its needles with the
// answer, in any order.  Each document has words of its own, few or many, and few or many needles.
struct NeedleDocument {
  std::vector<int64_t> ids;
  int64_t given = 0;  // the haystack: so many ids carry no loss
};
struct NeedleDocumentOptions {
  int64_t tokens = 0;        // at most; at least kShortestDocument
  int64_t fewest_words = 0;  // of one document
  int64_t vocab = 0;
  int64_t bos_id = 0;
  uint64_t seed = 1;
};
constexpr int64_t kShortestDocument = 24, kFewestWords = 16;
NeedleDocument make_needle_document(const NeedleDocumentOptions& options);

}  // namespace hadal
