// SPDX-License-Identifier: MIT
// BestOf: the best `limit` of scores that come by in ascending order of index; of equal ones the
// lower index.  Scores that are -inf or NaN are never among them.
//
//   BestOf best(512);
//   best.offer(scores, count, first_index);      // any number of times
//   for (const Scored& one : best.chosen()) …    // in no order
//
// What is below the worst of the best so far costs one comparison; the rest waits in a buffer that
// is halved now and then.  Of n scores in random order about limit · ln(n / limit) are kept for a
// while; of rising ones all are, at a constant cost each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace hadal::cpu {

struct Scored {
  float score;
  int64_t index;
};

class BestOf {
 public:
  explicit BestOf(int64_t limit) : limit_(static_cast<size_t>(std::max<int64_t>(limit, 0))) {}

  void offer(const float* scores, int64_t count, int64_t first_index) {
    for (int64_t i = 0; i < count; ++i) offer(scores[i], first_index + i);
  }
  void offer(float score, int64_t index) {
    if (!(score > worst_)) return;
    kept_.push_back({score, index});
    if (kept_.size() >= 2 * limit_ + kSlack) shrink();
  }
  // Scores that are not above this one need not be offered any more.
  float limit() const { return worst_; }
  // Of another stream, of any indices.
  void join(const BestOf& other) {
    kept_.insert(kept_.end(), other.kept_.begin(), other.kept_.end());
    shrink();
  }
  const std::vector<Scored>& chosen() {
    shrink();
    return kept_;
  }

 private:
  static constexpr size_t kSlack = 256;  // so that a small limit does not shrink at every score

  void shrink() {
    if (kept_.size() <= limit_) return;
    const auto better = [](const Scored& a, const Scored& b) {
      return a.score > b.score || (a.score == b.score && a.index < b.index);
    };
    if (limit_ == 0) {
      kept_.clear();
      worst_ = std::numeric_limits<float>::infinity();
      return;
    }
    const auto last = kept_.begin() + static_cast<int64_t>(limit_) - 1;
    std::nth_element(kept_.begin(), last, kept_.end(), better);
    kept_.resize(limit_);
    worst_ = kept_.back().score;
  }

  size_t limit_;
  float worst_ = -std::numeric_limits<float>::infinity();
  std::vector<Scored> kept_;
};

}  // namespace hadal::cpu
