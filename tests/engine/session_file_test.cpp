// SPDX-License-Identifier: MIT
// Stored sessions: resumed = fresh bit for bit, and nothing damaged or foreign is taken.
#include "engine/session_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "engine/fingerprint.h"
#include "engine/sampler.h"
#include "tiny_model.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class SessionFile : public testing::Test {
 protected:
  SessionFile() : path_((fs::path(testing::TempDir()) / "session_file_test").string()) {}
  ~SessionFile() override { fs::remove(path_); }

  Session session(Cache& cache, const std::string& fingerprint = "f00d") {
    return {*tiny_.model, *tiny_.ops, cache, {.fingerprint = fingerprint}};
  }
  // Stores a session of 50 tokens.
  std::vector<float> store(const std::string& fingerprint = "f00d") {
    Cache cache = tiny_.cache(1, 32);
    Session stored = session(cache, fingerprint);
    EXPECT_TRUE(stored.extend(TinyModel::ids(50), nullptr));
    const Status saved = stored.save(path_, "a note");
    EXPECT_TRUE(saved) << saved.error().message;
    return logits_of(stored);
  }

  TinyModel tiny_{"v41-tiny"};
  std::string path_;
};

TEST_F(SessionFile, ResumedEqualsFresh) {
  const std::vector<float> logits = store();
  Cache cache = tiny_.cache(2, 16);  // other rings, another slot
  Session resumed(*tiny_.model, *tiny_.ops, cache, {.slot = 1, .fingerprint = "f00d"});
  Result<std::string> note = resumed.load(path_);
  ASSERT_TRUE(note) << note.error().message;
  EXPECT_EQ(*note, "a note");
  EXPECT_EQ(logits_of(resumed), logits);

  Cache fresh_cache = tiny_.cache(1, 16);
  Session fresh = session(fresh_cache);
  const std::vector<int64_t> longer = TinyModel::ids(80);
  ASSERT_TRUE(fresh.extend(longer, nullptr));
  Result<Prefill> prefill = resumed.extend(longer, nullptr);
  ASSERT_TRUE(prefill);
  EXPECT_EQ(prefill->reused, 50);
  EXPECT_EQ(logits_of(resumed), logits_of(fresh));
  for (int i = 0; i < 20; ++i) {
    const int64_t id = pick_token(fresh.logits(), {.seed = 5}, fresh.length()).id;
    fresh.append(id);
    resumed.append(id);
    ASSERT_EQ(logits_of(resumed), logits_of(fresh)) << i;
  }
}

TEST_F(SessionFile, AnEmptySessionComesBackEmpty) {
  Cache cache = tiny_.cache(1, 16);
  Session empty = session(cache);
  ASSERT_TRUE(empty.save(path_, ""));
  ASSERT_TRUE(empty.extend(TinyModel::ids(5), nullptr));
  ASSERT_TRUE(empty.load(path_));
  EXPECT_EQ(empty.length(), 0);
}

TEST_F(SessionFile, OtherModelsAndTooSmallCachesAreRefused) {
  store();
  Cache cache = tiny_.cache(1, 16);
  Session other = session(cache, "beef");
  EXPECT_EQ(other.load(path_).error().message,
            path_ + ": saved with another model: fingerprint f00d, this one is beef");
  tiny_.model->options().rounding = Rounding::none;
  Session unrounded = session(cache);
  EXPECT_EQ(unrounded.load(path_).error().message,
            path_ + ": saved with back end/rounding " + std::string(tiny_.ops->name()) +
                "/published, this is " + std::string(tiny_.ops->name()) + "/none");
  tiny_.model->options().rounding = Rounding::published;
  Cache small = tiny_.cache(1, 16, 30);
  Session shorter = session(small);
  EXPECT_EQ(shorter.load(path_).error().message,
            path_ + ": the prompt has 50 tokens, the context holds 30");
}

// One bit in every region of the file; then a sample of all bits, and of all lengths.
TEST_F(SessionFile, NoDamageIsTakenForASession) {
  store();
  const std::string whole = slurp(path_);
  Cache cache = tiny_.cache(1, 32);
  Session victim = session(cache);
  ASSERT_TRUE(victim.extend(TinyModel::ids(12, 4), nullptr));
  const std::vector<float> before = logits_of(victim);
  const auto refuses = [&](const std::string& bytes, const std::string& what) {
    spill(path_, bytes);
    Result<std::string> loaded = victim.load(path_);
    EXPECT_FALSE(loaded) << what;
    if (!loaded) {
      EXPECT_EQ(loaded.error().message.find('\n'), std::string::npos) << what;
    }
    ASSERT_EQ(logits_of(victim), before) << what;
  };
  const size_t header = 8 + static_cast<uint8_t>(whole[0]) + 256 * static_cast<uint8_t>(whole[1]);
  const size_t step = std::max<size_t>(1, (whole.size() - header) / 300);
  for (size_t at = 0; at < whole.size(); at += at < header ? 13 : step) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1 << at % 8);
    refuses(flipped, "bit flipped in byte " + std::to_string(at));
  }
  for (size_t length = 0; length < whole.size(); length += whole.size() / 40 + 1)
    refuses(whole.substr(0, length), "cut to " + std::to_string(length));
}

// Checksums are right here: whoever wrote this did so on purpose.
TEST_F(SessionFile, ForgedNumbersAreRefused) {
  store();
  Result<StoredSession> stored = read_session(path_);
  ASSERT_TRUE(stored) << stored.error().message;
  const auto expect_refused = [&](const StoredSession& forged, const std::string& why) {
    ASSERT_TRUE(write_session(path_, forged));
    Cache cache = tiny_.cache(1, 32);
    Session victim = session(cache);
    Result<std::string> loaded = victim.load(path_);
    ASSERT_FALSE(loaded) << why;
    EXPECT_NE(loaded.error().message.find(why), std::string::npos) << loaded.error().message;
  };
  StoredSession forged = *stored;
  forged.logits = Tensor::of_floats({1}, {std::numeric_limits<float>::quiet_NaN()});
  expect_refused(forged, "session.logits: element 0 is");
  forged = *stored;
  forged.logits = Tensor::of_floats({3}, {1, 2, 3});
  expect_refused(forged, "3 logits, expected 384");
  forged = *stored;
  forged.cache["tokens"] = Tensor::of_ints({2}, {4, 1 << 20});
  forged.needed_from = 0;
  expect_refused(forged, "token 1 of the prompt is 1048576");
  forged = *stored;
  forged.cache.erase(forged.cache.begin());
  expect_refused(forged, "missing");
  forged = *stored;
  Tensor& window = forged.cache["layers.0.window"];
  window = Tensor::zeros(DType::u8, window.shape());
  window.data<uint8_t>()[window.count() - 1] = 0xff;  // a scale that is NaN
  expect_refused(forged, "cache: layers.0.window: row");
  forged = *stored;
  forged.needed_from = 51;
  expect_refused(forged, "needed_from is \"51\", expected 0 to 50");
}

TEST_F(SessionFile, FingerprintsTellModelsApart) {
  const std::string goldens = std::string(HADAL_TESTS_DIR) + "/goldens/";
  Result<std::string> one = model_fingerprint(goldens + "v41-tiny");
  Result<std::string> two = model_fingerprint(goldens + "v41-tiny-fp8");
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->size(), 16U);
  EXPECT_NE(*one, *two);
  EXPECT_EQ(*one, *model_fingerprint(goldens + "v41-tiny"));
}

}  // namespace
}  // namespace hadal
