// SPDX-License-Identifier: MIT
// Sessions: all ways to the same tokens give the same bits, alone or in a batch.
#include "engine/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "engine/generator.h"
#include "tiny_model.h"

namespace hadal {
namespace {

class SessionTest : public testing::TestWithParam<const char*> {
 protected:
  TinyModel tiny_{GetParam()};

  // Logits after `ids`, read into a fresh cache in chunks.
  std::vector<float> fresh(const std::vector<int64_t>& ids, int64_t chunk, bool shortcut) {
    Cache cache = tiny_.cache(1, chunk);
    Session session(*tiny_.model, *tiny_.ops, cache, {.prompt_shortcut = shortcut});
    EXPECT_TRUE(session.extend(ids, nullptr));
    return logits_of(session);
  }
};

INSTANTIATE_TEST_SUITE_P(Family, SessionTest, testing::Values("v4-tiny", "v41-tiny"),
                         [](const auto& name) {
                           return std::string(name.param) == "v4-tiny" ? "V4" : "V41";
                         });

TEST_P(SessionTest, ChunksAndTheShortcutChangeNoBit) {
  const std::vector<int64_t> ids = TinyModel::ids(97);
  const std::vector<float> whole = fresh(ids, 128, false);
  ASSERT_EQ(static_cast<int64_t>(whole.size()), tiny_.model->config().vocab);
  for (int64_t chunk : {1, 5, 32, 128}) {
    EXPECT_EQ(fresh(ids, chunk, false), whole) << chunk;
    EXPECT_EQ(fresh(ids, chunk, true), whole) << chunk << " with the shortcut";
  }
}

TEST_P(SessionTest, ASharedPrefixIsNotReadAgain) {
  const std::vector<int64_t> ids = TinyModel::ids(120);
  Cache cache = tiny_.cache(1, 32);
  Session session(*tiny_.model, *tiny_.ops, cache, {});
  const std::vector<int64_t> first(ids.begin(), ids.begin() + 70);
  ASSERT_TRUE(session.extend(first, nullptr));
  Result<Prefill> again = session.extend(first, nullptr);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->read, 0);
  Result<Prefill> rest = session.extend(ids, nullptr);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->reused, 70);
  EXPECT_EQ(rest->read, 50);
  EXPECT_EQ(logits_of(session), fresh(ids, 32, false));
}

TEST_P(SessionTest, TakingBackIsExactWhetherOrNotTheRingsCoverIt) {
  for (int64_t back : {1, 8, 31, 32, 33, 60}) {
    Cache cache = tiny_.cache(1, 32);
    Session session(*tiny_.model, *tiny_.ops, cache, {});
    ASSERT_TRUE(session.extend(TinyModel::ids(90), nullptr));
    std::vector<int64_t> other = TinyModel::ids(90 - back);
    for (int64_t id : TinyModel::ids(back + 5, 1)) other.push_back(id);
    Result<Prefill> prefill = session.extend(other, nullptr);
    ASSERT_TRUE(prefill);
    EXPECT_EQ(prefill->reused, back <= 32 ? 90 - back : 0) << back;
    EXPECT_EQ(logits_of(session), fresh(other, 32, false)) << back;
  }
}

TEST_P(SessionTest, TakingBackTwiceRemembersWhatWasWrittenOver) {
  Cache cache = tiny_.cache(1, 32);
  Session session(*tiny_.model, *tiny_.ops, cache, {.prompt_shortcut = false});
  ASSERT_TRUE(session.extend(TinyModel::ids(100), nullptr));
  ASSERT_TRUE(session.extend(TinyModel::ids(75), nullptr));
  const std::vector<int64_t> shorter = TinyModel::ids(50);
  Result<Prefill> prefill = session.extend(shorter, nullptr);
  ASSERT_TRUE(prefill);
  EXPECT_EQ(prefill->reused, 0);
  EXPECT_EQ(logits_of(session), fresh(shorter, 32, false));
}

TEST_P(SessionTest, DecodingEqualsReading) {
  Cache cache = tiny_.cache(1, 16);
  Session session(*tiny_.model, *tiny_.ops, cache, {});
  ASSERT_TRUE(session.extend(TinyModel::ids(20), nullptr));
  const std::vector<int64_t> ids = TinyModel::ids(60);
  for (int64_t at = 20; at < 60; ++at) session.append(ids[static_cast<size_t>(at)]);
  EXPECT_EQ(logits_of(session), fresh(ids, 64, true));
}

