// SPDX-License-Identifier: MIT
#include "scenes/film_check.h"

#include <algorithm>
#include <cmath>

#include "scenes/tracks.h"

namespace hadal {

namespace {

constexpr double kPlaceTolerance = 4;  // units; crossing ones begin 8 away from any place

double away(const Pose& pose, const Track& track) {
  return std::max(std::abs(pose.x - track.x.first), std::abs(pose.y - track.y.first));
}

bool begins_at(const Pose& pose, const Track& track) {
  return away(pose, track) <= kPlaceTolerance;
}

Object object_of(const Track& track) {
  return {track.first_size(), track.colour, track.form};
}

Result<Actor> actor_of(const Track& track) {
  const std::optional<Motion> motion = track.motion();
  if (!motion)
    return fail("film: a ", phrase(object_of(track)), " that goes by (",
                std::lround(track.x.change), ", ", std::lround(track.y.change), ") and grows by ",
                track.radius.change, ", which is no motion");
  for (int64_t i = 0; i < 9; ++i) {
    const Actor actor{object_of(track), {i / 3, i % 3}, *motion};
    if (begins_at(pose_of({{}, Plot::apart, {actor}}, 0, 0), track)) return actor;
  }
  return fail("film: a ", phrase(object_of(track)), " that begins at ", std::lround(track.x.first),
              ", ", std::lround(track.y.first), ", which is no place");
}

// The film of two that cross, if these two do.
std::optional<FilmScene> crossing_of(const Following& following) {
  if (following.tracks.size() != 2) return std::nullopt;
  const auto upper_first = [](const Track& a, const Track& b) { return a.y.first < b.y.first; };
  std::vector<Track> tracks = following.tracks;
  std::sort(tracks.begin(), tracks.end(), upper_first);
  const FilmScene film{
      following.ground,
      Plot::crossing,
      {{object_of(tracks[0]), {}, Motion::right}, {object_of(tracks[1]), {}, Motion::left}}};
  for (size_t i = 0; i < 2; ++i)
    if (tracks[i].motion() != film.actors[i].motion || !begins_at(pose_of(film, i, 0), tracks[i]))
      return std::nullopt;
  return film;
}

Result<FilmScene> film_seen(const Following& following) {
  if (std::optional<FilmScene> crossing = crossing_of(following)) return *crossing;
  std::vector<Actor> actors;
  for (const Track& track : following.tracks) {
    TRY(Actor actor, actor_of(track));
    actors.push_back(actor);
  }
  return film_of(following.ground, Plot::apart, actors);
}

// The tracks in the order of the film's actors, by where they begin.
std::vector<Track> paired(const FilmScene& film, std::vector<Track> tracks) {
  if (tracks.size() == 2) {
    const Pose a = pose_of(film, 0, 0), b = pose_of(film, 1, 0);
    if (away(a, tracks[1]) + away(b, tracks[0]) < away(a, tracks[0]) + away(b, tracks[1]))
      std::swap(tracks[0], tracks[1]);
  }
  return tracks;
}

}  // namespace

Result<FilmScene> read_film(const Clip& clip) {
  TRY(Following following, follow(clip));
  return film_seen(following);
}

FilmVerdict check_film(const FilmScene& asked, const Clip& clip) {
  FilmVerdict verdict;
  Result<Following> following = follow(clip);
  if (!following) {
    verdict.problem = following.error().message;
    return verdict;
  }
  verdict.ground = following->ground == asked.ground;
  verdict.count = following->tracks.size() == asked.actors.size();
  if (verdict.count) {
    verdict.size = verdict.colour = verdict.form = verdict.place = verdict.motion = true;
    const std::vector<Track> tracks = paired(asked, following->tracks);
    for (size_t i = 0; i < tracks.size(); ++i) {
      const Object found = object_of(tracks[i]), &expected = asked.actors[i].object;
      verdict.size &= found.size == expected.size;
      verdict.colour &= found.colour == expected.colour;
      verdict.form &= found.form == expected.form;
      verdict.place &= begins_at(pose_of(asked, i, 0), tracks[i]);
      verdict.motion &= tracks[i].motion() == asked.actors[i].motion;
    }
  }
  if (verdict.right()) return verdict;
  Result<FilmScene> seen = film_seen(*following);
  verdict.problem = seen ? "seen: " + caption(*seen) : seen.error().message;
  return verdict;
}

}  // namespace hadal
