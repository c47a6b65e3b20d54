// SPDX-License-Identifier: MIT
// A film: one or two objects that move on a ground, as a caption, as a clip, or drawn by lot.
//
//   TRY(FilmScene film, parse_film("a small blue square, middle right, moves left, on black"));
//   Clip clip = draw_film(film, {.side = 64, .frames = 9});
//   caption(film);                                     // the one canonical caption
//   FilmScene other = random_film(seed, Split::unseen);
//
// Captions, with the place and size of the first frame:
//   a SIZE COLOUR FORM, PLACE, MOTION, on GROUND
//   a SIZE COLOUR FORM, PLACE, MOTION, and a SIZE COLOUR FORM, PLACE, MOTION, on GROUND
//   a SIZE COLOUR FORM and a SIZE COLOUR FORM cross, on GROUND
// MOTION is "stays", "moves left|right|up|down", "grows" (from small to large) or "shrinks".
//
// What moves goes 16 units from the first frame to the last.  With 9 frames that is 2 units a
// frame and 8 in four frames: a tokenizer of 8 pixels and 4 frames sees the same pattern in every
// group, one position on.  Where two cross, the first goes right in the upper half, the second left
// in the lower.  Objects neither touch nor leave the board.
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

enum class Motion { stays, left, right, up, down, grows, shrinks };
constexpr int64_t kMotions = 7;
std::string_view words(Motion motion);  // "moves left"

struct Actor {
  Object object;  // at the first frame
  Place place;    // at the first frame; where two cross: unused, {0, 0}
  Motion motion = Motion::stays;
  bool operator==(const Actor&) const = default;
};

enum class Plot { apart, crossing };

struct FilmScene {
  Ground ground = Ground::white;
  Plot plot = Plot::apart;
  std::vector<Actor> actors;  // one or two; in reading order unless they cross
  bool operator==(const FilmScene&) const = default;
};

// Where an actor is, in units of the board.
struct Pose {
  double x = 0, y = 0, radius = 0;
};
Pose pose_of(const FilmScene& film, size_t actor, double time);  // time 0: first frame, 1: last

// Actors brought into reading order.  Refuses what leaves the board, touches, grows from large or
// shrinks from small.
Result<FilmScene> film_of(Ground ground, Plot plot, std::vector<Actor> actors);

std::string caption(const FilmScene& film);
// Other wordings of the same, for training: 0 is the canonical one, there are kWordings (still.h).
std::string caption(const FilmScene& film, int64_t wording);
// For training only: says a part of it, by lot ("a star moves left").  No reader.
std::string vague_caption(const FilmScene& film, Random& random);
Result<FilmScene> parse_film(std::string_view caption);  // reads every wording

struct FilmSize {
  int64_t side = 64;   // pixels, 16 … 4096
  int64_t frames = 9;  // 2 … 1024
  double fps = 8;
};
Clip draw_film(const FilmScene& film, const FilmSize& size);

// unseen when it holds an object that is kept away from training (objects.h).
Split split_of(const FilmScene& film);
// The same arguments give the same film.  Five in eight have one object, two in eight two that
// move on their own, one in eight two that cross.
FilmScene random_film(uint64_t seed, Split split, Words from = Words::judged);

}  // namespace hadal
