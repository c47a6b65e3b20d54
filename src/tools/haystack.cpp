// SPDX-License-Identifier: MIT
// Needles, decoys and questions.
#include "tools/haystack.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <unordered_map>

#include "base/random.h"
#include "base/result.h"

namespace hadal {
namespace {

constexpr int64_t kNeedleWords = kKeyWords + kValueWords;
// Of a haystack, needles and decoys fill at most one part in this many.
constexpr int64_t kLeastHay = 4;
// With fewer words than this most keys of a long haystack would stand there twice.
constexpr int64_t kFewestHayWords = 128;

// A run of kKeyWords ids as one number.
uint64_t run_at(std::span<const int64_t> ids, int64_t place) {
  uint64_t run = 0;
  for (int64_t i = 0; i < kKeyWords; ++i)
    run = run << 21 | static_cast<uint64_t>(ids[static_cast<size_t>(place + i)]);
  return run;
}

class HaystackMaker {
 public:
  explicit HaystackMaker(const HaystackOptions& options)
      : options_(options), random_(options.seed), taken_(static_cast<size_t>(options.tokens)) {}

  Haystack make() {
    haystack_.ids.push_back(options_.bos_id);
    while (static_cast<int64_t>(haystack_.ids.size()) < options_.tokens)
      haystack_.ids.push_back(word());
    for (int64_t i = 0; i < options_.needles; ++i) place_needle(i);
    for (const Needle& needle : haystack_.needles)
      for (int64_t i = 0; i < options_.decoys; ++i) place_decoy(needle, i % kKeyWords);
    while (remove_repeats()) continue;
    return std::move(haystack_);
  }

 private:
  int64_t word() { return kFirstWord + random_.below(options_.vocab - kFirstWord); }
  int64_t& id(int64_t place) { return haystack_.ids[static_cast<size_t>(place)]; }

  // The i-th needle is what stands somewhere in the i-th part of the haystack.
  void place_needle(int64_t i) {
    const int64_t part = (options_.tokens - 1) / options_.needles;
    const int64_t words = kKeyWords + 1 + i % kValueWords;
    Needle needle;
    do {
      needle.place = 1 + i * part + random_.below(part - 2 * kNeedleWords);
    } while (!note_runs(needle.place, words));
    for (int64_t at = 0; at < words; ++at) {
      (at < kKeyWords ? needle.key : needle.value).push_back(id(needle.place + at));
      taken_[static_cast<size_t>(needle.place + at)] = true;
    }
    haystack_.needles.push_back(std::move(needle));
  }

  // False, noting nothing, if another needle has one of them.
  bool note_runs(int64_t place, int64_t words) {
    std::unordered_map<uint64_t, int64_t> own;
    for (int64_t at = place; at + kKeyWords <= place + words; ++at) {
      const uint64_t run = run_at(haystack_.ids, at);
      if (runs_.contains(run) || !own.emplace(run, at).second) return false;
    }
    runs_.merge(own);
    return true;
  }

  // The needle's key but for one word, over hay.
  void place_decoy(const Needle& needle, int64_t other) {
    int64_t place = 0;
    do {
      place = 1 + random_.below(options_.tokens - 1 - kKeyWords);
    } while (is_taken(place, kKeyWords));
    for (int64_t at = 0; at < kKeyWords; ++at) {
      const int64_t same = needle.key[static_cast<size_t>(at)];
      id(place + at) = same;
      while (at == other && id(place + at) == same) id(place + at) = word();
    }
  }

  bool is_taken(int64_t place, int64_t words) const {
    const auto first = taken_.begin() + place;
    return std::find(first, first + words, true) != first + words;
  }

  // Runs of a needle that stand elsewhere too lose their words there, but for those of a needle.
  // True if there were any: what took their place may be another one.
  bool remove_repeats() {
    bool found = false;
    for (int64_t place = 0; place + kKeyWords <= options_.tokens; ++place) {
      const auto run = runs_.find(run_at(haystack_.ids, place));
      if (run == runs_.end() || run->second == place) continue;
      for (int64_t at = 0; at < kKeyWords; ++at)
        if (!is_taken(place + at, 1)) id(place + at) = word();
      found = true;
    }
    return found;
  }

  HaystackOptions options_;
  Random random_;
  std::vector<bool> taken_;                     // by a needle
  std::unordered_map<uint64_t, int64_t> runs_;  // of needles: where they stand
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

// As many of few words as of many: evenly over the logarithm.
int64_t word_count(int64_t fewest, int64_t most, Random& random) {
  const double ratio = static_cast<double>(most) / static_cast<double>(fewest);
  return static_cast<int64_t>(static_cast<double>(fewest) * std::pow(ratio, random.uniform()));
}

}  // namespace

bool fits_haystack(const HaystackOptions& options) {
  const int64_t words = options.needles * (2 * kNeedleWords + options.decoys * kKeyWords);
  return options.vocab - kFirstWord >= kFewestHayWords && words * kLeastHay <= options.tokens;
}

Haystack make_haystack(const HaystackOptions& options) {
  CHECK(fits_haystack(options), options.needles, " needles in ", options.tokens, " tokens");
  return HaystackMaker(options).make();
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
  const std::vector<int64_t> words = some_words(
      word_count(options.fewest_words, options.vocab - kFirstWord, random), options.vocab, random);
  NeedleDocument document;
  std::vector<int64_t>& ids = document.ids;
  ids.push_back(options.bos_id);
  const int64_t hay = options.tokens / 2;
  while (static_cast<int64_t>(ids.size()) < hay)
    ids.push_back(words[static_cast<size_t>(random.below(static_cast<int64_t>(words.size())))]);
  document.given = hay;
  std::unordered_map<uint64_t, int64_t> seen;
  for (int64_t place = 0; place + kKeyWords <= hay; ++place) ++seen[run_at(ids, place)];
  while (static_cast<int64_t>(ids.size()) < options.tokens) {
    const int64_t place = 1 + random.below(hay - kNeedleWords);
    bool once = true;
    for (int64_t at = 0; at < kValueWords; ++at) once &= seen[run_at(ids, place + at)] == 1;
    // Where no run stands once, a question without a sure answer does no harm.
    if (!once && random.uniform() < 0.9) continue;
    ids.push_back(kAskId);
    for (int64_t at = 0; at < kNeedleWords; ++at)
      ids.push_back(ids[static_cast<size_t>(place + at)]);
  }
  return document;
}

}  // namespace hadal
