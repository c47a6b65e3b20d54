// SPDX-License-Identifier: MIT
// The scheduler: how much of which prompts is read in a step beside the tokens being written.
//
//   Scheduler scheduler({.most_rows = 512});
//   int64_t rows = scheduler.slice(writers);           // tokens of prompts in the next step
//   const size_t next = scheduler.choose(owners);      // whose, one after the other
//   scheduler.read(owners[next]);
//   scheduler.note({writers, rows, seconds});          // what the step took
//
// Those who write must not notice those who read: a slice is cut so that a step takes at most
// kStretch times what its writers' tokens take alone.  Both are measured as steps go by: now and
// then a step is for writers alone.  How prompts are cut changes nobody's tokens.
// Prompts take turns by owner: the one whose last slice is longest ago.  Clock-free, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace hadal {

struct SchedulerOptions {
  int64_t most_rows = 512;  // tokens of prompts in one step, whoever waits or does not
};

// A step that was run: `writers` tokens of answers and `read` tokens of prompts.
struct StepTime {
  int64_t writers = 0, read = 0;
  double seconds = 0;
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options) : options_(options) {}

  // Tokens of prompts for a step with so many writers; 0: this one is for the writers alone.
  int64_t slice(int64_t writers) const;
  void note(const StepTime& step);

  // Which of them, all with something to read, is next.  Requires: at least one.
  size_t choose(std::span<const std::string* const> owners) const;
  // A slice of this owner's was put into a step.
  void read(const std::string& owner) { last_read_[owner] = ++slices_; }
  // None of this owner's requests is left.
  void forget(const std::string& owner) { last_read_.erase(owner); }

 private:
  // A smoothed measurement, and the steps since it was last made.
  struct Measured {
    double seconds = 0;
    int64_t age = 0;
  };

  SchedulerOptions options_;
  std::map<int64_t, Measured> alone_;    // by the number of writers
  std::optional<double> seconds_a_row_;  // of prompts
  std::map<std::string, int64_t> last_read_;
  int64_t slices_ = 0;
};

}  // namespace hadal
