// SPDX-License-Identifier: MIT
// The scheduler: slices follow what steps take, and owners take turns.
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hadal {
namespace {

// A machine whose steps take so long.
double seconds(int64_t writers, int64_t read, double a_row = 0.002) {
  return 0.004 + 0.001 * static_cast<double>(writers) + a_row * static_cast<double>(read);
}

// Runs steps with `writers` as the scheduler cuts them; the longest, and the tokens read.
struct Outcome {
  double longest = 0;
  int64_t read = 0, without_reading = 0;
};
Outcome run(Scheduler& scheduler, int64_t writers, int64_t steps, double a_row = 0.002) {
  Outcome outcome;
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t read = scheduler.slice(writers);
    const double took = seconds(writers, read, a_row);
    scheduler.note({writers, read, took});
    outcome.longest = std::max(outcome.longest, took);
    outcome.read += read;
    outcome.without_reading += read == 0;
  }
  return outcome;
}

TEST(Scheduler, NobodyWritingMeansTheWholeSlice) {
  Scheduler scheduler({.most_rows = 512});
  EXPECT_EQ(scheduler.slice(0), 512);
  run(scheduler, 4, 100);
  EXPECT_EQ(scheduler.slice(0), 512);
}

TEST(Scheduler, ASliceNeverDelaysWritersBeyondTheirShare) {
  for (const int64_t writers : {1, 3, 8, 64}) {
    Scheduler scheduler({.most_rows = 512});
    run(scheduler, writers, 20);
    const Outcome settled = run(scheduler, writers, 400);
    EXPECT_LT(settled.longest, 3.2 * seconds(writers, 0)) << writers;
    EXPECT_GT(settled.read, 400) << "and prompts are read, " << writers;
    EXPECT_GE(settled.without_reading, 400 / 60) << "the pace is measured again";
    EXPECT_LE(settled.without_reading, 400 / 40);
  }
}

TEST(Scheduler, WhenRowsBecomeDearerSlicesBecomeSmaller) {
  Scheduler scheduler({.most_rows = 512});
  run(scheduler, 4, 60, 0.0005);
  const int64_t cheap = scheduler.slice(4);
  run(scheduler, 4, 60, 0.004);
  EXPECT_LT(scheduler.slice(4), cheap / 2);
  run(scheduler, 4, 60, 100.0);
  EXPECT_GT(scheduler.slice(4), 0) << "a prompt always moves";
}

TEST(Scheduler, NoSliceIsLargerThanAllowed) {
  Scheduler scheduler({.most_rows = 3});
  for (int i = 0; i < 100; ++i) {
    EXPECT_LE(scheduler.slice(2), 3);
    scheduler.note({2, scheduler.slice(2), 1e-9});
  }
}

TEST(Scheduler, OwnersTakeTurnsWhateverTheyHaveWaiting) {
  Scheduler scheduler({});
  const std::string ann = "ann", bob = "bob";
  const std::vector<const std::string*> owners = {&ann, &ann, &ann, &bob};
  int64_t bobs = 0;
  for (int i = 0; i < 10; ++i) {
    const size_t next = scheduler.choose(owners);
    bobs += owners[next] == &bob;
    scheduler.read(*owners[next]);
  }
  EXPECT_EQ(bobs, 5);
  // Who is new, or was forgotten, is next.
  const std::string eve = "eve";
  const std::vector<const std::string*> others = {&ann, &bob, &eve};
  EXPECT_EQ(scheduler.choose(others), 2U);
  scheduler.read(eve);
  scheduler.forget(bob);
  EXPECT_EQ(scheduler.choose(others), 1U);
}

}  // namespace
}  // namespace hadal
