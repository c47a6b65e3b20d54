// SPDX-License-Identifier: MIT
// Does a clip show what was asked?  And: which caption does a clip deserve?
//
//   TRY(FilmScene seen, read_film(clip));                   // caption(seen)
//   FilmVerdict verdict = check_film(asked, clip);
//   if (!verdict.right()) … verdict.problem
//
// Every frame is read on its own (figures.h) and the figures are followed from frame to frame.
// A straight line is laid through each figure's place and radius over time: it must fit, and its
// slope is the motion.  A figure's form is what all its frames together are most like, unless more
// than three frames in ten are clearly more like another one.  A clip is refused when its first or last frame
// or more than a quarter of all cannot be read, when figures come and go, change form or colour,
// jump, or go askew.
// Pure functions; any thread may use them.
#pragma once

#include <string>

#include "base/result.h"
#include "media/picture.h"
#include "scenes/film.h"

namespace hadal {

Result<FilmScene> read_film(const Clip& clip);

// Attribute by attribute, as StillVerdict.  Place and size are those of the first frame.
struct FilmVerdict {
  bool ground = false, count = false, size = false, colour = false, form = false, place = false,
       motion = false;
  std::string problem;  // why the clip is no film, or what was seen; empty when all is right

  bool right() const { return ground && count && size && colour && form && place && motion; }
};
FilmVerdict check_film(const FilmScene& asked, const Clip& clip);

}  // namespace hadal
