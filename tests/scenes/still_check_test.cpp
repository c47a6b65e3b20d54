// SPDX-License-Identifier: MIT
// The checker of stills: right on what is right, also through a codec; wrong on everything else.
#include "scenes/still_check.h"

#include "codec.h"
#include "scenes/drawing.h"
#include "testing.h"

namespace hadal {
namespace {

using testing::blurred;
using testing::noisy;
using testing::psnr;

std::vector<Still> all_single_stills() {
  std::vector<Still> stills;
  for (int64_t i = 0; i < kGrounds * kSizes * kColours * kForms; ++i) {
    const Object object{static_cast<Size>(i / kGrounds % kSizes),
                        static_cast<Colour>(i / kGrounds / kSizes % kColours),
                        static_cast<Form>(i / kGrounds / kSizes / kColours)};
    stills.push_back({static_cast<Ground>(i % kGrounds), {{1, object, {i % 3, i / 2 % 3}}}});
  }
  return stills;
}

void expect_right(const Still& still, const Picture& picture, const std::string& how) {
  const StillVerdict verdict = check_still(still, picture);
  EXPECT_TRUE(verdict.right()) << how << ": " << caption(still) << "\n  " << verdict.problem;
  Result<Still> read = read_still(picture);
  EXPECT_TRUE(read && *read == still) << how << ": " << caption(still);
}

TEST(StillCheckTest, ReadsEveryObjectOnEveryGround) {
  for (const Still& still : all_single_stills())
    expect_right(still, draw_still(still, 64), "drawn");
}

TEST(StillCheckTest, ReadsRowsAndPairsAtManySizes) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const Still still = random_still(seed, seed % 2 == 0 ? Split::seen : Split::unseen);
    const int64_t sides[] = {64, 128, 96, 100, 256};
    const int64_t side = sides[seed % 5];
    expect_right(still, draw_still(still, side), std::to_string(side));
  }
}

// Blurred and noisy; the first is what a good tokenizer leaves, the second a poor one.
TEST(StillCheckTest, SeesThroughCodecs) {
  struct Codec {
    int blurs;
    double noise, decibels;
  };
  for (const Codec& codec : {Codec{1, 15, 26.3}, Codec{2, 18, 24.6}}) {
    uint64_t seed = 0;
    double sum = 0;
    const std::vector<Still> stills = all_single_stills();
    for (const Still& still : stills) {
      const Picture drawn = draw_still(still, 64);
      Picture lossy = drawn;
      for (int i = 0; i < codec.blurs; ++i) lossy = blurred(lossy);
      lossy = noisy(lossy, codec.noise, ++seed);
      sum += psnr(drawn, lossy);
      expect_right(still, lossy, "codec");
    }
    EXPECT_LT(sum / static_cast<double>(stills.size()), codec.decibels);
  }
}

// Noise in patches of two pixels is what a small decoder makes of edges.
TEST(StillCheckTest, SeesThroughCoarseNoise) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Still still = random_still(seed, Split::seen);
    expect_right(still, noisy(draw_still(still, 64), 14, seed, 2), "coarse");
  }
}

// One attribute of one object is another: exactly that attribute must be found wrong.
TEST(StillCheckTest, NoticesEverySingleChange) {
  for (uint64_t seed = 0; seed < 80; ++seed) {
    Random random(seed);
    const Still asked = random_still(seed, Split::seen);
    const auto check = [&](const Still& drawn, bool StillVerdict::*wrong) {
      const Picture picture = noisy(blurred(draw_still(drawn, 64)), 11, seed);
      const StillVerdict verdict = check_still(asked, picture);
      EXPECT_FALSE(verdict.right() || verdict.*wrong) << caption(asked) << "\n" << caption(drawn);
      EXPECT_FALSE(verdict.problem.empty());
      StillVerdict mended = verdict;
      mended.*wrong = true;
      EXPECT_TRUE(mended.right()) << caption(asked) << "\n"
                                  << caption(drawn) << "\n"
                                  << verdict.problem;
    };
    const auto other = [&](auto value, int64_t count) {
      return static_cast<decltype(value)>(
          (static_cast<int64_t>(value) + 1 + random.below(count - 1)) % count);
    };
    Still drawn = asked;
    drawn.ground = other(asked.ground, kGrounds);
    check(drawn, &StillVerdict::ground);
    for (size_t part = 0; part < asked.parts.size(); ++part) {
      drawn = asked;
      drawn.parts[part].object.colour = other(asked.parts[part].object.colour, kColours);
      check(drawn, &StillVerdict::colour);
      drawn = asked;
      drawn.parts[part].object.form = other(asked.parts[part].object.form, kForms);
      check(drawn, &StillVerdict::form);
      drawn = asked;
      drawn.parts[part].object.size = other(asked.parts[part].object.size, kSizes);
      check(drawn, &StillVerdict::size);
    }
    if (asked.parts.size() > 1) continue;
    drawn = asked;
    drawn.parts[0].place.row = other(asked.parts[0].place.row, 3);
    check(drawn, &StillVerdict::place);
  }
}

