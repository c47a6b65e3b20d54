// SPDX-License-Identifier: MIT
// Rates of guessing, from what rounds took and brought.
#include "engine/draft_length.h"

#include <algorithm>

#include "base/result.h"

namespace hadal {
namespace {

constexpr size_t kTimesKept = 5;     // a median of five bears two bad ones
constexpr int64_t kMeanOver = 64;    // rounds that a running mean looks back on
constexpr int64_t kTrialEvery = 16;  // rounds between two trials of one guess more …
constexpr int64_t kTrialMost = 256;  // … and at most, where not even one guess pays

}  // namespace

void DraftLength::Times::add(double seconds) {
  last_.push_back(seconds);
  if (last_.size() > kTimesKept) last_.pop_front();
}

double DraftLength::Times::median() const {
  std::vector<double> sorted(last_.begin(), last_.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

DraftLength::DraftLength(int64_t limit, int64_t fixed)
    : limit_(limit), fixed_(std::min(fixed, limit)), trial_every_(kTrialEvery) {
  const size_t sizes = static_cast<size_t>(limit) + 1;
  drafts_.resize(sizes);
  reads_.resize(sizes);
  places_.resize(static_cast<size_t>(limit));
  stats_.judged_at.resize(static_cast<size_t>(limit));
  stats_.right_at.resize(static_cast<size_t>(limit));
  drafts_.front().add(0);  // no guess takes no time
}

// Measured, or on the line between (or beyond) the nearest that were.
double DraftLength::seconds(const std::vector<Times>& times, int64_t guesses) {
  const auto known = [&](int64_t k) { return times[static_cast<size_t>(k)].known(); };
  const auto at = [&](int64_t k) { return times[static_cast<size_t>(k)].median(); };
  const int64_t last = static_cast<int64_t>(times.size()) - 1;
  int64_t below = guesses, above = guesses;
  while (below >= 0 && !known(below)) --below;
  while (above <= last && !known(above)) ++above;
  if (below < 0) return above <= last ? at(above) : 0;
  if (above > last) return at(below);
  if (below == above) return at(below);
  return at(below) + (at(above) - at(below)) * static_cast<double>(guesses - below) /
                         static_cast<double>(above - below);
}

double DraftLength::cost_of_round(int64_t guesses) const {
  return seconds(drafts_, guesses) + seconds(reads_, guesses);
}

// Where all guesses are made already.
double DraftLength::cost_of_reading(int64_t guesses) const {
  return seconds(drafts_, limit_) + seconds(reads_, guesses);
}

int64_t DraftLength::best(std::span<const double> chances,
                          double (DraftLength::*cost)(int64_t) const) const {
  double tokens = 1, chance = 1, best_rate = 0;
  int64_t best = 0;
  for (int64_t k = 0; k <= static_cast<int64_t>(chances.size()); ++k) {
    if (k > 0) {
      chance *= chances[static_cast<size_t>(k) - 1];
      tokens += chance;
    }
    const double round = (this->*cost)(k);
    const double rate = round > 0 ? tokens / round : 0;
    if (rate <= best_rate) continue;
    best_rate = rate;
    best = k;
  }
  return best;
}

int64_t DraftLength::next() {
  if (fixed_ > 0) return fixed_;
  ++rounds_;
  free_ = true;
  if (!reads_.front().sure()) return 0;
  if (!reads_.back().sure()) return limit_;
  std::vector<double> chances;
  for (const Place& place : places_) chances.push_back(place.right);
  const int64_t paying = best(chances, &DraftLength::cost_of_round);
  if (paying > 0) trial_every_ = kTrialEvery;
  if (next_trial_ == 0) next_trial_ = rounds_ + trial_every_;
  if (rounds_ >= next_trial_) {
    if (paying == 0) trial_every_ = std::min(2 * trial_every_, kTrialMost);
    next_trial_ = rounds_ + trial_every_;
    return std::min(paying + 1, limit_);
  }
  free_ = false;
  return confident_ && paying > 0 ? limit_ : paying;
}

int64_t DraftLength::cut(std::span<const float> confidence) const {
  const int64_t all = static_cast<int64_t>(confidence.size());
  if (fixed_ > 0 || free_ || !confident_) return all;
  std::vector<double> chances;
  for (size_t j = 0; j < confidence.size(); ++j) {
    const Place& place = places_[j];
    const double told = static_cast<double>(confidence[j]);
    chances.push_back(std::min(1.0, told * place.right / std::max(place.confidence, 1e-6)));
  }
  return best(chances, &DraftLength::cost_of_reading);
}

void DraftLength::learn(const DraftRound& round) {
  const int64_t guessed = static_cast<int64_t>(round.confidence.size());
  CHECK(guessed <= limit_ && round.read <= guessed && round.judged <= round.read &&
            round.right <= round.judged,
        "a round of ", guessed, ", ", round.read, ", ", round.judged, ", ", round.right);
  if (guessed > 0) drafts_[static_cast<size_t>(guessed)].add(round.draft_seconds);
  reads_[static_cast<size_t>(round.read)].add(round.read_seconds);
  for (int64_t j = 0; j < round.judged; ++j) {
    const bool right = j < round.right;
    const size_t at = static_cast<size_t>(j);
    const double told = static_cast<double>(round.confidence[at]);
    Place& place = places_[at];
    place.count = std::min(place.count + 1, kMeanOver);
    const double share = 1 / static_cast<double>(place.count);
    place.right += ((right ? 1.0 : 0.0) - place.right) * share;
    place.confidence += (told - place.confidence) * share;
    confident_ = confident_ || told < 1;
    ++stats_.judged_at[at];
    if (right) ++stats_.right_at[at];
  }
  ++stats_.passes;
  stats_.guessed += guessed;
  stats_.read += round.read;
  stats_.right += round.right;
  stats_.draft_seconds += round.draft_seconds;
  stats_.read_seconds += round.read_seconds;
}

}  // namespace hadal
