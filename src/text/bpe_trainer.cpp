// SPDX-License-Identifier: MIT
// Trains a byte-level BPE vocabulary.
//
// The corpus is reduced to its different words (pieces of the pre-tokenizer) and their counts.
// Every pair of neighbouring symbols knows its count and the words it was seen in, so a merge
// touches only those words.  The heap may hold outdated counts, which are only ever too high or
// matched by a newer entry: an entry is checked when it is popped, and put back if it was wrong.
// Ties go to the pair with the smaller ids.  Tested by bpe_trainer_test.cpp against a plain
// recount of the whole corpus after every merge.
#include "text/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "text/byte_alphabet.h"
#include "text/pretokenizer.h"

namespace hadal {
namespace {

constexpr int32_t kAnyToken = -1;
constexpr int64_t kMinVocab = kBpeSpecials + 256;
constexpr int64_t kMaxVocab = int64_t{1} << 24;  // what the reader of the file accepts
// A longer piece (a line of dashes, base64) is learnt in parts, to bound the work per merge.
constexpr size_t kMaxWordBytes = 512;

using Pair = std::pair<int32_t, int32_t>;

struct PairHash {
  size_t operator()(const Pair& pair) const {
    uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(pair.first)) << 32 |
                   static_cast<uint32_t>(pair.second);
    key *= 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio: spreads the low bits upwards
    return key ^ (key >> 32);
  }
};

struct Word {
  std::vector<int32_t> symbols;
  int64_t count;
};

struct PairUse {
  int64_t count = 0;
  std::vector<int32_t> words;  // each at least once; some no longer have the pair
};

struct Ranked {
  int64_t count;
  Pair pair;
  bool operator<(const Ranked& other) const {
    return std::tie(count, other.pair) < std::tie(other.count, pair);
  }
};

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

class Trainer {
 public:
  explicit Trainer(const TrainerOptions& options) : options_(options) {
    bpe_.tokens = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"};
    for (uint8_t byte : bytes_in_alphabet_order()) {
      byte_ids_[byte] = static_cast<int32_t>(bpe_.tokens.size());
      bpe_.tokens.emplace_back(1, static_cast<char>(byte));
      ids_.emplace(bpe_.tokens.back(), byte_ids_[byte]);
    }
  }

  void count_words(const DocumentSource& next_document, const Pretokenizer& pretokenizer) {
    std::string_view document;
    while (next_document(document)) {
      pretokenizer.split(document, [&](std::string_view piece) {
        for (; !piece.empty(); piece.remove_prefix(std::min(piece.size(), kMaxWordBytes)))
          count_word(piece.substr(0, kMaxWordBytes));
      });
    }
    index_of_word_.clear();
  }

  TrainedBpe run() {
    for (size_t i = 0; i < words_.size(); ++i) add_pairs(static_cast<int32_t>(i), kAnyToken);
    for (const auto& [pair, use] : pairs_) queue_.push({use.count, pair});
    while (static_cast<int64_t>(bpe_.tokens.size()) < options_.vocab_size && merge_best()) {
    }
    return std::move(bpe_);
  }

 private:
  void count_word(std::string_view text) {
    auto found = index_of_word_.find(text);
    if (found != index_of_word_.end()) {
      ++words_[found->second].count;
      return;
    }
    index_of_word_.emplace(text, words_.size());
    Word word{{}, 1};
    for (char byte : text) word.symbols.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    words_.push_back(std::move(word));
  }

  // Counts the pairs of a word, and lists the word under those that have `token` in them.
  void add_pairs(int32_t index, int32_t token) {
    const Word& word = words_[static_cast<size_t>(index)];
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      Pair pair = {word.symbols[i], word.symbols[i + 1]};
      PairUse& use = pairs_[pair];
      use.count += word.count;
      if (token != kAnyToken && pair.first != token && pair.second != token) continue;
      if (use.words.empty() || use.words.back() != index) use.words.push_back(index);
      if (token != kAnyToken) touched_.push_back(pair);
    }
  }

  void remove_pairs(const Word& word) {
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i)
      pairs_[{word.symbols[i], word.symbols[i + 1]}].count -= word.count;
  }

  // False when no pair is left that is worth a token.
  bool merge_best() {
    while (!queue_.empty()) {
      Ranked best = queue_.top();
      queue_.pop();
      int64_t count = pairs_[best.pair].count;
      if (count < options_.min_count) continue;
      if (count != best.count) {
        queue_.push({count, best.pair});
        continue;
      }
      std::string text = bpe_.tokens[best.pair.first] + bpe_.tokens[best.pair.second];
      if (static_cast<int64_t>(text.size()) > options_.max_token_bytes) continue;
      merge(best.pair, token_for(std::move(text)));
      return true;
    }
    return false;
  }

  // Two ways of merging can spell the same bytes; they share the token.
  int32_t token_for(std::string text) {
    auto next = static_cast<int32_t>(bpe_.tokens.size());
    auto [found, is_new] = ids_.emplace(text, next);
    if (is_new) bpe_.tokens.push_back(std::move(text));
    return found->second;
  }

  void merge(const Pair& pair, int32_t token) {
    bpe_.merges.push_back(pair);
    std::vector<int32_t> places = std::move(pairs_[pair].words);
    pairs_[pair].words.clear();
    for (int32_t index : places) {
      Word& word = words_[static_cast<size_t>(index)];
      if (!has_pair(word, pair)) continue;
      remove_pairs(word);
      replace(word, pair, token);
      add_pairs(index, token);
    }
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (const Pair& changed : touched_) queue_.push({pairs_[changed].count, changed});
    touched_.clear();
  }

  static bool has_pair(const Word& word, const Pair& pair) {
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i)
      if (word.symbols[i] == pair.first && word.symbols[i + 1] == pair.second) return true;
    return false;
  }

  static void replace(Word& word, const Pair& pair, int32_t token) {
    std::vector<int32_t>& symbols = word.symbols;
    size_t out = 0;
    for (size_t i = 0; i < symbols.size(); ++i) {
      bool here =
          i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second;
      symbols[out++] = here ? token : symbols[i];
      if (here) ++i;
    }
    symbols.resize(out);
  }

  TrainerOptions options_;
  TrainedBpe bpe_;
  int32_t byte_ids_[256] = {};
  std::unordered_map<std::string, int32_t> ids_;  // by bytes, without the special tokens
  std::vector<Word> words_;
  std::unordered_map<std::string, size_t, TextHash, std::equal_to<>> index_of_word_;
  std::unordered_map<Pair, PairUse, PairHash> pairs_;
  std::priority_queue<Ranked> queue_;
  std::vector<Pair> touched_;  // pairs whose count this merge raised
};

}  // namespace

Result<TrainedBpe> train_bpe(const DocumentSource& next_document, const TrainerOptions& options) {
  if (options.vocab_size < kMinVocab || options.vocab_size > kMaxVocab)
    return fail("tokenizer training: a vocabulary of ", options.vocab_size, ", expected ",
                kMinVocab, " to ", kMaxVocab);
  auto pretokenizer = Pretokenizer::create(deepseek_split_patterns());
  CHECK(pretokenizer, "our own patterns compile");
  Trainer trainer(options);
  trainer.count_words(next_document, *pretokenizer);
  return trainer.run();
}

}  // namespace hadal
