// SPDX-License-Identifier: MIT
// Which picture of a set is it?  The judge of pictures drawn by name.
//
//   NamedPictures set;
//   set.add("tiger", tiger);  set.add("apple", apple);
//   Match match = set.nearest(picture);                // match.index: nothing when it is none
//
// Pictures are compared as 16 × 16 mean colours, in brightness and two colour differences, so that
// a codec's blur and noise weigh little and colour much.  Beside the pictures themselves stand
// its own mean colour all over and the mean of the set: what
// is nearest to one of these, or far from all, is no picture of the set.  So noise, blanks and
// smears match nothing.
// May be read from any thread; who adds must be alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "media/picture.h"

namespace hadal {

struct Match {
  std::optional<int64_t> index;  // of the set; nothing: none of them
  double distance = 0;           // root mean square, in steps of 1/255
};

class NamedPictures {
 public:
  // REQUIRES pictures with pixels, of any size.
  void add(std::string name, const Picture& picture);
  Match nearest(const Picture& picture) const;

  int64_t size() const { return static_cast<int64_t>(names_.size()); }
  const std::string& name(int64_t index) const { return names_[static_cast<size_t>(index)]; }
  // From the nearest picture of the set; infinite when it is empty.
  double distance(const Picture& picture) const;

 private:
  static constexpr int64_t kSide = 16;
  using Features = std::array<float, 3 * kSide * kSide>;
  static Features features_of(const Picture& picture);
  static double distance(const Features& a, const Features& b);
  Match nearest(const Features& features) const;
  bool is_nearer_to_nothing(const Features& features, double than) const;

  std::vector<std::string> names_;
  std::vector<Features> pictures_;
  Features sum_ = {};
};

}  // namespace hadal
