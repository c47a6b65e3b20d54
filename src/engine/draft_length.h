// SPDX-License-Identifier: MIT
// How many tokens to guess at once: as many as make tokens come fastest, here and now.
//
//   DraftLength length(model.draft_limit(), 0);
//   const int64_t count = length.next();          // guess so many …
//   const int64_t kept = length.cut(confidence);  // … and read so many of them
//   length.learn(round);
//
// A round that guesses k tokens takes D(k) + R(k): drafting, and reading the chosen token with the
// guesses in one pass.  It brings 1 + a1 + a1·a2 + … tokens, a_j being how often the j-th guess is
// right where those before it were.  Times are medians of the last few rounds, so that a neighbour
// on the machine moves them little; shares are running means.  The first rounds measure the two
// ends, R(0) and R(limit); what lies between is read off the line until it was measured.  Now and
// then one guess more is tried than pays.  A head that is sure of its guesses (DSpark) is asked for
// all; how sure it was, corrected by how often that came true, says how many are worth reading.
//
// The choice moves time alone, never a token (speculation.h).  One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace hadal {

// What became of one round.
struct DraftRound {
  std::vector<float> confidence;  // of each guess
  int64_t read = 0;               // guesses that were read
  int64_t judged = 0;             // … and compared with what was chosen
  int64_t right = 0;              // … and were that: the first ones
  double draft_seconds = 0;
  double read_seconds = 0;
};

struct DraftStats {
  int64_t passes = 0;  // rounds: one forward pass each
  int64_t guessed = 0, read = 0, right = 0;
  std::vector<int64_t> judged_at, right_at;  // by place in the round
  double draft_seconds = 0, read_seconds = 0;
};

class DraftLength {
 public:
  // `limit`: the model's draft_limit().  `fixed`: as many every time; 0: adapts.
  DraftLength(int64_t limit, int64_t fixed);

  // How many tokens to guess in this round.
  int64_t next();
  // How many of them to read.
  int64_t cut(std::span<const float> confidence) const;
  void learn(const DraftRound& round);

  const DraftStats& stats() const { return stats_; }

 private:
  // The last few times of something.
  class Times {
   public:
    void add(double seconds);
    bool known() const { return !last_.empty(); }
    bool sure() const { return last_.size() >= 2; }
    double median() const;

   private:
    std::deque<double> last_;
  };
  // The j-th guess, where it was judged.
  struct Place {
    double right = 0.5, confidence = 0.5;  // running means
    int64_t count = 1;                     // the first rounds outweigh these beginnings
  };

  static double seconds(const std::vector<Times>& times, int64_t guesses);
  // The number of guesses of the largest rate, given how likely each is right.
  int64_t best(std::span<const double> chances, double (DraftLength::*cost)(int64_t) const) const;
  double cost_of_round(int64_t guesses) const;
  double cost_of_reading(int64_t guesses) const;

  int64_t limit_ = 0, fixed_ = 0;
  std::vector<Times> drafts_, reads_;  // by number of guesses
  std::vector<Place> places_;
  bool confident_ = false;  // the head tells how sure it is
  bool free_ = false;       // this round measures: nothing is cut
  int64_t rounds_ = 0, next_trial_ = 0, trial_every_ = 0;
  DraftStats stats_;
};

}  // namespace hadal
