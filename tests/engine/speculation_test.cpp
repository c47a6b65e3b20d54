// SPDX-License-Identifier: MIT
// Guessing changes no token: greedy, sampled, held to a form, however many guesses are kept.
#include "engine/speculation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/generator.h"
#include "oracle_model.h"
#include "tiny_model.h"

namespace hadal {
namespace {

using Ids = std::vector<int64_t>;

const Flow kGoOn = Flow::go_on;

struct Told {
  Ids ids;
  Finish finish = Finish::length;
  Ids read;                   // what the session holds afterwards
  std::vector<float> logits;  // … and after it
};

Told tell(Session& session, const Ids& prompt, const GenerateOptions& options) {
  EXPECT_TRUE(session.extend(prompt, nullptr));
  const Generated answer = generate(session, options, [](const Sample&) { return kGoOn; });
  return {answer.ids, answer.finish, session.ids(), logits_of(session)};
}

void expect_same(const Told& found, const Told& plain, const std::string& what) {
  EXPECT_EQ(found.ids, plain.ids) << what;
  EXPECT_EQ(found.finish, plain.finish) << what;
  EXPECT_EQ(found.read, plain.read) << what;
  EXPECT_EQ(found.logits, plain.logits) << what;
}

// ---- on real caches, with guesses that are right and wrong at chosen places

class OracleTest : public testing::TestWithParam<const char*> {
 protected:
  Cache cache() const { return tiny_.cache(1, 16, 160); }

  Told plain(const Ids& prompt, const GenerateOptions& options) {
    Cache own = cache();
    Session session(*tiny_.model, *tiny_.ops, own, {});
    return tell(session, prompt, options);
  }

  Ids prompt() const {
    Ids ids = TinyModel::ids(21);
    for (int64_t& id : ids) id %= tiny_.model->config().text_vocab();
    return ids;
  }

  static Ids joined(Ids prompt, const Ids& answer) {
    prompt.insert(prompt.end(), answer.begin(), answer.end());
    return prompt;
  }

