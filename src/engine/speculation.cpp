// SPDX-License-Identifier: MIT
// Rounds of guessing, reading and judging.
#include "engine/speculation.h"

#include <algorithm>
#include <chrono>

namespace hadal {
namespace {

class Watch {
 public:
  double seconds() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
    return passed.count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

std::span<const float> Speculation::logits() const {
  if (guesses_.empty()) return session_.logits();
  const Tensor row = logits_WV_.rows(round_.right, 1);
  return {row.data<float>(), static_cast<size_t>(row.count())};
}

int64_t Speculation::length() const {
  return session_.length() - waiting();
}

void Speculation::append(int64_t id, int64_t most) {
  if (waiting() > 0) {
    ++round_.judged;
    if (guesses_[static_cast<size_t>(round_.right)] == id) {
      ++round_.right;
      return;
    }
  }
  settle();
  begin(id, most);
}

void Speculation::begin(int64_t id, int64_t most) {
  const int64_t possible = drafts_ ? std::min(most, session_.most_guesses()) : 0;
  const int64_t count = possible > 0 ? std::min(possible, drafts_->next()) : 0;
  open_ = true;
  if (count > 0) {
    const Watch watch;
    for (const GuessedToken& guess : session_.guess(id, count, sampler_)) {
      guesses_.push_back(guess.id);
      round_.confidence.push_back(guess.confidence);
    }
    guesses_.resize(static_cast<size_t>(drafts_->cut(round_.confidence)));
    round_.draft_seconds = watch.seconds();
  }
  round_.read = static_cast<int64_t>(guesses_.size());
  const Watch watch;
  if (guesses_.empty()) {
    session_.append(id);
  } else {
    std::vector<int64_t> ids = {id};
    ids.insert(ids.end(), guesses_.begin(), guesses_.end());
    logits_WV_ = session_.append_all(ids);
  }
  round_.read_seconds = watch.seconds();
}

void Speculation::settle() {
  if (!open_) return;
  if (waiting() > 0) {
    const Tensor row = logits_WV_.rows(round_.right, 1);
    session_.take_back(length(), row.reshaped({row.count()}));
  }
  if (drafts_) drafts_->learn(round_);
  guesses_.clear();
  logits_WV_ = {};
  round_ = {};
  open_ = false;
}

}  // namespace hadal
