// SPDX-License-Identifier: MIT
// The checker of clips: right on what is right, also through a codec; wrong on everything else.
#include "scenes/film_check.h"

#include "codec.h"
#include "scenes/drawing.h"
#include "testing.h"

namespace hadal {
namespace {

using testing::blurred;
using testing::noisy;

Clip through_codec(Clip clip, double noise, uint64_t seed) {
  for (Picture& frame : clip.frames) frame = noisy(blurred(frame), noise, ++seed * 1000);
  return clip;
}

void expect_right(const FilmScene& film, const Clip& clip) {
  const FilmVerdict verdict = check_film(film, clip);
  EXPECT_TRUE(verdict.right()) << caption(film) << "\n  " << verdict.problem;
  Result<FilmScene> read = read_film(clip);
  EXPECT_TRUE(read && *read == film) << caption(film);
}

TEST(FilmCheckTest, ReadsFilms) {
  for (uint64_t seed = 0; seed < 120; ++seed) {
    const FilmScene film = random_film(seed, seed % 2 == 0 ? Split::seen : Split::unseen);
    expect_right(film, draw_film(film, {.side = seed % 8 == 0 ? 128 : 64}));
  }
}

TEST(FilmCheckTest, ReadsOtherLengths) {
  for (int64_t frames : {2, 5, 13, 17}) {
    const FilmScene film = random_film(static_cast<uint64_t>(frames), Split::seen);
    expect_right(film, draw_film(film, {.frames = frames}));
  }
}

TEST(FilmCheckTest, SeesThroughACodecOf26Decibels) {
  for (uint64_t seed = 200; seed < 320; ++seed) {
    const FilmScene film = random_film(seed, Split::seen);
    expect_right(film, through_codec(draw_film(film, {}), 15, seed));
  }
}

// Every motion drawn, every motion asked for: right only where they are one.
TEST(FilmCheckTest, NoticesEveryOtherMotion) {
  for (int64_t drawn = 0; drawn < kMotions; ++drawn) {
    const auto film = [](int64_t motion, Size size) {
      return FilmScene{Ground::grey,
                       Plot::apart,
                       {{{size, Colour::blue, Form::ring}, {1, 1}, static_cast<Motion>(motion)}}};
    };
    const Size size = static_cast<Motion>(drawn) == Motion::shrinks ? Size::large : Size::small;
    const Clip clip = through_codec(draw_film(film(drawn, size), {}), 15, 7);
    for (int64_t asked = 0; asked < kMotions; ++asked) {
      const FilmVerdict verdict = check_film(film(asked, size), clip);
      EXPECT_EQ(verdict.motion, asked == drawn) << asked << " " << drawn;
      EXPECT_EQ(verdict.right(), asked == drawn) << asked << " " << drawn;
    }
  }
}

TEST(FilmCheckTest, NoticesEverySingleChange) {
  for (uint64_t seed = 0; seed < 25; ++seed) {
    Random random(seed);
    const FilmScene asked = random_film(seed, Split::seen);
    const auto check = [&](const FilmScene& drawn, bool FilmVerdict::*wrong) {
      const FilmVerdict verdict = check_film(asked, draw_film(drawn, {}));
      EXPECT_FALSE(verdict.*wrong) << caption(asked) << "\n" << caption(drawn);
      EXPECT_FALSE(verdict.right());
      FilmVerdict mended = verdict;
      mended.*wrong = true;
      EXPECT_TRUE(mended.right()) << caption(asked) << "\n" << verdict.problem;
    };
    const auto other = [&](auto value, int64_t count) {
      return static_cast<decltype(value)>(
          (static_cast<int64_t>(value) + 1 + random.below(count - 1)) % count);
    };
    FilmScene drawn = asked;
    drawn.ground = other(asked.ground, kGrounds);
    check(drawn, &FilmVerdict::ground);
    drawn = asked;
    drawn.actors.back().object.colour = other(asked.actors.back().object.colour, kColours);
    check(drawn, &FilmVerdict::colour);
    drawn = asked;
    drawn.actors[0].object.form = other(asked.actors[0].object.form, kForms);
    check(drawn, &FilmVerdict::form);
    const Motion motion = asked.actors[0].motion;
    if (motion == Motion::grows || motion == Motion::shrinks) continue;
    drawn = asked;
    drawn.actors[0].object.size = other(asked.actors[0].object.size, kSizes);
    check(drawn, &FilmVerdict::size);
  }
}

TEST(FilmCheckTest, NoticesWhoCrosses) {
  const FilmScene asked =
      parse_film("a small red circle and a large blue square cross, on white").take();
  const FilmScene turned =
      parse_film("a large blue square and a small red circle cross, on white").take();
  EXPECT_TRUE(check_film(asked, draw_film(asked, {})).right());
  EXPECT_FALSE(check_film(asked, draw_film(turned, {})).right());
  const FilmScene alone = parse_film("a small red circle, top left, moves right, on white").take();
  const FilmVerdict verdict = check_film(asked, draw_film(alone, {}));
  EXPECT_FALSE(verdict.count || verdict.motion);
  EXPECT_TRUE(verdict.ground);
}

// Whatever a figure becomes on its way, it is neither.
TEST(FilmCheckTest, NoticesFormsThatChange) {
  const auto film = [](int64_t form) {
    return FilmScene{
        Ground::white,
        Plot::apart,
        {{{Size::small, Colour::blue, static_cast<Form>(form)}, {0, 0}, Motion::right}}};
  };
  for (int64_t form = 0; form < kForms; ++form)
    for (int64_t later = 0; later < kForms; ++later) {
      if (form == later) continue;
      Clip clip = draw_film(film(form), {});
      const Clip others = draw_film(film(later), {});
      for (size_t i = 6; i < 9; ++i) clip.frames[i] = others.frames[i];  // a third of the frames
      EXPECT_FALSE(check_film(film(form), clip).right()) << form << " " << later;
      EXPECT_FALSE(check_film(film(later), clip).right()) << form << " " << later;
      for (size_t i : {4, 5}) clip.frames[i] = others.frames[i];  // more than half
      EXPECT_FALSE(check_film(film(form), clip).right()) << form << " " << later;
      EXPECT_FALSE(check_film(film(later), clip).right()) << form << " " << later;
    }
}

TEST(FilmCheckTest, RefusesClipsOfNoFilm) {
  const FilmScene film =
      parse_film("a small blue square, middle right, moves left, on black").take();
  const Clip good = draw_film(film, {});
  ASSERT_TRUE(check_film(film, good).right());
  const auto is_wrong = [&](const Clip& clip) {
    const FilmVerdict verdict = check_film(film, clip);
    return !verdict.right() && !verdict.motion && !verdict.problem.empty();
  };
  EXPECT_TRUE(is_wrong({}));
  EXPECT_TRUE(is_wrong({{good.frames[0]}, 8}));
  EXPECT_TRUE(is_wrong({std::vector<Picture>(9, blank(64, rgb_of(Ground::black))), 8}));
  EXPECT_TRUE(is_wrong({std::vector<Picture>(9, good.frames[0]), 8}));  // it does not move
  EXPECT_TRUE(is_wrong(through_codec(good, 120, 1)));
  Clip spoilt = good;
  std::reverse(spoilt.frames.begin(), spoilt.frames.end());
  EXPECT_TRUE(is_wrong(spoilt));
  spoilt = good;  // it vanishes for a while
  for (size_t i : {3, 4, 5}) spoilt.frames[i] = blank(64, rgb_of(Ground::black));
  EXPECT_TRUE(is_wrong(spoilt));
  spoilt = good;  // it goes there and back
  for (size_t i = 5; i < 9; ++i) spoilt.frames[i] = good.frames[8 - i];
  EXPECT_TRUE(is_wrong(spoilt));
  spoilt = good;  // it becomes something else
  const FilmScene star = parse_film("a small red star, middle right, moves left, on black").take();
  for (size_t i = 4; i < 9; ++i) spoilt.frames[i] = draw_film(star, {}).frames[i];
  EXPECT_TRUE(is_wrong(spoilt));
  spoilt = good;  // it jumps about
  std::swap(spoilt.frames[1], spoilt.frames[8]);
  std::swap(spoilt.frames[0], spoilt.frames[5]);
  EXPECT_TRUE(is_wrong(spoilt));
  spoilt = good;  // one frame is lost: that is let pass
  spoilt.frames[4] = noisy(spoilt.frames[4], 200, 3);
  EXPECT_TRUE(check_film(film, spoilt).right());
}

}  // namespace
}  // namespace hadal
