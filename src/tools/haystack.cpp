// SPDX-License-Identifier: MIT
// Needles, decoys and questions.
#include "tools/haystack.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/random.h"
#include "base/result.h"

namespace hadal {
namespace {

constexpr int64_t kNeedleTokens = 1 + kKeyWords + 1;
// Of a haystack, needles and decoys fill at most one part in this many.
constexpr int64_t kLeastHay = 4;
// With fewer words than this, many needles could not have keys of their own.
constexpr int64_t kFewestHayWords = 128;

// Hay of some words, into which needles are put one after the other.
class HaystackMaker {
 public:
  HaystackMaker(int64_t tokens, int64_t bos_id, std::vector<int64_t> words, Random& random)
      : words_(std::move(words)), random_(random), taken_(static_cast<size_t>(tokens)) {
    haystack_.ids.push_back(bos_id);
    while (static_cast<int64_t>(haystack_.ids.size()) < tokens) haystack_.ids.push_back(word());
  }

  // A needle that begins in [first, first + span), over hay.
  void place_needle(int64_t first, int64_t span) {
    Needle needle;
    do {
      for (int64_t& id : needle.key) id = word();
    } while (keys_.contains(needle.key));
    needle.value = word();
    add(put(needle, first, span));
  }

  // Needles whose keys are this one's but for one word: one that is asked for, too, and one that is
  // not, anywhere over hay.
  void place_relative(const Needle& needle, size_t other) { add(put_anywhere(needle, other)); }
  void place_decoy(const Needle& needle, size_t other) { put_anywhere(needle, other); }

  Haystack take() { return std::move(haystack_); }
  const Haystack& haystack() const { return haystack_; }

 private:
  int64_t tokens() const { return static_cast<int64_t>(haystack_.ids.size()); }
  int64_t word() {
    return words_[static_cast<size_t>(random_.below(static_cast<int64_t>(words_.size())))];
  }

  bool is_taken(int64_t place) const {
    const auto first = taken_.begin() + place;
    return std::find(first, first + kNeedleTokens, true) != first + kNeedleTokens;
  }

  Needle put_anywhere(Needle needle, size_t other) {
    do {
      needle.key[other] = word();
    } while (keys_.contains(needle.key));
    needle.value = word();
    return put(needle, 1, tokens() - kNeedleTokens);
  }

  Needle put(Needle needle, int64_t first, int64_t span) {
    do {
      needle.place = first + random_.below(span);
    } while (is_taken(needle.place));
    std::fill_n(taken_.begin() + needle.place, kNeedleTokens, true);
    int64_t* id = haystack_.ids.data() + needle.place;
    *id++ = kMarkId;
    for (const int64_t key : needle.key) *id++ = key;
    *id = needle.value;
    return needle;
  }

  void add(const Needle& needle) {
    keys_.insert(needle.key);
    haystack_.needles.push_back(needle);
  }

  std::vector<int64_t> words_;
  Random& random_;
  std::vector<bool> taken_;  // by a needle or a decoy
  std::set<std::array<int64_t, kKeyWords>> keys_;
  Haystack haystack_;
};

// Some of the vocabulary's words.
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
  const int64_t words = options.needles * (1 + options.decoys) * kNeedleTokens;
  return options.vocab - kFirstWord >= kFewestHayWords && words * kLeastHay <= options.tokens;
}

Haystack make_haystack(const HaystackOptions& options) {
  CHECK(fits_haystack(options), options.needles, " needles in ", options.tokens, " tokens");
  Random random(options.seed);
  const int64_t words = options.vocab - kFirstWord;
  HaystackMaker maker(options.tokens, options.bos_id, some_words(words, options.vocab, random),
                      random);
  // The i-th needle stands somewhere in the i-th part.
  const int64_t part = (options.tokens - 1) / options.needles;
  for (int64_t i = 0; i < options.needles; ++i)
    maker.place_needle(1 + i * part, part - kNeedleTokens);
  for (const Needle& needle : maker.haystack().needles)
    for (int64_t i = 0; i < options.decoys; ++i)
      maker.place_decoy(needle, static_cast<size_t>(i % kKeyWords));
  return maker.take();
}

std::vector<int64_t> question(const Needle& needle) {
  std::vector<int64_t> ids = {kAskId};
  ids.insert(ids.end(), needle.key.begin(), needle.key.end());
  return ids;
}

NeedleDocument make_needle_document(const NeedleDocumentOptions& options) {
  CHECK(options.tokens >= kShortestDocument && options.fewest_words >= kFewestWords &&
        options.fewest_words <= options.vocab - kFirstWord);
  Random random(options.seed);
  const int64_t count = by_ratio(options.fewest_words, options.vocab - kFirstWord, random);
  const int64_t hay = options.tokens / 2;
  // Many, but at most half of the hay, and a sixteenth of all keys: no word runs out of partners.
  const int64_t most = std::min(hay / (2 * kNeedleTokens), count * count / 16);
  const int64_t needles = by_ratio(std::max<int64_t>(most / 16, 1), most, random);
  HaystackMaker maker(hay, options.bos_id, some_words(count, options.vocab, random), random);
  for (int64_t i = 0; i < needles; ++i) {
    if (i == 0 || random.uniform() < 0.5)
      maker.place_needle(1, hay - kNeedleTokens);
    else
      maker.place_relative(maker.haystack().needles[static_cast<size_t>(random.below(i))],
                           static_cast<size_t>(i % kKeyWords));
  }
  const Haystack haystack = maker.take();
  NeedleDocument document{.ids = haystack.ids, .given = hay};
  // Needles come in the order in which they were put there, which is none.
  for (const Needle& needle : haystack.needles) {
    for (const int64_t id : question(needle)) document.ids.push_back(id);
    document.ids.push_back(needle.value);
  }
  return document;
}

}  // namespace hadal
