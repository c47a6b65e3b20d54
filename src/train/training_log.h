// SPDX-License-Identifier: MIT
// The log of a run: one line of JSON a step in <out>/log.jsonl, and what a plot needs of it.
//
//   TRY(TrainingLog log, TrainingLog::open(path, steps_done));   // later lines are cut off
//   TRY_STATUS(log.add(report, held_out, tokens_per_second));
//
//   {"step":7,"loss":5.1234567,"tokens":8105,"rate":0.0021,"norm":1.25,"balance":1.02,
//    "indexer":0.31,"speed":2800,"valid":5.01,"bits_per_byte":1.9}
// Losses are nats a token; valid and bits_per_byte stand where held-out text was measured, agreed
// and overlap (trainer.h) where a draft head's guesses were.
// Lines are appended as steps end; a line that a crash cut short is dropped at the next start.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/trainer.h"

namespace hadal {

struct LogLine {
  int64_t step = 0;
  double loss = 0;
  std::optional<double> valid;
};

class TrainingLog {
 public:
  static Result<TrainingLog> open(const std::string& path, int64_t steps_done);
  TrainingLog() = default;
  TrainingLog(TrainingLog&&) = default;

  Status add(const StepReport& report, const std::optional<HeldOut>& held_out,
             double tokens_per_second);
  // A line of another kind of run: `text` is a JSON object that begins with the entry's figures.
  Status add(const LogLine& entry, const std::string& text);
  const std::vector<LogLine>& lines() const { return lines_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::vector<LogLine> lines_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace hadal
