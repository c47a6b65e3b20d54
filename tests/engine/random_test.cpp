// SPDX-License-Identifier: MIT
// Philox against the vectors that its authors publish (Random123, kat_vectors), and the range
// of uniform numbers.
#include "engine/random.h"

#include <gtest/gtest.h>

namespace hadal {
namespace {

TEST(Random, PhiloxGivesThePublishedVectors) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, NumbersDependOnSeedPlaceAndDraw) {
  EXPECT_EQ(uniform(7, 3, 0), uniform(7, 3, 0));
  EXPECT_NE(uniform(7, 3, 0), uniform(8, 3, 0));
  EXPECT_NE(uniform(7, 3, 0), uniform(7, 4, 0));
  EXPECT_NE(uniform(7, 3, 0), uniform(7, 3, 1));
  EXPECT_NE(uniform(7, 3, 0), uniform(7 + (uint64_t{1} << 32), 3, 0));
}

TEST(Random, NumbersFillTheUnitIntervalEvenly) {
  double sum = 0, squares = 0;
  constexpr int64_t kDraws = 100000;
  for (int64_t i = 0; i < kDraws; ++i) {
    const double u = uniform(1, i, 0);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.004);  // over four standard errors
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.004);
}

}  // namespace
}  // namespace hadal
