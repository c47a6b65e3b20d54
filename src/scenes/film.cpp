// SPDX-License-Identifier: MIT
#include "scenes/film.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "scenes/caption_reader.h"
#include "scenes/drawing.h"
#include "scenes/still.h"

namespace hadal {

namespace {

constexpr double kTravel = 16;    // units, from the first frame to the last
constexpr double kLeastGap = 20;  // units between centres in x or y: two large objects and a gap
// Where the two that cross begin; between the places, so that no other film begins there.
constexpr Pose kCrossing[] = {{24, 16, 0}, {40, 48, 0}};

constexpr std::string_view kMotionWords[] = {"stays",      "moves left", "moves right", "moves up",
                                             "moves down", "grows",      "shrinks"};

Pose moved(Pose pose, Motion motion, double time) {
  const double way = kTravel * time, growth = (kLargeRadius - kSmallRadius) * time;
  switch (motion) {
    case Motion::stays:
      break;
    case Motion::left:
      pose.x -= way;
      break;
    case Motion::right:
      pose.x += way;
      break;
    case Motion::up:
      pose.y -= way;
      break;
    case Motion::down:
      pose.y += way;
      break;
    case Motion::grows:
      pose.radius += growth;
      break;
    case Motion::shrinks:
      pose.radius -= growth;
      break;
  }
  return pose;
}

bool leaves_the_board(const Actor& actor) {
  return (actor.motion == Motion::left && actor.place.column == 0) ||
         (actor.motion == Motion::right && actor.place.column == 2) ||
         (actor.motion == Motion::up && actor.place.row == 0) ||
         (actor.motion == Motion::down && actor.place.row == 2);
}

bool size_does_not_fit(const Actor& actor) {
  return (actor.motion == Motion::grows && actor.object.size == Size::large) ||
         (actor.motion == Motion::shrinks && actor.object.size == Size::small);
}

bool two_meet(const FilmScene& film) {
  for (int step = 0; step <= 16; ++step) {
    const Pose a = pose_of(film, 0, step / 16.0), b = pose_of(film, 1, step / 16.0);
    if (std::max(std::abs(a.x - b.x), std::abs(a.y - b.y)) < kLeastGap) return true;
  }
  return false;
}

Result<Motion> parse_motion(CaptionReader& reader) {
  if (reader.take("stays")) return Motion::stays;
  if (reader.take("grows")) return Motion::grows;
  if (reader.take("shrinks")) return Motion::shrinks;
  if (!reader.take("moves")) return reader.wrong("stays, moves, grows or shrinks");
  if (reader.take("left")) return Motion::left;
  if (reader.take("right")) return Motion::right;
  if (reader.take("up")) return Motion::up;
  if (reader.take("down")) return Motion::down;
  return reader.wrong("left, right, up or down");
}

// ", PLACE, MOTION" after the object.
Result<Actor> parse_rest(CaptionReader& reader, const Object& object) {
  Actor actor{object, {}, Motion::stays};
  TRY_STATUS(reader.need(","));
  TRY(actor.place, reader.place());
  TRY_STATUS(reader.need(","));
  TRY(actor.motion, parse_motion(reader));
  return actor;
}

Result<Object> parse_object(CaptionReader& reader) {
  TRY_STATUS(reader.need("a"));
  return reader.object();
}

// What happens, without the ground.
Result<FilmScene> parse_plot(CaptionReader& reader) {
  TRY(Object first, parse_object(reader));
  if (reader.take("and")) {
    TRY(Object second, parse_object(reader));
    TRY_STATUS(reader.need("cross"));
    return FilmScene{{}, Plot::crossing, {{first, {}, Motion::right}, {second, {}, Motion::left}}};
  }
  TRY(Actor actor, parse_rest(reader, first));
  FilmScene film{{}, Plot::apart, {actor}};
  if (!reader.take_all({",", "and"})) return film;
  TRY(Object second, parse_object(reader));
  TRY(Actor other, parse_rest(reader, second));
  film.actors.push_back(other);
  return film;
}

// The motion first, so that each is as frequent; then an object and a place that allow it.
Actor random_actor(Random& random, Words from) {
  const Motion motion = static_cast<Motion>(random.below(kMotions));
  while (true) {
    const Object object = random_object(random, from);
    const int64_t row = random.below(3), column = random.below(3);
    const Actor actor{object, {row, column}, motion};
    if (!leaves_the_board(actor) && !size_does_not_fit(actor)) return actor;
  }
}

std::vector<Actor> random_actors(Random& random, Words from, Plot plot, size_t count) {
  if (plot == Plot::crossing) {
    const Object first = random_object(random, from), second = random_object(random, from);
    return {{first, {}, Motion::right}, {second, {}, Motion::left}};
  }
  std::vector<Actor> actors;
  while (actors.size() < count) actors.push_back(random_actor(random, from));
  return actors;
}

}  // namespace

std::string_view words(Motion motion) {
  return kMotionWords[static_cast<size_t>(motion)];
}

Pose pose_of(const FilmScene& film, size_t actor, double time) {
  const Actor& who = film.actors[actor];
  Pose pose = film.plot == Plot::crossing
                  ? kCrossing[actor]
                  : Pose{centre_of(who.place.column), centre_of(who.place.row), 0};
  pose.radius = radius_of(who.object.size);
  return moved(pose, who.motion, time);
}

Result<FilmScene> film_of(Ground ground, Plot plot, std::vector<Actor> actors) {
  const size_t expected = plot == Plot::crossing ? 2 : actors.size();
  if (actors.empty() || actors.size() > 2 || actors.size() != expected)
    return fail("film: ", actors.size(), " objects, expected 1 or 2; 2 where they cross");
  if (plot == Plot::apart) {
    const auto reads_before = [](const Actor& a, const Actor& b) {
      return 3 * a.place.row + a.place.column < 3 * b.place.row + b.place.column;
    };
    std::stable_sort(actors.begin(), actors.end(), reads_before);
    for (const Actor& actor : actors) {
      if (leaves_the_board(actor))
        return fail("film: what is at the ", phrase(actor.place), " leaves the board when it ",
                    words(actor.motion));
      if (size_does_not_fit(actor))
        return fail("film: what is ", word(actor.object.size), " at first cannot be what ",
                    words(actor.motion));
    }
  }
  FilmScene film{ground, plot, std::move(actors)};
  if (film.actors.size() == 2 && two_meet(film)) return fail("film: the two objects meet");
  return film;
}

std::string caption(const FilmScene& film) {
  return caption(film, 0);
}

std::string caption(const FilmScene& film, int64_t wording) {
  CHECK(wording >= 0 && wording < kWordings, "wording ", wording);
  std::string text;
  for (const Actor& actor : film.actors) {
    if (film.plot == Plot::crossing) {
      text += (text.empty() ? "a " : " and a ") + phrase(actor.object);
    } else {
      text += detail::join_text(text.empty() ? "a " : ", and a ", phrase(actor.object), ", ",
                                phrase(actor.place), ", ", words(actor.motion));
    }
  }
  if (film.plot == Plot::crossing) text += " cross";
  const std::string ground(word(film.ground));
  if (wording == 1) return "on " + ground + ": " + text;
  constexpr std::string_view kLeads[] = {"", "", "film ", "a clip of "};
  return std::string(kLeads[wording]) + text + ", on " + ground;
}

std::string vague_caption(const FilmScene& film, Random& random) {
  const bool crossing = film.plot == Plot::crossing;
  std::string text;
  for (const Actor& actor : film.actors) {
    text += (text.empty() ? "a "
             : crossing   ? " and a "
                          : ", and a ") +
            vague_phrase(actor.object, random);
    if (crossing) continue;
    if (is_said(random)) text += ", " + phrase(actor.place);
    if (is_said(random)) text += ", " + std::string(words(actor.motion));
  }
  if (crossing) text += " cross";
  if (is_said(random)) text += ", on " + std::string(word(film.ground));
  return text;
}

Result<FilmScene> parse_film(std::string_view caption) {
  CaptionReader reader(caption);
  std::optional<Ground> ground;
  if (reader.take("on")) {
    TRY(ground, reader.expect(ground_named, "a ground"));
    TRY_STATUS(reader.need(":"));
  } else if (!reader.take("film")) {
    reader.take_all({"a", "clip", "of"});
  }
  TRY(FilmScene film, parse_plot(reader));
  if (!ground) {
    TRY_STATUS(reader.need(","));
    TRY_STATUS(reader.need("on"));
    TRY(ground, reader.expect(ground_named, "a ground"));
  }
  TRY_STATUS(reader.end());
  return film_of(*ground, film.plot, film.actors);
}

Clip draw_film(const FilmScene& film, const FilmSize& size) {
  CHECK(size.side >= 16 && size.side <= 4096, "a clip of ", size.side, " pixels");
  CHECK(size.frames >= 2 && size.frames <= 1024, "a clip of ", size.frames, " frames");
  Clip clip;
  clip.fps = size.fps;
  for (int64_t i = 0; i < size.frames; ++i) {
    Picture& frame = clip.frames.emplace_back(blank(size.side, rgb_of(film.ground)));
    const double time = static_cast<double>(i) / static_cast<double>(size.frames - 1);
    for (size_t actor = 0; actor < film.actors.size(); ++actor) {
      const Object& object = film.actors[actor].object;
      const Pose pose = pose_of(film, actor, time);
      draw_figure(frame, {object.form, rgb_of(object.colour), pose.x, pose.y, pose.radius});
    }
  }
  return clip;
}

Split split_of(const FilmScene& film) {
  for (const Actor& actor : film.actors)
    if (split_of(actor.object) == Split::unseen) return Split::unseen;
  return Split::seen;
}

FilmScene random_film(uint64_t seed, Split split, Words from) {
  Random random(seed_for(seed, "film"));
  const Ground ground = static_cast<Ground>(random.below(kGrounds));
  const int64_t kind = random.below(8);
  const Plot plot = kind == 0 ? Plot::crossing : Plot::apart;
  while (true) {
    Result<FilmScene> film =
        film_of(ground, plot, random_actors(random, from, plot, kind < 3 ? 2 : 1));
    if (film && split_of(*film) == split) return *film;
  }
}

}  // namespace hadal
