// SPDX-License-Identifier: MIT
// The prefix cache: what it finds is what was kept, bits and all, and it holds no more than it may.
#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/step.h"
#include "tiny_model.h"

namespace hadal {
namespace {

class PrefixCacheTest : public testing::TestWithParam<const char*> {
 protected:
  static constexpr int64_t kChunk = 32;

  PrefixCacheTest() : cache_(tiny_.cache(1, kChunk)) {}

  Wanted wanted(const std::vector<int64_t>& ids) {
    return Sequence(tiny_.model->config(), cache_, {}).check(ids).take();
  }

  struct Read {
    int64_t hit = 0;
    std::vector<float> logits;
  };
  // Reads a prompt as a worker would: over what is found, keeping states on the way.
  Read read(PrefixCache* prefixes, const std::vector<int64_t>& ids, const std::string& whose = "") {
    Cache cache = tiny_.cache(1, kChunk);
    Sequence sequence(tiny_.model->config(), cache, {});
    Wanted want = sequence.check(ids).take();
    Read result;
    if (prefixes) {
      const PrefixHit hit = prefixes->find(whose, want);
      if (hit.length > 0) {
        const Status loaded = sequence.load(prefixes->state_of(hit, want));
        EXPECT_TRUE(loaded) << loaded.error().message;
        EXPECT_EQ(sequence.reusable(want), hit.length);
      }
    }
    result.hit = sequence.want(std::move(want));
    Step step(*tiny_.model, *tiny_.ops, cache);
    while (sequence.unread() > 0) {
      const int64_t before = sequence.length();
      step.add(sequence, std::min(kChunk, sequence.unread()));
      step.run();
      if (!prefixes) continue;
      for (const int64_t at : prefixes->boundaries(before, sequence.length()))
        prefixes->keep(whose, sequence.save(at));
    }
    if (prefixes) prefixes->keep(whose, sequence.save(sequence.length()));
    const Tensor& logits = sequence.logits_V();
    result.logits.assign(logits.data<float>(), logits.data<float>() + logits.count());
    return result;
  }
  void expect_hit(PrefixCache& prefixes, const std::vector<int64_t>& ids, int64_t hit,
                  const std::string& whose = "") {
    const Read found = read(&prefixes, ids, whose);
    EXPECT_EQ(found.hit, hit);
    EXPECT_EQ(found.logits, read(nullptr, ids).logits);
  }

