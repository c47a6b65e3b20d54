// SPDX-License-Identifier: MIT
// Films: captions and films say the same; nothing touches or leaves the board.
#include "scenes/film.h"

#include <map>
#include <set>

#include "scenes/still.h"
#include "testing.h"

namespace hadal {
namespace {

TEST(FilmTest, EveryWordingIsReadBack) {
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const FilmScene film = random_film(seed, seed % 2 == 0 ? Split::seen : Split::unseen);
    for (int64_t wording = 0; wording < kWordings; ++wording) {
      Result<FilmScene> read = parse_film(caption(film, wording));
      ASSERT_TRUE(read) << caption(film, wording) << ": " << read.error().message;
      EXPECT_EQ(*read, film) << caption(film, wording);
    }
  }
}

TEST(FilmTest, HasOneCanonicalCaption) {
  for (const char* text :
       {"a small blue square, middle right, moves left, on black",
        "a large red star, top left, shrinks, and a small red star, bottom left, stays, on grey",
        "a small red circle and a large blue square cross, on white"}) {
    Result<FilmScene> film = parse_film(text);
    ASSERT_TRUE(film) << film.error().message;
    EXPECT_EQ(caption(*film), text);
  }
  Result<FilmScene> turned = parse_film(
      "a small red star, bottom left, stays, and a large red star, top left, shrinks, on grey");
  ASSERT_TRUE(turned);
  EXPECT_EQ(
      caption(*turned),
      "a large red star, top left, shrinks, and a small red star, bottom left, stays, on grey");
}

TEST(FilmTest, RefusesWhatCannotBe) {
  for (const char* text :
       {"", "a small blue square, middle right, on black",
        "a small blue square, middle right, moves, on black",
        "a small blue square, middle right, moves right, on black",
        "a small blue square, top right, moves up, on black",
        "a large blue square, top right, grows, on black",
        "a small blue square, top right, shrinks, on black",
        "a small blue square, top right, flies, on black",
        "a small blue square and a small red star cross", "a small blue square cross, on black",
        "a small red star, top left, stays, and a small red ring, top centre, moves left, on grey",
        "a small red star, top left, stays, and a small red ring, top left, stays, on grey"})
    EXPECT_FALSE(parse_film(text)) << text;
}

// Every part of every frame's figures stays on the board, and the figures stay apart.
TEST(FilmTest, NothingTouchesOrLeaves) {
  std::map<Motion, int> motions;
  int crossings = 0, pairs = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const FilmScene film = random_film(seed, Split::seen);
    EXPECT_EQ(split_of(film), Split::seen);
    EXPECT_EQ(random_film(seed, Split::seen), film);
    EXPECT_EQ(split_of(random_film(seed, Split::unseen)), Split::unseen);
    crossings += film.plot == Plot::crossing ? 1 : 0;
    pairs += film.actors.size() == 2 ? 1 : 0;
    for (const Actor& actor : film.actors) ++motions[actor.motion];
    for (double time = 0; time <= 1; time += 0.0625) {
      std::vector<Pose> poses;
      for (size_t i = 0; i < film.actors.size(); ++i) poses.push_back(pose_of(film, i, time));
      for (const Pose& pose : poses) {
        EXPECT_TRUE(pose.x >= pose.radius && pose.x <= kBoard - pose.radius) << caption(film);
        EXPECT_TRUE(pose.y >= pose.radius && pose.y <= kBoard - pose.radius) << caption(film);
      }
      if (poses.size() == 2) {
        EXPECT_GE(std::max(std::abs(poses[0].x - poses[1].x), std::abs(poses[0].y - poses[1].y)),
                  poses[0].radius + poses[1].radius + 4)
            << caption(film);
      }
    }
  }
  EXPECT_EQ(motions.size(), static_cast<size_t>(kMotions));
  for (const auto& [motion, count] : motions) EXPECT_GT(count, 400) << words(motion);
  EXPECT_GT(crossings, 250);
  EXPECT_GT(pairs, 900);
}

// The first frame of a film is the still of its objects: pictures learnt serve films.
TEST(FilmTest, BeginsAsAStill) {
  const Clip clip =
      draw_film(parse_film("a small blue square, middle right, moves left, on black").take(), {});
  ASSERT_EQ(clip.frames.size(), 9U);
  EXPECT_EQ(clip.fps, 8);
  const Still still = parse_still("a small blue square, middle right, on black").take();
  EXPECT_EQ(clip.frames[0], draw_still(still, 64));
  // Four frames later it is the same picture, eight pixels to the left.
  for (int64_t y = 0; y < 64; ++y)
    for (int64_t x = 0; x + 8 < 64; ++x)
      for (int64_t c = 0; c < 3; ++c)
        ASSERT_EQ(clip.frames[4].pixel(x, y)[c], clip.frames[0].pixel(x + 8, y)[c]);
}

TEST(FilmTest, MoreWordsAndVagueCaptionsAreThereToLearnFrom) {
  std::set<Form> forms;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    const FilmScene film = random_film(seed, Split::seen, Words::all);
    const Result<FilmScene> read = parse_film(caption(film));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, film) << caption(film);
    EXPECT_EQ(split_of(film), Split::seen);
    for (const Actor& actor : film.actors) forms.insert(actor.object.form);
  }
  EXPECT_EQ(forms.size(), static_cast<size_t>(kAllForms));
  const FilmScene film =
      parse_film("a small blue square, middle right, moves left, on black").take();
  std::set<std::string> said;
  Random random(4);
  for (int i = 0; i < 300; ++i) said.insert(vague_caption(film, random));
  EXPECT_TRUE(said.contains("a square, moves left, on black"));
  EXPECT_TRUE(said.contains("a small blue figure, middle right"));
  EXPECT_TRUE(said.contains(caption(film)));
}

}  // namespace
}  // namespace hadal
