// SPDX-License-Identifier: MIT
// Counting n-grams, and looking them up.
#include "train/ngram.h"

#include <algorithm>

#include "base/result.h"

namespace hadal {

namespace {

constexpr int64_t kTokenBits = 16;
constexpr int64_t kMaxOrder = 5;

uint64_t key_of(std::span<const int32_t> context) {
  uint64_t key = 0;
  for (int32_t id : context) key = key << kTokenBits | static_cast<uint16_t>(id);
  return key;
}

}  // namespace

NgramModel::NgramModel(int64_t order) : order_(order), orders_(static_cast<size_t>(order)) {
  CHECK(order >= 1 && order <= kMaxOrder, order);
}

// Full n-grams go to the highest order; where a document begins, shorter ones to theirs.
void NgramModel::learn(std::span<const int32_t> ids) {
  for (size_t i = 1; i < ids.size(); ++i) {
    CHECK(ids[i] >= 0 && ids[i] < (1 << kTokenBits));
    size_t length = std::min(i, static_cast<size_t>(order_ - 1));
    orders_[length].entries.push_back(
        {key_of(ids.subspan(i - length, length)), static_cast<uint32_t>(ids[i]), 1});
  }
}

void NgramModel::merge_equal(std::vector<Entry>& entries) {
  std::sort(entries.begin(), entries.end());
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    bool same = kept > 0 && entries[kept - 1].context == entries[i].context &&
                entries[kept - 1].token == entries[i].token;
    if (same)
      entries[kept - 1].count += entries[i].count;
    else
      entries[kept++] = entries[i];
  }
  entries.resize(kept);
  entries.shrink_to_fit();
}

void NgramModel::finish_order(Order& order) {
  int64_t once = 0, twice = 0;
  for (size_t i = 0; i < order.entries.size(); ++i) {
    const Entry& entry = order.entries[i];
    once += entry.count == 1;
    twice += entry.count == 2;
    int64_t at = static_cast<int64_t>(i);
    if (order.contexts.empty() || order.contexts.back().context != entry.context)
      order.contexts.push_back({entry.context, at, at, 0});
    order.contexts.back().end = at + 1;
    order.contexts.back().total += entry.count;
  }
  order.discount =
      once == 0 ? 0.5 : static_cast<double>(once) / static_cast<double>(once + 2 * twice);
}

void NgramModel::finish(int64_t vocab) {
  vocab_ = vocab;
  for (int64_t n = order_; n >= 1; --n) {
    Order& order = orders_[static_cast<size_t>(n - 1)];
    merge_equal(order.entries);
    finish_order(order);
    if (n == 1) break;
    // Each distinct n-gram is one token that stands before the shorter one.
    uint64_t keep = n == 2 ? 0 : ~uint64_t{0} >> (64 - kTokenBits * (n - 2));
    for (const Entry& entry : order.entries)
      orders_[static_cast<size_t>(n - 2)].entries.push_back({entry.context & keep, entry.token, 1});
  }
}

double NgramModel::probability(std::span<const int32_t> history, int32_t token) const {
  double p = 1 / static_cast<double>(vocab_);
  for (int64_t n = 1; n <= order_; ++n) {
    size_t length = static_cast<size_t>(n - 1);
    if (length > history.size()) break;
    const Order& order = orders_[static_cast<size_t>(n - 1)];
    uint64_t key = key_of(history.subspan(history.size() - length));
    auto context = std::lower_bound(
        order.contexts.begin(), order.contexts.end(), key,
        [](const Context& candidate, uint64_t wanted) { return candidate.context < wanted; });
    if (context == order.contexts.end() || context->context != key) break;
    auto first = order.entries.begin() + context->first, end = order.entries.begin() + context->end;
    auto found = std::lower_bound(first, end, Entry{key, static_cast<uint32_t>(token), 0});
    double count = found != end && found->token == static_cast<uint32_t>(token) ? found->count : 0;
    double total = static_cast<double>(context->total);
    double distinct = static_cast<double>(context->end - context->first);
    p = std::max(count - order.discount, 0.0) / total + order.discount * distinct / total * p;
  }
  return p;
}

int64_t NgramModel::entries() const {
  size_t count = 0;
  for (const Order& order : orders_) count += order.entries.size();
  return static_cast<int64_t>(count);
}

}  // namespace hadal
