// SPDX-License-Identifier: MIT
// Right answers by what was asked about, and the verdicts of the scenes' judges as such answers.
//
//   Score score;
//   add_verdict(score, "seen", check_still(still, picture));
//   score.print("shapes");
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "scenes/film_check.h"
#include "scenes/still_check.h"

namespace hadal {

class Score {
 public:
  void add(const std::string& what, bool right);
  double share(const std::string& what) const;  // 0 … 1; 0 of what was never asked
  bool empty() const { return order_.empty(); }
  nlohmann::ordered_json json() const;
  void print(const std::string& title) const;  // on standard output, in order of first asking

 private:
  struct Tally {
    int64_t asked = 0, right = 0;
  };
  std::map<std::string, Tally> tallies_;
  std::vector<std::string> order_;
};

// `split` stands before each of the questions: "seen: colour".
void add_verdict(Score& score, const std::string& split, const StillVerdict& verdict);
void add_verdict(Score& score, const std::string& split, const FilmVerdict& verdict);

}  // namespace hadal
