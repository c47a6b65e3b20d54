// SPDX-License-Identifier: MIT
// The bookkeeper: writes the ledger on a thread of its own, since a disk takes its time.
//
//   bookkeeper.add(entry, [](const std::optional<Bill>& bill) { … });   // then the answer ends
//
// Entries are written in order, each before its callback.  An entry that a full disk refuses is
// kept and tried again, while its request is answered without a bill; close() tries a last time.
// Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "serve/accounts.h"

namespace hadal {

class Bookkeeper {
 public:
  using Done = std::function<void(const std::optional<Bill>& bill)>;

  // `failed` hears of every entry that could not be written at once, `charged` of every new bill.
  Bookkeeper(Accounts& accounts, std::function<void(const Error&)> failed,
             std::function<void(const Bill&)> charged);
  ~Bookkeeper();

  // Without an entry (nobody pays) the callback keeps its place in the order.
  void add(std::optional<LedgerEntry> entry, Done done);
  // Everything that was added is done.
  void close();

 private:
  struct Task {
    std::optional<LedgerEntry> entry;
    Done done;
  };
  void work();
  void retry();
  Result<Bill> record(const LedgerEntry& entry);

  Accounts& accounts_;
  std::function<void(const Error&)> failed_;
  std::function<void(const Bill&)> charged_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool closing_ = false;
  std::deque<LedgerEntry> unwritten_;  // of the thread alone
  std::thread thread_;
};

}  // namespace hadal
