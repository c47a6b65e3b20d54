// SPDX-License-Identifier: MIT
// Steps: sequences that read and write side by side get the bits that each gets alone.
#include "engine/step.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "engine/sampler.h"
#include "tiny_model.h"

namespace hadal {
namespace {

// A request of the test: what it reads, and the logits that it has seen.
struct Client {
  Sequence sequence;
  std::vector<int64_t> prompt;
  GivenRows given;
  std::vector<std::vector<float>> seen;
  std::vector<int64_t> written;

  bool reads() const { return seen.empty(); }
  void note() {
    const Tensor& logits = sequence.logits_V();
    if (logits.defined())
      seen.emplace_back(logits.data<float>(), logits.data<float>() + logits.count());
  }
  void write(uint64_t seed) {
    const Sample sample = pick_token(seen.back(), {.seed = seed}, sequence.length());
    written.push_back(sample.id);
    sequence.want_one(sample.id);
  }
};

class StepTest : public testing::TestWithParam<const char*> {
 protected:
  static constexpr int64_t kTokens = 9;

  TinyModel tiny_{GetParam()};

  GivenRows image(int64_t first, float colour) const {
    GivenRows given;
    std::vector<float> values;
    const int64_t width = tiny_.model->config().width;
    for (int64_t at = first; at < first + 7; ++at) {
      given.rows.push_back(at);
      for (int64_t i = 0; i < width; ++i)
        values.push_back(colour * static_cast<float>((at * 31 + i * 7) % 13 - 6) / 6);
    }
    given.values_ND = Tensor::of_floats({7, width}, values);
    return given;
  }

  Client client(Cache& cache, int64_t slot, int64_t who) const {
    Client made{Sequence(tiny_.model->config(), cache, {.slot = slot}),
                TinyModel::ids(5 + 37 * who, who),
                {},
                {},
                {}};
    if (who % 2 == 1 && tiny_.model->config().family == Family::v41)
      made.given = image(10 * who, static_cast<float>(who));
    Result<Wanted> wanted = made.sequence.check(made.prompt, made.given);
    EXPECT_TRUE(wanted) << wanted.error().message;
    made.sequence.want(wanted.take());
    return made;
  }