TEST(StillCheckTest, NoticesAnotherCount) {
  for (int64_t asked = 1; asked <= 3; ++asked)
    for (int64_t drawn = 1; drawn <= 3; ++drawn) {
      const auto still = [](int64_t count) {
        return Still{Ground::grey, {{count, {Size::large, Colour::pink, Form::star}, {1, 0}}}};
      };
      const StillVerdict verdict = check_still(still(asked), draw_still(still(drawn), 64));
      EXPECT_EQ(verdict.count, asked == drawn);
      EXPECT_EQ(verdict.right(), asked == drawn);
    }
}

TEST(StillCheckTest, ExchangedColoursAreWrong) {
  const Still asked =
      parse_still("a large red ring, top left, and a large blue star, top right, on white").take();
  const Still drawn =
      parse_still("a large blue ring, top left, and a large red star, top right, on white").take();
  const StillVerdict verdict = check_still(asked, draw_still(drawn, 64));
  EXPECT_FALSE(verdict.colour);
  EXPECT_TRUE(verdict.form && verdict.count && verdict.ground && verdict.place && verdict.size);
}

bool is_refused(const Picture& picture) {
  const Still any = random_still(1, Split::seen);
  const StillVerdict verdict = check_still(any, picture);
  const bool anything = verdict.count || verdict.size || verdict.colour || verdict.form;
  return !read_still(picture) && !anything;
}

TEST(StillCheckTest, RefusesNoiseAndNothing) {
  for (int64_t ground = 0; ground < kGrounds; ++ground) {
    const Picture empty = blank(64, rgb_of(static_cast<Ground>(ground)));
    EXPECT_TRUE(is_refused(empty));
    for (double deviation : {11.0, 40.0, 90.0, 200.0})
      for (int64_t grain : {1, 2, 4, 8, 16})
        for (uint64_t seed = 0; seed < 5; ++seed)
          EXPECT_TRUE(is_refused(noisy(empty, deviation, seed, grain)))
              << ground << " " << deviation << " " << grain << " " << seed;
  }
  EXPECT_TRUE(is_refused(blank(64, rgb_of(Colour::red))));
  EXPECT_TRUE(is_refused(blank(16, rgb_of(Ground::white))));
  EXPECT_TRUE(is_refused(Picture(64, 32)));
  EXPECT_TRUE(is_refused(Picture()));
}

// A good picture under too much noise, with a smear, with a crumb, off its place, in no colour.
TEST(StillCheckTest, RefusesSpoiltPictures) {
  const Still still = parse_still("a large red circle, top left, on white").take();
  const Picture good = draw_still(still, 64);
  ASSERT_TRUE(check_still(still, good).right());
  EXPECT_FALSE(check_still(still, noisy(good, 90, 1)).right());
  EXPECT_FALSE(check_still(still, noisy(good, 60, 1, 4)).right());
  Picture spoilt = good;
  draw_figure(spoilt, {Form::square, rgb_of(Ground::black), 44, 44, 14});
  EXPECT_FALSE(check_still(still, spoilt).right());
  spoilt = good;
  draw_figure(spoilt, {Form::circle, rgb_of(Colour::red), 44, 44, 2.5});
  EXPECT_FALSE(check_still(still, spoilt).right());
  spoilt = blank(64, rgb_of(Ground::white));
  draw_figure(spoilt, {Form::circle, rgb_of(Colour::red), 20, 20, 8});
  EXPECT_FALSE(read_still(spoilt));
  EXPECT_FALSE(check_still(still, spoilt).place);
  spoilt = blank(64, rgb_of(Ground::white));
  draw_figure(spoilt, {Form::circle, {120, 80, 40}, 8, 8, 8});
  EXPECT_FALSE(read_still(spoilt));
  spoilt = blank(64, rgb_of(Ground::white));  // a bar, which is none of the forms
  for (int64_t i = 0; i < 16 * 5; ++i) spoilt.pixel(i % 16, 5 + i / 16)[1] = 0;
  EXPECT_FALSE(read_still(spoilt));
  spoilt = good;
  draw_figure(spoilt, {Form::circle, rgb_of(Colour::blue), 11, 8, 5});  // half and half
  EXPECT_FALSE(check_still(still, spoilt).right());
}

}  // namespace
}  // namespace hadal
