// SPDX-License-Identifier: MIT
// Tallies in order of first asking.
#include "tools/score.h"

#include <cstdio>

namespace hadal {

void Score::add(const std::string& what, bool right) {
  Tally& tally = tallies_[what];
  if (tally.asked == 0) order_.push_back(what);
  ++tally.asked;
  tally.right += right;
}

double Score::share(const std::string& what) const {
  const auto found = tallies_.find(what);
  if (found == tallies_.end()) return 0;
  return static_cast<double>(found->second.right) / static_cast<double>(found->second.asked);
}

nlohmann::ordered_json Score::json() const {
  nlohmann::ordered_json all;
  for (const std::string& what : order_) {
    const Tally& tally = tallies_.at(what);
    all[what] = {{"asked", tally.asked}, {"right", tally.right}, {"share", share(what)}};
  }
  return all;
}

void Score::print(const std::string& title) const {
  std::printf("%s\n", title.c_str());
  for (const std::string& what : order_) {
    const Tally& tally = tallies_.at(what);
    std::printf("  %-34s %5.1f %%  (%lld of %lld)\n", what.c_str(), 100 * share(what),
                static_cast<long long>(tally.right), static_cast<long long>(tally.asked));
  }
}

void add_verdict(Score& score, const std::string& split, const StillVerdict& verdict) {
  score.add(split + ": all right", verdict.right());
  score.add(split + ": colour", verdict.colour);
  score.add(split + ": form", verdict.form);
  score.add(split + ": size", verdict.size);
  score.add(split + ": place", verdict.place);
  score.add(split + ": ground", verdict.ground);
  score.add(split + ": count", verdict.count);
}

void add_verdict(Score& score, const std::string& split, const FilmVerdict& verdict) {
  score.add(split + ": all right", verdict.right());
  score.add(split + ": motion and object",
            verdict.motion && verdict.colour && verdict.form && verdict.size && verdict.count);
  score.add(split + ": motion", verdict.motion);
  score.add(split + ": colour", verdict.colour);
  score.add(split + ": form", verdict.form);
  score.add(split + ": size", verdict.size);
  score.add(split + ": place", verdict.place);
  score.add(split + ": ground", verdict.ground);
}

}  // namespace hadal
