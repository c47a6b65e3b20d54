// SPDX-License-Identifier: MIT
// Figures followed through a clip.
//
//   TRY(Following following, follow(clip));
//   for (const Track& track : following.tracks) …      // at most two
//
// Refuses clips whose figures cannot be followed (film_check.h says when).
// Pure functions; any thread may use them.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "media/picture.h"
#include "scenes/film.h"

namespace hadal {

// One figure on its way.  Lines are values at the first frame and the change until the last.
struct TrackLine {
  double first = 0, change = 0;
  double spread = 0;  // root mean square of the distance from the line
};

struct Track {
  Colour colour = Colour::red;
  Form form = Form::circle;
  TrackLine x, y, radius;

  std::optional<Motion> motion() const;  // nothing when it is none of ours
  Size first_size() const;
};

struct Following {
  Ground ground = Ground::white;
  std::vector<Track> tracks;
};

Result<Following> follow(const Clip& clip);

}  // namespace hadal
