// SPDX-License-Identifier: MIT
// Does a picture show what was asked?  And: which caption does a picture deserve?
//
//   TRY(Still seen, read_still(picture));              // caption(seen)
//   StillVerdict verdict = check_still(asked, picture);
//   if (!verdict.right()) … verdict.problem
//
// Reads pixels only (figures.h).  Pure functions; any thread may use them.
#pragma once

#include <string>

#include "base/result.h"
#include "media/picture.h"
#include "scenes/figures.h"
#include "scenes/still.h"

namespace hadal {

// Refuses pictures of no scene, of nothing, and of objects beside their places.
Result<Still> read_still(const Picture& picture);

// The object that a figure is, and the place that it stands in (within 5 units), if any.
Object object_of(const Figure& figure);
std::optional<Place> place_of(const Figure& figure);

// Attribute by attribute.  Every object asked for is held against the figure nearest to its
// place, so that an attribute is right when all objects have it right; with another count nothing
// but the ground can be.  A picture that is no scene has nothing right.
struct StillVerdict {
  bool ground = false, count = false, size = false, colour = false, form = false, place = false;
  std::string problem;  // why the picture is no scene, or what differs; empty when all is right

  bool right() const { return ground && count && size && colour && form && place; }
};
StillVerdict check_still(const Still& asked, const Picture& picture);

}  // namespace hadal
