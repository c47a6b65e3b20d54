// SPDX-License-Identifier: MIT
// Needles, hay and questions.
#include "tools/haystack.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "base/result.h"

namespace hadal {
namespace {

// Of a haystack, needles fill at most one part in this many, and so do keys of its words.
constexpr int64_t kLeastHay = 2, kLeastHayWords = 2;

int64_t words_of(const HaystackOptions& options) {
  return options.words ? options.words : options.vocab - kFirstWord;
}

// Some of the vocabulary's words, in any order.
std::vector<int64_t> some_words(int64_t count, int64_t vocab, Random& random) {
  std::vector<int64_t> words(static_cast<size_t>(vocab - kFirstWord));
  std::iota(words.begin(), words.end(), kFirstWord);
  for (int64_t i = 0; i < count; ++i)
    std::swap(words[static_cast<size_t>(i)],
              words[static_cast<size_t>(i + random.below(static_cast<int64_t>(words.size()) - i))]);
  words.resize(static_cast<size_t>(count));
  return words;
}

// Small numbers as often as large ones: evenly over the logarithm.
int64_t by_ratio(int64_t fewest, int64_t most, Random& random) {
  const double ratio = static_cast<double>(most) / static_cast<double>(fewest);
  return static_cast<int64_t>(static_cast<double>(fewest) * std::pow(ratio, random.uniform()));
}

}  // namespace

bool fits_haystack(const HaystackOptions& options) {
  const int64_t words = words_of(options);
  return words <= options.vocab - kFirstWord && options.needles * kLeastHayWords <= words &&
         options.needles * kNeedleTokens * kLeastHay <= options.tokens;
}

Haystack make_haystack(const HaystackOptions& options) {
  CHECK(fits_haystack(options), options.needles, " needles in ", options.tokens, " tokens");
  Random random(options.seed);
  // The first words are the keys, the others the hay.
  const std::vector<int64_t> words = some_words(words_of(options), options.vocab, random);
  const int64_t hay_words = static_cast<int64_t>(words.size()) - options.needles;
  auto hay = [&] { return words[static_cast<size_t>(options.needles + random.below(hay_words))]; };

  Haystack haystack;
  haystack.ids.push_back(options.bos_id);
  while (static_cast<int64_t>(haystack.ids.size()) < options.tokens) haystack.ids.push_back(hay());
  // The i-th needle stands somewhere in the i-th part.
  const int64_t part = (options.tokens - 1) / options.needles;
  for (int64_t i = 0; i < options.needles; ++i) {
    const Needle needle{.place = 1 + i * part + random.below(part - kNeedleTokens + 1),
                        .key = words[static_cast<size_t>(i)],
                        .value = hay()};
    int64_t* id = haystack.ids.data() + needle.place;
    *id++ = kMarkId;
    *id++ = needle.key;
    *id = needle.value;
    haystack.needles.push_back(needle);
  }
  return haystack;
}

std::vector<int64_t> question(const Needle& needle) {
  return {kAskId, needle.key};
}

NeedleDocument make_needle_document(const NeedleDocumentOptions& options) {
  CHECK(options.tokens >= kShortestDocument && options.fewest_words >= kFewestWords &&
        options.fewest_words <= options.vocab - kFirstWord);
  Random random(options.seed);
  const int64_t hay = options.tokens / 2;
  const int64_t words = by_ratio(options.fewest_words, options.vocab - kFirstWord, random);
  const int64_t most = std::min(hay / (kNeedleTokens * kLeastHay), words / kLeastHayWords);
  const Haystack haystack =
      make_haystack({.tokens = hay,
                     .needles = by_ratio(std::max<int64_t>(most / 16, 1), most, random),
                     .vocab = options.vocab,
                     .words = words,
                     .bos_id = options.bos_id,
                     .seed = random.next()});
  NeedleDocument document{.ids = haystack.ids, .given = hay};
  std::vector<Needle> asked = haystack.needles;
  for (size_t i = asked.size(); i > 1; --i)
    std::swap(asked[i - 1], asked[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  for (const Needle& needle : asked) {
    for (const int64_t id : question(needle)) document.ids.push_back(id);
    document.ids.push_back(needle.value);
  }
  return document;
}

}  // namespace hadal