  TinyModel tiny_{GetParam()};
  Cache cache_;
};

INSTANTIATE_TEST_SUITE_P(Family, PrefixCacheTest, testing::Values("v4-tiny", "v41-tiny"),
                         [](const auto& name) {
                           return std::string(name.param) == "v4-tiny" ? "V4" : "V41";
                         });

TEST_P(PrefixCacheTest, AGrowingTextIsReadOnce) {
  PrefixCache prefixes(tiny_.model->config(), {.every = 64});
  std::vector<int64_t> text = TinyModel::ids(150);
  expect_hit(prefixes, text, 0);
  expect_hit(prefixes, text, 150);
  for (int64_t turn = 1; turn < 6; ++turn) {
    const int64_t before = static_cast<int64_t>(text.size());
    text = joined(text, TinyModel::ids(30 + 7 * turn, turn));
    expect_hit(prefixes, text, before);
  }
}

TEST_P(PrefixCacheTest, TextsThatPartShareWhatTheyHaveInCommon) {
  PrefixCache prefixes(tiny_.model->config(), {.every = 50});
  const std::vector<int64_t> head = TinyModel::ids(130);
  expect_hit(prefixes, joined(head, TinyModel::ids(90, 1)), 0);
  const int64_t bytes = prefixes.bytes(), tokens = prefixes.tokens();
  expect_hit(prefixes, joined(head, TinyModel::ids(100, 2)), 100);
  EXPECT_EQ(prefixes.tokens(), tokens + 100) << "the common rows are held once";
  EXPECT_LT(prefixes.bytes(), 2 * bytes + 100 * bytes / tokens);
  expect_hit(prefixes, joined(head, TinyModel::ids(110, 3)), 100);
  expect_hit(prefixes, joined(joined(head, TinyModel::ids(90, 1)), TinyModel::ids(20, 4)), 220);
}

TEST_P(PrefixCacheTest, WhereTextsWereSeenToPartIsTold) {
  PrefixCache prefixes(tiny_.model->config(), {.every = 1000});
  const std::vector<int64_t> head = TinyModel::ids(130);
  read(&prefixes, joined(head, TinyModel::ids(90, 1)));
  const PrefixHit hit = prefixes.find("", wanted(joined(head, TinyModel::ids(100, 2))));
  EXPECT_EQ(hit.length, 0);
  EXPECT_EQ(hit.common, 130);
}

TEST_P(PrefixCacheTest, AShorterPromptFindsWhatServesIt) {
  PrefixCache prefixes(tiny_.model->config(), {.every = 20});
  const std::vector<int64_t> text = TinyModel::ids(400);
  expect_hit(prefixes, text, 0);
  for (const int64_t count : {399, 390, 200, 60}) {
    const std::vector<int64_t> shorter =
        joined({text.begin(), text.begin() + count - 3}, TinyModel::ids(3, 9));
    const Read found = read(&prefixes, shorter);
    EXPECT_EQ(found.logits, read(nullptr, shorter).logits) << count;
    if (tiny_.model->config().family == Family::v4) {
      EXPECT_EQ(found.hit, (count - 3) / 20 * 20);
    }
  }
}

TEST_P(PrefixCacheTest, PartitionsKnowNothingOfEachOther) {
  PrefixCache prefixes(tiny_.model->config(), {.every = 64});
  const std::vector<int64_t> text = TinyModel::ids(100);
  expect_hit(prefixes, text, 0, "ann");
  EXPECT_EQ(prefixes.find("bob", wanted(text)).common, 0);
  expect_hit(prefixes, text, 0, "bob");
  expect_hit(prefixes, text, 100, "ann");
}

TEST_P(PrefixCacheTest, MarksTellImagesApart) {
  PrefixCache prefixes(tiny_.model->config(), {.every = 64});
  const std::vector<int64_t> text = TinyModel::ids(100);
  read(&prefixes, text);
  Wanted other = wanted(text);
  other.marks[70] = 12345;
  const PrefixHit hit = prefixes.find("", other);
  EXPECT_EQ(hit.common, 70);
  EXPECT_LE(hit.length, 64);
}

TEST_P(PrefixCacheTest, BeyondTheBudgetTheLongestUnusedGoesFirst) {
  PrefixCache unbounded(tiny_.model->config(), {.every = 1000});
  read(&unbounded, TinyModel::ids(100, 1));
  const int64_t one = unbounded.bytes();
  PrefixCache prefixes(tiny_.model->config(), {.budget_bytes = 3 * one + one / 2, .every = 1000});
  for (const int64_t salt : {1, 2, 3}) read(&prefixes, TinyModel::ids(100, salt));
  expect_hit(prefixes, TinyModel::ids(100, 1), 100);  // used again: 2 is now the oldest
  read(&prefixes, TinyModel::ids(100, 4));
  EXPECT_LE(prefixes.bytes(), 3 * one + one / 2);
  EXPECT_EQ(prefixes.states(), 3);
  EXPECT_EQ(prefixes.find("", wanted(TinyModel::ids(100, 1))).length, 100);
  EXPECT_EQ(prefixes.find("", wanted(TinyModel::ids(100, 2))).common, 0);
}

TEST_P(PrefixCacheTest, TellsHowLongStatesWereOfUse) {
  PrefixCache measure(tiny_.model->config(), {.every = 1000});
  read(&measure, TinyModel::ids(100, 1));
  auto now = std::chrono::steady_clock::time_point{};
  std::vector<double> gaps, lifetimes, idle;
  PrefixCacheOptions options{.budget_bytes = measure.bytes() * 3 / 2, .every = 1000};
  options.now = [&] { return now; };
  options.used_again = [&](double seconds) { gaps.push_back(seconds); };
  options.thrown_out = [&](double seconds, double unused) {
    lifetimes.push_back(seconds);
    idle.push_back(unused);
  };
  PrefixCache prefixes(tiny_.model->config(), options);
  read(&prefixes, TinyModel::ids(100, 1));
  now += std::chrono::seconds(5);
  EXPECT_EQ(prefixes.find("", wanted(TinyModel::ids(100, 1))).length, 100);
  EXPECT_EQ(gaps, std::vector<double>{5});
  EXPECT_TRUE(lifetimes.empty());
  now += std::chrono::seconds(2);
  read(&prefixes, TinyModel::ids(100, 2));
  EXPECT_EQ(lifetimes, std::vector<double>{7});
  EXPECT_EQ(idle, std::vector<double>{2});
}

TEST_P(PrefixCacheTest, WhatWasFoundStaysWholeWhenItIsThrownOut) {
  PrefixCache measure(tiny_.model->config(), {.every = 1000});
  read(&measure, TinyModel::ids(100, 1));
  PrefixCache prefixes(tiny_.model->config(),
                       {.budget_bytes = measure.bytes() * 3 / 2, .every = 1000});
  read(&prefixes, TinyModel::ids(100, 1));
  const Wanted want = wanted(TinyModel::ids(100, 1));
  const PrefixHit hit = prefixes.find("", want);
  read(&prefixes, TinyModel::ids(100, 2));
  EXPECT_EQ(prefixes.find("", want).length, 0);
  Sequence sequence(tiny_.model->config(), cache_, {});
  EXPECT_TRUE(sequence.load(prefixes.state_of(hit, want)));
}

// Thousands of keeps and finds: nothing is found that was not kept, and nothing is left over.
TEST_P(PrefixCacheTest, AStormLeavesTheBooksBalanced) {
  std::mt19937 random(5);
  const auto text_of = [&] {
    std::vector<int64_t> ids(1 + random() % 60);
    for (int64_t& id : ids) id = static_cast<int64_t>(random() % 3);
    return ids;
  };
  const ModelConfig& config = tiny_.model->config();
  const auto state_for = [&](const std::vector<int64_t>& ids) {
    SequenceState state;
    state.ids = ids;
    state.marks.assign(ids.size(), 0);
    const int64_t length = static_cast<int64_t>(ids.size());
    for (size_t layer = 0; layer < config.compress_ratios.size(); ++layer) {
      if (static_cast<int64_t>(layer) >= config.layers ||
          !config.is_kv_source(static_cast<int64_t>(layer)))
        continue;
      const int64_t ratio = config.compress_ratios[layer], rows = length / ratio;
      std::vector<float> values;  // each row tells which tokens it stands for
      for (int64_t row = 0; row < rows; ++row) {
        float sum = 0;
        for (int64_t at = 0; at < (row + 1) * ratio; ++at)
          sum = sum * 0.5f + static_cast<float>(ids[static_cast<size_t>(at)]);
        values.push_back(sum);
      }
      const std::string name = "layers." + std::to_string(layer);
      state.tensors[name + ".compressed"] = Tensor::of_floats({rows, 1}, values);
    }
    state.tensors["layers.0.window"] = Tensor::of_floats({1, 1}, {static_cast<float>(length)});
    state.logits_V = Tensor::of_floats({1}, {1});
    return state;
  };
  PrefixCache prefixes(config, {.budget_bytes = 20000});
  int64_t hits = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::vector<int64_t> ids = text_of();
    const std::string whose = std::to_string(random() % 3);
    if (random() % 2) {
      prefixes.keep(whose, state_for(ids));
      EXPECT_LE(prefixes.bytes(), 20000);
      continue;
    }
    const Wanted want{ids, std::vector<int64_t>(ids.size(), 0), {}, 0};
    const PrefixHit hit = prefixes.find(whose, want);
    if (hit.length == 0) continue;
    ++hits;
    const SequenceState expected = state_for({ids.begin(), ids.begin() + hit.length});
    const SequenceState found = prefixes.state_of(hit, want);
    ASSERT_EQ(found.ids, expected.ids);
    for (const auto& [name, tensor] : expected.tensors) {
      ASSERT_EQ(found.tensors.at(name).shape(), tensor.shape()) << name;
      for (int64_t at = 0; at < tensor.count(); ++at)
        ASSERT_EQ(found.tensors.at(name).data<float>()[at], tensor.data<float>()[at]) << name;
    }
  }
  EXPECT_GT(hits, 300);
  PrefixCache none(config, {.budget_bytes = 0});
  none.keep("", state_for(text_of()));
  EXPECT_EQ(none.tokens(), 0);
}

}  // namespace
}  // namespace hadal