  Client alone(int64_t who) const {
    Cache cache = tiny_.cache(1, 64);
    Client one = client(cache, 0, who);
    Step step(*tiny_.model, *tiny_.ops, cache);
    while (static_cast<int64_t>(one.written.size()) < kTokens) {
      step.add(one.sequence, std::min<int64_t>(64, one.sequence.unread()));
      step.run();
      one.note();
      if (one.sequence.unread() == 0) one.write(static_cast<uint64_t>(who));
    }
    return one;
  }
};

INSTANTIATE_TEST_SUITE_P(Family, StepTest, testing::Values("v4-tiny", "v41-tiny"),
                         [](const auto& name) {
                           return std::string(name.param) == "v4-tiny" ? "V4" : "V41";
                         });

TEST_P(StepTest, WhoeverJoinsOrLeavesNobodysBitsChange) {
  constexpr int64_t kClients = 6, kSlots = 4;
  Cache cache = tiny_.cache(kSlots, 64);
  Step step(*tiny_.model, *tiny_.ops, cache);
  std::mt19937 random(11);
  struct Seat {
    int64_t slot = 0, number = 0;
    std::unique_ptr<Client> one;
  };
  std::vector<Seat> done, running;
  std::vector<int64_t> free_slots = {2, 0, 3, 1};
  int64_t joined = 0;
  while (static_cast<int64_t>(done.size()) < kClients) {
    if (joined < kClients && !free_slots.empty() && random() % 3 == 0) {
      const int64_t slot = free_slots.back(), number = joined++;
      running.push_back({slot, number, std::make_unique<Client>(client(cache, slot, number))});
      free_slots.pop_back();
    }
    for (const Seat& seat : running) {
      Sequence& sequence = seat.one->sequence;
      const int64_t most = 1 + static_cast<int64_t>(random() % 30);
      if (!seat.one->reads() || random() % 2) step.add(sequence, std::min(most, sequence.unread()));
    }
    if (step.rows() > 0) step.run();
    for (size_t i = running.size(); i-- > 0;) {
      Client& one = *running[i].one;
      if (one.sequence.unread() > 0) continue;
      one.note();
      one.write(static_cast<uint64_t>(running[i].number));
      if (static_cast<int64_t>(one.written.size()) < kTokens) continue;
      free_slots.push_back(running[i].slot);
      done.push_back(std::move(running[i]));
      running.erase(running.begin() + static_cast<long>(i));
    }
  }
  for (const Seat& seat : done) {
    const Client expected = alone(seat.number);
    EXPECT_EQ(seat.one->written, expected.written) << seat.number;
    EXPECT_EQ(seat.one->seen, expected.seen) << seat.number;
  }
}

TEST_P(StepTest, AStateGoesOnInAnotherSlotAndCache) {
  Cache cache = tiny_.cache(2, 64);
  Client one = client(cache, 1, 3);
  Step step(*tiny_.model, *tiny_.ops, cache);
  while (one.sequence.unread() > 0) {
    step.add(one.sequence, std::min<int64_t>(64, one.sequence.unread()));
    step.run();
  }
  one.note();
  const int64_t all = static_cast<int64_t>(one.prompt.size());
  for (const int64_t length : {all, all - 1, all - 40}) {
    Cache other = tiny_.cache(3, 16);
    Client again = client(other, 2, 3);
    ASSERT_TRUE(again.sequence.load(one.sequence.save(length)));
    Result<Wanted> wanted = again.sequence.check(again.prompt, again.given);
    ASSERT_TRUE(wanted);
    EXPECT_EQ(again.sequence.want(wanted.take()), length);
    Step more(*tiny_.model, *tiny_.ops, other);
    while (again.sequence.unread() > 0) {
      more.add(again.sequence, std::min<int64_t>(16, again.sequence.unread()));
      more.run();
    }
    again.note();
    EXPECT_EQ(again.seen, one.seen) << length;
  }
}

// The decoder half's windows of a state were read for one end; a shorter prompt needs others.
TEST_P(StepTest, AStateServesOnlyPromptsWhoseWindowsItHolds) {
  const ModelConfig& config = tiny_.model->config();
  Cache cache = tiny_.cache(1, 400);
  Sequence sequence(config, cache, {});
  Step step(*tiny_.model, *tiny_.ops, cache);
  const std::vector<int64_t> ids = TinyModel::ids(400);
  sequence.want(sequence.check(ids).take());
  step.add(sequence, 400);
  step.run();
  for (const int64_t count : {40, 130, 200, 300, 399}) {
    std::vector<int64_t> shorter(ids.begin(), ids.begin() + count - 5);
    for (const int64_t id : TinyModel::ids(5, 9)) shorter.push_back(id);
    std::vector<std::vector<float>> logits;
    for (const bool from_state : {false, true}) {
      Cache fresh = tiny_.cache(1, 400);
      Sequence one(config, fresh, {});
      Wanted wanted = one.check(shorter).take();
      const SequenceState state = sequence.save(count - 30);
      const bool fits = serves(config, count - 30, state.needed_from, wanted.needed_from);
      EXPECT_TRUE(fits || config.family == Family::v41);
      if (from_state) {
        ASSERT_TRUE(one.load(state));
        EXPECT_EQ(one.reusable(wanted), fits ? count - 30 : 0);
      }
      one.want(std::move(wanted));
      Step read(*tiny_.model, *tiny_.ops, fresh);
      read.add(one, one.unread());
      read.run();
      logits.emplace_back(one.logits_V().data<float>(),
                          one.logits_V().data<float>() + one.logits_V().count());
    }
    EXPECT_EQ(logits[0], logits[1]) << count;
  }
  // Far enough before the end, nothing of the decoder half is asked for.
  EXPECT_TRUE(serves(config, 10, 399, 398));
}

}  // namespace
}  // namespace hadal
