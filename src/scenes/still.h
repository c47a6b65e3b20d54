// SPDX-License-Identifier: MIT
// A still: one to three objects on a ground, as a caption, as a picture, or drawn by lot.
//
//   TRY(Still still, parse_still("two small blue squares, top row, on black"));
//   Picture picture = draw_still(still, 64);
//   caption(still);                                    // the one canonical caption
//   Still other = random_still(seed, Split::seen);
//
// Captions:
//   a SIZE COLOUR FORM, PLACE, on GROUND
//   two|three SIZE COLOUR FORMs, ROW row, on GROUND    two: at the left and right of the row
//   a SIZE COLOUR FORM, PLACE, and a SIZE COLOUR FORM, PLACE, on GROUND    in reading order
// Pure functions; any thread may use them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "media/picture.h"
#include "scenes/objects.h"

namespace hadal {

// An object in its place, or two or three of its kind in a row (place.column is 0 then).
struct StillPart {
  int64_t count = 1;
  Object object;
  Place place;
  bool operator==(const StillPart&) const = default;
};

// One part, or two parts of one object each.
struct Still {
  Ground ground = Ground::white;
  std::vector<StillPart> parts;
  bool operator==(const Still&) const = default;
};

struct PlacedObject {
  Object object;
  Place place;
  bool operator==(const PlacedObject&) const = default;
};
// Every object with its place, in reading order.
std::vector<PlacedObject> objects_of(const Still& still);
// The other way round: equal objects that fill a row become one part.  Nothing when these objects
// have no caption (none, more than three, three that differ).
Result<Still> still_of(Ground ground, std::vector<PlacedObject> objects);

std::string caption(const Still& still);
// Other wordings of the same, for training: 0 is the canonical one.
constexpr int64_t kWordings = 4;
std::string caption(const Still& still, int64_t wording);
// For training only: says a part of it, by lot ("a star, on white").  No reader.
std::string vague_caption(const Still& still, Random& random);
// Reads every wording.
Result<Still> parse_still(std::string_view caption);

// `side` in pixels; REQUIRES 16 … 4096.
Picture draw_still(const Still& still, int64_t side);

// unseen when it holds an object that is kept away from training.
Split split_of(const Still& still);
// The same arguments give the same still.  Half have one object, a quarter a row of two or
// three, a quarter two different ones.
Still random_still(uint64_t seed, Split split, Words from = Words::judged);

}  // namespace hadal
