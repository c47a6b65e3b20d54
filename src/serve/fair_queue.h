// SPDX-License-Identifier: MIT
// A queue that is fair between owners: each in turn, whoever of them has more waiting.
//
//   FairQueue<Job> queue({.most = 256, .most_of_one = 64});
//   if (queue.push("ann", job) != Pushed::yes) …           // says whose fault it is
//   std::optional<Job> next = queue.pop();
//
// Of one owner the first come is the first served.  One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hadal {

struct QueueLimits {
  int64_t most = 256;        // more would wait for minutes: better told at once
  int64_t most_of_one = 64;  // so that one owner cannot fill it
};

enum class Pushed { yes, owner_full, full };

template <typename Item>
class FairQueue {
 public:
  explicit FairQueue(QueueLimits limits) : limits_(limits) {}

  Pushed push(const std::string& owner, Item item) {
    const auto line =
        std::find_if(lines_.begin(), lines_.end(), [&](const Line& l) { return l.owner == owner; });
    const bool known = line != lines_.end();
    if (known && static_cast<int64_t>(line->items.size()) >= limits_.most_of_one)
      return Pushed::owner_full;
    if (size_ >= limits_.most) return Pushed::full;
    Line& to = known ? *line : lines_.emplace_back(Line{owner, {}});
    to.items.push_back(std::move(item));
    ++size_;
    return Pushed::yes;
  }

  std::optional<Item> pop() {
    if (lines_.empty()) return std::nullopt;
    Line& line = lines_.front();
    std::optional<Item> item = std::move(line.items.front());
    line.items.pop_front();
    --size_;
    if (line.items.empty())
      lines_.pop_front();
    else
      lines_.splice(lines_.end(), lines_, lines_.begin());
    return item;
  }

  // Those that `leaves` says are taken out, in no particular order.
  template <typename Leaves>
  std::vector<Item> take_if(const Leaves& leaves) {
    std::vector<Item> taken;
    for (Line& line : lines_) {
      const auto gone = std::stable_partition(line.items.begin(), line.items.end(),
                                              [&](const Item& item) { return !leaves(item); });
      std::move(gone, line.items.end(), std::back_inserter(taken));
      line.items.erase(gone, line.items.end());
    }
    lines_.remove_if([](const Line& line) { return line.items.empty(); });
    size_ -= static_cast<int64_t>(taken.size());
    return taken;
  }

  int64_t size() const { return size_; }

 private:
  struct Line {
    std::string owner;
    std::deque<Item> items;
  };

  QueueLimits limits_;
  std::list<Line> lines_;  // the owner whose turn it is stands first; none is empty
  int64_t size_ = 0;
};

}  // namespace hadal
