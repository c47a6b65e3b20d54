// SPDX-License-Identifier: MIT
#include "scenes/tracks.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "scenes/figures.h"

namespace hadal {

namespace {

constexpr size_t kMostFrames = 1024;
constexpr double kMoves = 8;     // units: half of the way that what moves goes
constexpr double kRests = 5;     // units: what does not move, through a codec
constexpr double kGrowth = 1.2;  // units: a little under half of the way from small to large
constexpr double kJump = 4;      // units beside the line, in the mean
// Of the frames that could be read, those that must agree about colour, and not speak against the
// form.
constexpr double kAgreement = 0.7;
// How much more likeness of another form speaks against one; sharp figures are 0.025 or more apart.
constexpr double kDoubt = 0.02;
constexpr size_t kUnreadable = 4;  // at most one frame in so many

struct Sighting {
  double time;  // 0 … 1
  Figure figure;
};
using Sightings = std::vector<Sighting>;

double squared_distance(const Figure& a, const Figure& b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

// Each figure goes to the track that ended nearest; of two, so that the sum is least.
void append(std::vector<Sightings>& tracks, std::vector<Figure> figures, double time) {
  if (tracks.size() == 2) {
    const Figure &a = tracks[0].back().figure, &b = tracks[1].back().figure;
    if (squared_distance(a, figures[1]) + squared_distance(b, figures[0]) <
        squared_distance(a, figures[0]) + squared_distance(b, figures[1]))
      std::swap(figures[0], figures[1]);
  }
  for (size_t i = 0; i < tracks.size(); ++i) tracks[i].push_back({time, figures[i]});
}

// Least squares over time.
TrackLine line_through(const Sightings& sightings, double Figure::*value) {
  const double n = static_cast<double>(sightings.size());
  double time = 0, mean = 0, tt = 0, tv = 0;
  for (const Sighting& s : sightings) {
    time += s.time / n;
    mean += s.figure.*value / n;
  }
  for (const Sighting& s : sightings) {
    tt += (s.time - time) * (s.time - time);
    tv += (s.time - time) * (s.figure.*value - mean);
  }
  TrackLine line;
  line.change = tt > 0 ? tv / tt : 0;
  line.first = mean - line.change * time;
  double squares = 0;
  for (const Sighting& s : sightings) {
    const double off = s.figure.*value - line.first - line.change * s.time;
    squares += off * off;
  }
  line.spread = std::sqrt(squares / n);
  return line;
}

// The form that all frames together are most like.  A frame speaks against it when it is clearly
// more like another one; a blurred frame, whose forms are nearly alike, speaks for none.
std::optional<Form> form_of(const Sightings& sightings) {
  FormLikeness sums = {};
  for (const Sighting& s : sightings)
    for (size_t form = 0; form < kForms; ++form) sums[form] += s.figure.of_form[form];
  const size_t best =
      static_cast<size_t>(std::max_element(sums.begin(), sums.end()) - sums.begin());
  size_t against = 0;
  for (const Sighting& s : sightings)
    if (s.figure.likeness - s.figure.of_form[best] > kDoubt) ++against;
  if (static_cast<double>(against) > (1 - kAgreement) * static_cast<double>(sightings.size()))
    return std::nullopt;
  return static_cast<Form>(best);
}

// The value that most frames saw, if enough of them did.
template <typename Value, size_t count>
std::optional<Value> agreed(const Sightings& sightings, Value Figure::*value) {
  std::array<size_t, count> votes = {};
  for (const Sighting& s : sightings) ++votes[static_cast<size_t>(s.figure.*value)];
  const size_t best =
      static_cast<size_t>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  if (static_cast<double>(votes[best]) < kAgreement * static_cast<double>(sightings.size()))
    return std::nullopt;
  return static_cast<Value>(best);
}

Result<Track> track_of(const Sightings& sightings) {
  const std::optional<Form> form = form_of(sightings);
  if (!form) return fail("film: a figure that changes its form");
  const std::optional<Colour> colour = agreed<Colour, kColours>(sightings, &Figure::colour);
  if (!colour) return fail("film: a ", word(*form), " that changes its colour");
  Track track{*colour, *form, line_through(sightings, &Figure::x),
              line_through(sightings, &Figure::y), line_through(sightings, &Figure::radius)};
  if (track.x.spread > kJump || track.y.spread > kJump)
    return fail("film: a ", word(*colour), " ", word(*form), " that jumps");
  return track;
}

}  // namespace

std::optional<Motion> Track::motion() const {
  const bool rests_x = std::abs(x.change) < kRests, rests_y = std::abs(y.change) < kRests;
  const bool keeps_size = std::abs(radius.change) < kGrowth;
  if (rests_x && rests_y && keeps_size) return Motion::stays;
  if (rests_x && rests_y) return radius.change > 0 ? Motion::grows : Motion::shrinks;
  if (!keeps_size) return std::nullopt;
  if (rests_y && std::abs(x.change) >= kMoves) return x.change < 0 ? Motion::left : Motion::right;
  if (rests_x && std::abs(y.change) >= kMoves) return y.change < 0 ? Motion::up : Motion::down;
  return std::nullopt;
}

Size Track::first_size() const {
  // What keeps its size tells it in all frames.
  const bool grows = std::abs(radius.change) >= kGrowth;
  return size_of(grows ? radius.first : radius.first + radius.change / 2);
}

Result<Following> follow(const Clip& clip) {
  if (clip.frames.size() < 2 || clip.frames.size() > kMostFrames)
    return fail("film: ", clip.frames.size(), " frames, expected 2 … ", kMostFrames);
  Following following;
  std::vector<Sightings> tracks;
  size_t unreadable = 0;
  for (size_t i = 0; i < clip.frames.size(); ++i) {
    const bool edge = i == 0 || i + 1 == clip.frames.size();
    Result<SceneSight> sight = look_at(clip.frames[i]);
    if (edge && !sight) return fail("film: frame ", i, ": ", sight.error().message);
    if (i == 0) {
      following.ground = sight->ground;
      tracks.resize(sight->figures.size());
      if (tracks.empty() || tracks.size() > 2)
        return fail("film: ", tracks.size(), " figures, expected 1 or 2");
      for (size_t t = 0; t < tracks.size(); ++t) tracks[t] = {{0, sight->figures[t]}};
      continue;
    }
    if (sight && sight->ground == following.ground && sight->figures.size() == tracks.size()) {
      append(tracks, sight->figures,
             static_cast<double>(i) / static_cast<double>(clip.frames.size() - 1));
    } else if (edge || ++unreadable * kUnreadable > clip.frames.size()) {
      return fail("film: frame ", i, " shows something else than the first");
    }
  }
  for (const Sightings& sightings : tracks) {
    TRY(Track track, track_of(sightings));
    following.tracks.push_back(track);
  }
  return following;
}

}  // namespace hadal