TEST_P(SessionTest, ACancelledPromptIsGoneOnWithOrReplaced) {
  Cache cache = tiny_.cache(1, 16);
  Session session(*tiny_.model, *tiny_.ops, cache, {});
  const std::atomic<bool> cancel{true};
  const std::vector<int64_t> ids = TinyModel::ids(80);
  Result<Prefill> prefill = session.extend(ids, &cancel);
  ASSERT_TRUE(prefill);
  EXPECT_TRUE(prefill->cancelled);
  EXPECT_EQ(session.length(), 16);
  EXPECT_TRUE(session.logits().empty());
  const std::vector<int64_t> shorter = TinyModel::ids(30);
  ASSERT_TRUE(session.extend(shorter, nullptr));
  EXPECT_EQ(logits_of(session), fresh(shorter, 16, false));
  ASSERT_TRUE(session.extend(ids, nullptr));
  EXPECT_EQ(logits_of(session), fresh(ids, 16, false));
}

TEST_P(SessionTest, WrongPromptsAreRefusedAndChangeNothing) {
  Cache cache = tiny_.cache(1, 16, 40);
  Session session(*tiny_.model, *tiny_.ops, cache, {});
  ASSERT_TRUE(session.extend(TinyModel::ids(10), nullptr));
  const std::vector<float> before = logits_of(session);
  EXPECT_EQ(session.extend(TinyModel::ids(41), nullptr).error().message,
            "the prompt has 41 tokens, the context holds 40");
  EXPECT_EQ(session.extend(std::vector<int64_t>{}, nullptr).error().message,
            "the prompt has no tokens, expected at least 1");
  const std::string most = std::to_string(tiny_.model->config().vocab - 1);
  EXPECT_EQ(session.extend(std::vector<int64_t>{5, 99999}, nullptr).error().message,
            "token 1 of the prompt is 99999, expected 0 to " + most);
  EXPECT_EQ(logits_of(session), before);
  EXPECT_EQ(session.ids(), TinyModel::ids(10));
}

// Ragged batches: spans of several sequences in one call.
TEST_P(SessionTest, SequencesInOneBatchEqualEachAlone) {
  const std::vector<int64_t> long_ids = TinyModel::ids(45, 1), short_ids = TinyModel::ids(23, 2);
  Cache cache = tiny_.cache(2, 64);
  const auto part = [](const std::vector<int64_t>& ids, int64_t begin, int64_t end) {
    return std::vector<int64_t>(ids.begin() + begin, ids.begin() + end);
  };
  Batch first;
  first.append(1, 0, part(short_ids, 0, 22));
  first.append(0, 0, part(long_ids, 0, 30));
  tiny_.model->forward(first, cache);
  Batch second;  // one decodes while the other still reads
  second.append(0, 30, part(long_ids, 30, 45));
  second.append(1, 22, part(short_ids, 22, 23));
  second.wanted = {14, 15};
  const Tensor logits_WV = tiny_.ops->to_host(tiny_.model->forward(second, cache));
  const auto row = [&](int64_t index) {
    const Tensor one = logits_WV.rows(index, 1);
    return std::vector<float>(one.data<float>(), one.data<float>() + one.count());
  };
  EXPECT_EQ(row(0), fresh(long_ids, 64, false));
  EXPECT_EQ(row(1), fresh(short_ids, 64, false));
}

TEST_P(SessionTest, GeneratingStopsForEachReason) {
  Cache cache = tiny_.cache(1, 16, 40);
  Session session(*tiny_.model, *tiny_.ops, cache, {});
  const std::vector<int64_t> prompt = TinyModel::ids(10);
  const auto run = [&](GenerateOptions options, Flow flow) {
    session.reset();
    EXPECT_TRUE(session.extend(prompt, nullptr));
    return generate(session, options, [&](const Sample&) { return flow; });
  };
  const GenerateOptions seeded{.sampler = {.seed = 3}, .max_tokens = 6, .end_ids = {}};
  const Generated answer = run(seeded, Flow::go_on);
  EXPECT_EQ(answer.finish, Finish::length);
  EXPECT_EQ(answer.ids.size(), 6U);
  EXPECT_EQ(run(seeded, Flow::go_on).ids, answer.ids) << "same seed, same answer";

  GenerateOptions options = seeded;
  options.end_ids = {answer.ids[2]};
  EXPECT_EQ(run(options, Flow::go_on).finish, Finish::end);
  EXPECT_EQ(run(seeded, Flow::stop).finish, Finish::stop);
  const std::atomic<bool> cancel{true};
  options.cancel = &cancel;
  EXPECT_EQ(run(options, Flow::go_on).finish, Finish::cancelled);
  options = {.sampler = {.seed = 3}, .end_ids = {}};
  const Generated longest = run(options, Flow::go_on);
  EXPECT_EQ(longest.finish, Finish::context);
  EXPECT_EQ(longest.ids.size(), 31U) << "30 that fit, and one more that nothing follows";
}