  TinyModel tiny_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Models, OracleTest,
                         testing::Values("v4-tiny", "v4-tiny-fp8", "v41-tiny", "v41-tiny-fp8",
                                         "v41-vision-tiny", "../../models/nano"),
                         [](const auto& one) {
                           std::string name = one.param;
                           name = name.substr(name.rfind('/') + 1);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(OracleTest, NoTokenAndNoBitDependsOnGuesses) {
  const Ids prompt = this->prompt();
  for (const double temperature : {0.0, 1.0}) {
    const GenerateOptions options{
        .sampler = {.temperature = temperature, .top_k = 40, .top_p = 0.95, .seed = 11},
        .max_tokens = 50,
        .end_ids = {}};
    const Told expected = plain(prompt, options);
    for (const int64_t every : {1, 4, 1000}) {  // every so many guesses one is wrong
      OracleModel oracle(*tiny_.model, *tiny_.ops, 5, joined(prompt, expected.ids),
                         [&](int64_t position) { return position % every == 0; });
      Cache own = cache();
      Session session(oracle, *tiny_.ops, own, {});
      DraftLength length(5, 5);
      GenerateOptions drafted = options;
      drafted.drafts = &length;
      const std::string what =
          "temperature " + std::to_string(temperature) + ", wrong every " + std::to_string(every);
      expect_same(tell(session, prompt, drafted), expected, what);
      const DraftStats& stats = length.stats();
      EXPECT_EQ(stats.passes + stats.right, 49) << "a pass or a guess brought each token";
      EXPECT_TRUE(every != 1 || stats.right == 0) << what;
      EXPECT_TRUE(every != 1000 || stats.passes == 9) << stats.passes << ", six tokens each";
      // And so does what comes after.
      Ids longer = joined(prompt, expected.ids);
      longer.push_back(9);
      Cache fresh = cache();
      Session other(*tiny_.model, *tiny_.ops, fresh, {});
      ASSERT_TRUE(session.extend(longer, nullptr));
      ASSERT_TRUE(other.extend(longer, nullptr));
      EXPECT_EQ(logits_of(session), logits_of(other)) << what;
    }
  }
}

// ---- the draft heads themselves

class DraftHeadTest : public testing::TestWithParam<const char*> {
 protected:
  TinyModel tiny_{GetParam(), {.drafts = true, .progress = {}}};
};

INSTANTIATE_TEST_SUITE_P(Models, DraftHeadTest,
                         testing::Values("v4-tiny", "v41-tiny", "v41-tiny-fp8"),
                         [](const auto& one) {
                           std::string name = one.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(DraftHeadTest, TheAnswerIsThatOfPlainDecoding) {
  const int64_t limit = tiny_.model->draft_limit();
  ASSERT_GT(limit, 0);
  for (const uint64_t seed : {0, 1}) {
    GenerateOptions options{
        .sampler = {.temperature = seed == 0 ? 0.0 : 1.2, .top_p = 0.9, .seed = seed},
        .max_tokens = 40,
        .end_ids = {}};
    Cache own = tiny_.cache(1, 32);
    Session plain(*tiny_.model, *tiny_.ops, own, {});
    const Told expected = tell(plain, TinyModel::ids(40), options);
    for (int64_t fixed = 0; fixed <= limit; ++fixed) {  // 0: adapts
      Cache other = tiny_.cache(1, 32);
      Session session(*tiny_.model, *tiny_.ops, other, {});
      DraftLength length(limit, fixed);
      options.drafts = &length;
      expect_same(tell(session, TinyModel::ids(40), options), expected,
                  "seed " + std::to_string(seed) + ", " + std::to_string(fixed) + " guesses");
      EXPECT_GT(length.stats().guessed, 0);
      options.drafts = nullptr;
    }
  }
}

// Near the end of the cache there is no room for guesses; the answer is as long as without them.
TEST_P(DraftHeadTest, TheContextIsFilledToItsEnd) {
  const int64_t limit = tiny_.model->draft_limit();
  GenerateOptions options{.sampler = {.temperature = 0}, .end_ids = {}};
  std::vector<Told> told;
  for (const bool drafts : {false, true}) {
    Cache own = tiny_.cache(1, 16, 40);
    Session session(*tiny_.model, *tiny_.ops, own, {});
    DraftLength length(limit, limit);
    options.drafts = drafts ? &length : nullptr;
    told.push_back(tell(session, TinyModel::ids(20), options));
    EXPECT_EQ(told.back().finish, Finish::context);
  }
  expect_same(told[1], told[0], "to the end");
}

TEST_P(DraftHeadTest, AChunkTooSmallForARoundHasNoGuesses) {
  Cache own = tiny_.cache(1, 2, 64);
  Session session(*tiny_.model, *tiny_.ops, own, {});
  ASSERT_TRUE(session.extend(TinyModel::ids(10), nullptr));
  EXPECT_EQ(session.most_guesses(), 0);
}

// ---- ends, forms and shares

class EndsTest : public testing::Test {
 protected:
  // Guesses that are always right.
  Told drafted(GenerateOptions options, const Ids& answer) {
    Ids all = prompt_;
    all.insert(all.end(), answer.begin(), answer.end());
    OracleModel oracle(*tiny_.model, *tiny_.ops, 5, all, [](int64_t) { return false; });
    Cache own = tiny_.cache(1, 16);
    Session session(oracle, *tiny_.ops, own, {});
    DraftLength length(5, 5);
    options.drafts = &length;
    return tell(session, prompt_, options);
  }
  Told plain(const GenerateOptions& options) {
    Cache own = tiny_.cache(1, 16);
    Session session(*tiny_.model, *tiny_.ops, own, {});
    return tell(session, prompt_, options);
  }

  TinyModel tiny_{"v4-tiny"};
  Ids prompt_ = TinyModel::ids(12);
};

TEST_F(EndsTest, AnEndAmongTheGuessesLeavesTheSessionAsPlainDecodingDoes) {
  GenerateOptions options{.sampler = {.temperature = 0}, .max_tokens = 20, .end_ids = {}};
  const Ids answer = plain(options).ids;
  for (size_t at : {1U, 3U, 8U}) {
    options.end_ids = {answer[at]};
    const Told expected = plain(options);
    EXPECT_EQ(expected.finish, Finish::end);
    expect_same(drafted(options, answer), expected, "end at " + std::to_string(at));
  }
}

// Every other token only, in turns of even and odd ids.
class EvenOdd : public TokenConstraint {
 public:
  std::span<const uint64_t> allowed() override {
    bits_.assign(16, even_ ? 0x5555555555555555U : 0xAAAAAAAAAAAAAAAAU);
    return bits_;
  }
  void accept(int64_t token) override {
    EXPECT_EQ(token % 2 == 0, even_);
    even_ = !even_;
  }
  bool finished() const override { return false; }

 private:
  std::vector<uint64_t> bits_;
  bool even_ = true;
};

TEST_F(EndsTest, AFormIsAskedForEveryTokenInTurn) {
  GenerateOptions options{.sampler = {.seed = 4}, .max_tokens = 24, .end_ids = {}};
  EvenOdd first, second, third;
  options.constraint = &first;
  const Told expected = plain(options);
  options.constraint = &second;
  expect_same(drafted(options, expected.ids), expected, "right guesses");
  options.constraint = &third;
  expect_same(drafted(options, Ids(24, 3)), expected, "guesses that the form forbids");
}

// Of a distribution of nine pairs: as often as the model's own probabilities say, though the first
// guess is always the same token.  The seeds are fixed, so this does not fail by chance.
TEST_F(EndsTest, SharesOfSampledPairsAreTheModelsOwn) {
  constexpr int64_t kSeeds = 300;
  const SamplerOptions sampler{.temperature = 1.5, .top_k = 3, .top_p = 0.98};
  Cache own = tiny_.cache(1, 16);
  Session session(*tiny_.model, *tiny_.ops, own, {});
  // By the definition of sampler.h: temperature, the likeliest three, the fewest that reach 0.98.
  const auto shares = [&](const Ids& ids) {
    EXPECT_TRUE(session.extend(ids, nullptr));
    std::vector<Sample> best = likeliest(session.logits(), 3);
    std::map<int64_t, double> share;
    double all = 0, sum = 0;
    for (const Sample& one : best)
      all += std::exp((one.logprob - best.front().logprob) / sampler.temperature);
    for (const Sample& one : best) {
      if (sum >= sampler.top_p) break;
      share[one.id] = std::exp((one.logprob - best.front().logprob) / sampler.temperature) / all;
      sum += share[one.id];
    }
    for (auto& [id, part] : share) part /= sum;
    return share;
  };
  std::map<std::pair<int64_t, int64_t>, double> expected, found;
  int64_t guess = 0;
  for (const auto& [first, part] : shares(prompt_)) {
    Ids longer = prompt_;
    longer.push_back(first);
    for (const auto& [second, rest] : shares(longer)) {
      expected[{first, second}] = part * rest * kSeeds;
      guess = second;
    }
  }
  Ids all = prompt_;
  all.insert(all.end(), {guess, guess, guess});
  OracleModel oracle(*tiny_.model, *tiny_.ops, 1, all, [](int64_t) { return false; });
  Cache other = tiny_.cache(1, 16);
  Session drafting(oracle, *tiny_.ops, other, {});
  DraftLength length(1, 1);
  GenerateOptions options{.sampler = sampler, .max_tokens = 3, .end_ids = {}, .drafts = &length};
  for (int64_t seed = 0; seed < kSeeds; ++seed) {
    options.sampler.seed = static_cast<uint64_t>(seed);
    const Ids ids = tell(drafting, prompt_, options).ids;
    found[{ids[0], ids[1]}] += 1;
  }
  EXPECT_GT(length.stats().right, 0);
  EXPECT_LT(length.stats().right, kSeeds);
  double chi_square = 0;
  for (const auto& [pair, count] : found)
    ASSERT_TRUE(expected.contains(pair)) << pair.first << " " << pair.second;
  for (const auto& [pair, share] : expected)
    chi_square += (found[pair] - share) * (found[pair] - share) / share;
  EXPECT_LT(chi_square, 27.9) << "8 degrees of freedom: one in two thousand";
}

}  // namespace
}  // namespace hadal
