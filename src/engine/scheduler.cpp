// SPDX-License-Identifier: MIT
// How much of which prompts a step reads.
#include "engine/scheduler.h"

#include <algorithm>

#include "base/result.h"

namespace hadal {
namespace {

// A stream whose tokens come three times as slowly while others' prompts are read still flows; the
// readers have two thirds of the machine.
constexpr double kStretch = 3;
// A prompt always moves: less would make a step's fixed cost outweigh what it reads.
constexpr int64_t kLeastRows = 4;
// What a first slice of unknown cost may hold.
constexpr int64_t kFirstRows = 16;
// Steps after which the writers' own pace is measured again: 2 % of steps read nothing.
constexpr int64_t kOldAge = 50;
// A new measurement counts for so much: a single disturbed step changes little.
constexpr double kNewShare = 0.25;

double smoothed(double before, double now) {
  return before + kNewShare * (now - before);
}

}  // namespace

int64_t Scheduler::slice(int64_t writers) const {
  if (writers == 0) return options_.most_rows;
  const auto alone = alone_.find(writers);
  if (alone == alone_.end() || alone->second.age >= kOldAge) return 0;
  if (!seconds_a_row_) return std::min(kFirstRows, options_.most_rows);
  const double rows = (kStretch - 1) * alone->second.seconds / *seconds_a_row_;
  const double most = static_cast<double>(options_.most_rows);
  return std::max(std::min(kLeastRows, options_.most_rows),
                  static_cast<int64_t>(std::min(rows, most)));
}

void Scheduler::note(const StepTime& step) {
  if (step.read == 0) {
    const auto [found, first] = alone_.try_emplace(step.writers, Measured{step.seconds, 0});
    if (!first) found->second = {smoothed(found->second.seconds, step.seconds), 0};
    return;
  }
  double seconds = step.seconds;
  if (step.writers > 0) {
    const auto alone = alone_.find(step.writers);
    if (alone == alone_.end()) return;
    ++alone->second.age;
    // Never free: a lucky step must not make the next slice endless.
    seconds = std::max(step.seconds - alone->second.seconds, 0.1 * step.seconds);
  }
  const double a_row = seconds / static_cast<double>(step.read);
  seconds_a_row_ = seconds_a_row_ ? smoothed(*seconds_a_row_, a_row) : a_row;
}

size_t Scheduler::choose(std::span<const std::string* const> owners) const {
  CHECK(!owners.empty(), "nobody reads");
  size_t best = 0;
  int64_t best_slice = slices_ + 1;
  for (size_t i = 0; i < owners.size(); ++i) {
    const auto found = last_read_.find(*owners[i]);
    const int64_t slice = found == last_read_.end() ? 0 : found->second;
    if (slice < best_slice) best = i, best_slice = slice;
  }
  return best;
}

}  // namespace hadal
