// SPDX-License-Identifier: MIT
// The bookkeeper.
#include "serve/bookkeeper.h"

#include <utility>

namespace hadal {

Bookkeeper::Bookkeeper(Accounts& accounts, std::function<void(const Error&)> failed,
                       std::function<void(const Bill&)> charged)
    : accounts_(accounts),
      failed_(std::move(failed)),
      charged_(std::move(charged)),
      thread_([this] { work(); }) {}

Bookkeeper::~Bookkeeper() {
  close();
}

void Bookkeeper::add(std::optional<LedgerEntry> entry, Done done) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back({std::move(entry), std::move(done)});
  }
  changed_.notify_one();
}

void Bookkeeper::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

Result<Bill> Bookkeeper::record(const LedgerEntry& entry) {
  Result<Bill> bill = accounts_.record(entry);
  if (bill && !bill->repeated) charged_(*bill);
  return bill;
}

// What could not be written is tried again before anything new is.
void Bookkeeper::retry() {
  while (!unwritten_.empty()) {
    if (!record(unwritten_.front())) return;
    unwritten_.pop_front();
  }
}

void Bookkeeper::work() {
  constexpr std::chrono::seconds kRetryTime{5};
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return closing_ || !tasks_.empty(); };
      if (unwritten_.empty())
        changed_.wait(lock, ready);
      else
        changed_.wait_for(lock, kRetryTime, ready);
      if (tasks_.empty() && closing_) break;
      if (!tasks_.empty()) {
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
    }
    retry();
    std::optional<Bill> bill;
    if (task.entry) {
      Result<Bill> written = record(*task.entry);
      if (written) {
        bill = *written;
      } else {
        failed_(written.error());
        unwritten_.push_back(std::move(*task.entry));
      }
    }
    if (task.done) task.done(bill);
  }
  retry();
}

}  // namespace hadal