// ---- embeddings that are given: two prompts of the same ids may be about other images

class ImageSessionTest : public testing::Test {
 protected:
  ImageSessionTest() {
    for (int64_t at = 20; at < 32; ++at) ids_[static_cast<size_t>(at)] = *config().image_id;
  }

  const ModelConfig& config() const { return tiny_.model->config(); }

  // An image of no meaning at positions 20 … 31.
  GivenRows image(float colour) const {
    GivenRows given;
    std::vector<float> values;
    for (int64_t at = 20; at < 32; ++at) {
      given.rows.push_back(at);
      for (int64_t i = 0; i < config().width; ++i)
        values.push_back(colour * static_cast<float>((at * 31 + i * 7) % 13 - 6) / 6);
    }
    given.values_ND = Tensor::of_floats({12, config().width}, values);
    return given;
  }

  std::vector<float> fresh(const GivenRows& given, int64_t chunk) {
    Cache cache = tiny_.cache(1, chunk);
    Session session(*tiny_.model, *tiny_.ops, cache, {});
    EXPECT_TRUE(session.extend(ids_, nullptr, given));
    return logits_of(session);
  }

  TinyModel tiny_{"v41-vision-tiny"};
  std::vector<int64_t> ids_ = TinyModel::ids(50);
};

TEST_F(ImageSessionTest, ChunksChangeNoBit) {
  const std::vector<float> whole = fresh(image(1), 64);
  for (int64_t chunk : {1, 3, 7, 25}) EXPECT_EQ(fresh(image(1), chunk), whole) << chunk;
  EXPECT_NE(fresh(image(2), 64), whole);
}

TEST_F(ImageSessionTest, AnotherImageIsReadAnew) {
  Cache cache = tiny_.cache(1, 64);
  Session session(*tiny_.model, *tiny_.ops, cache, {.prompt_shortcut = false});
  ASSERT_TRUE(session.extend(ids_, nullptr, image(1)));
  Result<Prefill> again = session.extend(ids_, nullptr, image(1));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->read, 0);
  Result<Prefill> other = session.extend(ids_, nullptr, image(2));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->reused, 20);
  EXPECT_EQ(logits_of(session), fresh(image(2), 64));
}

TEST_F(ImageSessionTest, AStoredSessionRemembersItsImage) {
  const std::string path = testing::TempDir() + "hadal_image_session.safetensors";
  Cache cache = tiny_.cache(1, 64);
  const SessionOptions options{.prompt_shortcut = false, .fingerprint = "f"};
  Session session(*tiny_.model, *tiny_.ops, cache, options);
  ASSERT_TRUE(session.extend(ids_, nullptr, image(1)));
  session.append(5);
  ASSERT_TRUE(session.save(path, ""));
  std::vector<int64_t> longer = ids_;
  longer.insert(longer.end(), {5, 6, 7});
  for (float colour : {1.0f, 2.0f}) {
    Cache second = tiny_.cache(1, 64);
    Session loaded(*tiny_.model, *tiny_.ops, second, options);
    Result<std::string> note = loaded.load(path);
    ASSERT_TRUE(note) << note.error().message;
    Result<Prefill> prefill = loaded.extend(longer, nullptr, image(colour));
    ASSERT_TRUE(prefill);
    EXPECT_EQ(prefill->reused, colour == 1 ? 51 : 0);
  }
}

TEST_F(ImageSessionTest, WrongRowsAreRefused) {
  Cache cache = tiny_.cache(1, 64);
  Session session(*tiny_.model, *tiny_.ops, cache, {});
  GivenRows late = image(1);
  late.rows.back() = 50;
  EXPECT_EQ(session.extend(ids_, nullptr, late).error().message,
            "an embedding is given for position 50 after 30, expected rising positions below 50");
  GivenRows few = image(1);
  few.rows.pop_back();
  EXPECT_FALSE(session.extend(ids_, nullptr, few));
  EXPECT_EQ(session.length(), 0);
}

}  // namespace
}  // namespace hadal
