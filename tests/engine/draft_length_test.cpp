// SPDX-License-Identifier: MIT
// How many tokens are guessed, given what guessing costs and brings.
#include "engine/draft_length.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace hadal {
namespace {

constexpr int64_t kLimit = 5;

// A machine and a head that are made up.
struct World {
  double pass = 1;      // seconds to read one token …
  double row = 0.1;     // … and each further one
  double guess = 0.02;  // … and to guess one
  double chance = 0.8;  // of each guess
  std::function<float(bool right)> confidence = [](bool) { return 1.0f; };
  std::mt19937 random{1};

  // Returns tokens a second.
  double run(DraftLength& length, int64_t rounds) {
    double seconds = 0;
    int64_t tokens = 0;
    for (int64_t round = 0; round < rounds; ++round) {
      DraftRound done;
      std::vector<bool> right;
      const int64_t count = length.next();
      EXPECT_GE(count, 0);
      EXPECT_LE(count, kLimit);
      for (int64_t j = 0; j < count; ++j) {
        right.push_back(std::uniform_real_distribution<>()(random) < chance);
        done.confidence.push_back(confidence(right.back()));
      }
      done.read = length.cut(done.confidence);
      EXPECT_LE(done.read, count);
      while (done.judged < done.read) {
        const bool good = right[static_cast<size_t>(done.judged++)];
        if (!good) break;
        ++done.right;
      }
      done.draft_seconds = guess * static_cast<double>(count);
      done.read_seconds = pass + row * static_cast<double>(done.read);
      length.learn(done);
      seconds += done.draft_seconds + done.read_seconds;
      tokens += 1 + done.right;
    }
    return static_cast<double>(tokens) / seconds;
  }
};

TEST(DraftLength, GuessesMuchWhereRowsAreCheapAndGuessesGood) {
  DraftLength length(kLimit, 0);
  World world;
  world.chance = 0.95;
  world.run(length, 200);
  EXPECT_EQ(length.next(), kLimit);
  EXPECT_GT(length.stats().right, 600);
}

TEST(DraftLength, FindsTheLengthBetween) {
  // Rates for 0 to 5 guesses of 0.6 each, row 0.25, guess 0.02: 1, 1.26, 1.27, 1.20, 1.11, 1.02.
  DraftLength length(kLimit, 0);
  World world;
  world.chance = 0.6;
  world.row = 0.25;
  world.run(length, 400);
  int64_t often = 0;
  for (int64_t round = 0; round < 100; ++round) {
    const int64_t count = length.next();
    if (count == 1 || count == 2) ++often;
  }
  EXPECT_GT(often, 80);
}

TEST(DraftLength, GuessesSeldomWhereItDoesNotPay) {
  for (const auto& [chance, row] : {std::pair{0.02, 0.1}, {0.9, 1.2}}) {
    DraftLength length(kLimit, 0);
    World world;
    world.chance = chance;
    world.row = row;
    EXPECT_GT(world.run(length, 2000), 0.98) << chance << ": tokens a second, 1 without guesses";
  }
}

TEST(DraftLength, NoticesThatGuessesBecameGood) {
  DraftLength length(kLimit, 0);
  World world;
  world.chance = 0.0;
  world.run(length, 1000);
  world.chance = 0.95;
  world.run(length, 10000);
  EXPECT_EQ(length.next(), kLimit);
}

TEST(DraftLength, AStallOfTheMachineChangesNothing) {
  DraftLength length(kLimit, 0);
  World world;
  world.chance = 0.95;
  world.run(length, 100);
  const double row = world.row;
  world.row = 100;
  world.run(length, 1);
  world.row = row;
  EXPECT_EQ(length.next(), kLimit);
}

TEST(DraftLength, AHeadThatKnowsItsGuessesIsReadAsFarAsItIsSure) {
  DraftLength length(kLimit, 0);
  World world;
  world.chance = 0.5;
  world.row = 0.3;
  world.confidence = [](bool right) { return right ? 0.9f : 0.1f; };
  world.run(length, 300);
  const std::vector<float> sure(kLimit, 0.9f), unsure(kLimit, 0.1f);
  length.next();
  EXPECT_EQ(length.cut(sure), kLimit);
  EXPECT_EQ(length.cut(unsure), 0);
  const std::vector<float> mixed = {0.9f, 0.9f, 0.1f, 0.9f, 0.9f};
  EXPECT_EQ(length.cut(mixed), 2);
  World plain;
  plain.chance = 0.5;
  plain.row = 0.3;
  DraftLength blind(kLimit, 0);
  EXPECT_GT(world.run(length, 2000), 1.05 * plain.run(blind, 2000));
}

TEST(DraftLength, AFixedLengthStays) {
  DraftLength length(kLimit, 3);
  World world;
  world.chance = 0;
  world.run(length, 50);
  EXPECT_EQ(length.next(), 3);
  EXPECT_EQ(length.stats().passes, 50);
  EXPECT_EQ(length.stats().guessed, 150);
  EXPECT_EQ(length.stats().judged_at[0], 50);
  EXPECT_EQ(length.stats().right_at[0], 0);
  EXPECT_EQ(length.stats().judged_at[1], 0);
}

}  // namespace
}  // namespace hadal
