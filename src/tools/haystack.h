// SPDX-License-Identifier: MIT
// Haystacks: words drawn by chance, in which nothing tells a needle from hay.
//
//   Haystack haystack = make_haystack({.tokens = 1 << 20, .needles = 50, .vocab = 512, .seed = 1});
//   std::vector<int64_t> asked = question(haystack.needles[0]);   // read it behind haystack.ids
//
// Any three words in a row are a key, and what follows them is its value.  Needles are places
// spread evenly over the haystack; each has decoys elsewhere, which share two words of its key and
// are followed by something else.  What a needle holds stands nowhere else, so every question has
// one answer.  Words have no spelling: they are ids, all those behind the few control ids. The same
// options give the same ids.  Any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace hadal {

// Ids before this one are control tokens; the last of them opens a question.
constexpr int64_t kFirstWord = 4, kAskId = 3;
constexpr int64_t kKeyWords = 3;    // of a key
constexpr int64_t kValueWords = 3;  // of the longest value; needles have one to three

struct Needle {
  int64_t place = 0;  // of the key's first word
  std::vector<int64_t> key, value;
};

struct Haystack {
  std::vector<int64_t> ids;  // begins with bos
  std::vector<Needle> needles;
};

struct HaystackOptions {
  int64_t tokens = 0;
  int64_t needles = 0;
  int64_t decoys = 6;  // of each needle
  int64_t vocab = 0;
  int64_t bos_id = 0;
  uint64_t seed = 1;
};
// Requires: fits_haystack().
Haystack make_haystack(const HaystackOptions& options);
// Whether there is room for the needles and their decoys, and words enough to tell them apart.
bool fits_haystack(const HaystackOptions& options);

std::vector<int64_t> question(const Needle& needle);

// What a model learns it from: a short haystack, and questions about places of it, each with its
// answer of kValueWords.  Each document has words of its own, few or many: with few, keys that
// share two of three words are as common as in a haystack of a million.
struct NeedleDocument {
  std::vector<int64_t> ids;
  int64_t given = 0;  // the haystack: so many ids carry no loss
};
struct NeedleDocumentOptions {
  int64_t tokens = 0;        // about; at least kShortestDocument
  int64_t fewest_words = 0;  // of one document
  int64_t vocab = 0;
  int64_t bos_id = 0;
  uint64_t seed = 1;
};
constexpr int64_t kShortestDocument = 24, kFewestWords = 16;
NeedleDocument make_needle_document(const NeedleDocumentOptions& options);

}  // namespace hadal
