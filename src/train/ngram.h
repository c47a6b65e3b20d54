// SPDX-License-Identifier: MIT
// An n-gram model of tokens with interpolated Kneser–Ney smoothing: the simple baseline that a
// language model has to beat.
//
//   NgramModel model(5);
//   model.learn(document_ids);  …   model.finish(vocab);
//   double p = model.probability(history, token);
//
// P_n(w|h) = max(c(hw) - D_n, 0)/c(h) + D_n·N(h)/c(h) · P_{n-1}(w|h'), P_0 = 1/vocab, with N(h) the
// number of distinct continuations of h, D_n = n1/(n1 + 2·n2), and, below the highest order,
// c = how many distinct tokens stand before the n-gram (occurrences where a document begins).
// Source: Chen and Goodman 1998, §2.7.  Tested by tests/train/ngram_test.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hadal {

class NgramModel {
 public:
  // 1 … 5: four tokens of 16 bits of context make a key.
  explicit NgramModel(int64_t order);

  void learn(std::span<const int32_t> ids);  // one document
  void finish(int64_t vocab);                // after the last document

  // `history` is everything before the token in its document, oldest first.
  double probability(std::span<const int32_t> history, int32_t token) const;
  int64_t entries() const;  // distinct n-grams of all orders

 private:
  struct Entry {
    uint64_t context;  // tokens before, the newest in the low 16 bits
    uint32_t token;
    uint32_t count;
    bool operator<(const Entry& other) const {
      return context != other.context ? context < other.context : token < other.token;
    }
  };
  struct Context {
    uint64_t context;
    int64_t first, end;  // of its entries
    int64_t total;
  };
  struct Order {
    std::vector<Entry> entries;  // sorted
    std::vector<Context> contexts;
    double discount = 0;
  };

  static void merge_equal(std::vector<Entry>& entries);
  static void finish_order(Order& order);

  int64_t order_;
  int64_t vocab_ = 1;
  std::vector<Order> orders_;  // orders_[n-1]: n-grams
};

}  // namespace hadal
