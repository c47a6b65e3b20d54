// SPDX-License-Identifier: MIT
// Verbs over cached rows of the CPU back end against the reference.
#include "conformance.h"

namespace hadal {
namespace {

using CpuRows = CpuTest;
HADAL_FOR_ALL_BUILDS(CpuRows);

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_P(CpuRows, WriteSkipsMinusOne) {
  const Tensor rows = floats({4, 19}), ids = Tensor::of_ints({4}, {2, -1, 0, 5});
  Tensor found = cpu_->make_pool(6, 19), expected = reference_->make_pool(6, 19);
  cpu_->write_rows(found, ids, rows);
  reference_->write_rows(expected, ids, rows);
  expect_same_bits(found, expected, "write_rows");
}

TEST_P(CpuRows, BlendAgrees) {
  for (int64_t width : {1, 17, 96, 130})
    for (int64_t halves : {1, 2})
      for (int64_t members : {2, 8, 128}) {
        const Tensor values = floats({300, halves * width}),
                     scores = floats({300, halves * width}, 4);
        Tensor ids = gappy_ids({5, members}, 300);
        std::fill_n(ids.data<int64_t>() + 2 * members, members, -1);  // a group of nobody
        expect_agrees(cpu_->blend(values, scores, ids, width),
                      reference_->blend(values, scores, ids, width), Tolerance::exponentials,
                      std::to_string(members) + " members of " + shape_text(values.shape()));
      }
}

TEST_P(CpuRows, BlendOfMinusInfinityScoresIgnoresThem) {
  const Tensor values = floats({4, 20});
  Tensor scores = floats({4, 20});
  std::fill_n(scores.data<float>() + 20, 20, -kInfinity);
  const Tensor ids = Tensor::of_ints({2, 4}, {0, 1, 2, 3, 1, 1, 1, 1});
  expect_agrees(cpu_->blend(values, scores, ids, 20), reference_->blend(values, scores, ids, 20),
                Tolerance::exponentials, "-inf scores");
}

TEST_P(CpuRows, ScoreAgrees) {
  for (int64_t heads : {1, 5, 64})
    for (int64_t width : {17, 96, 128}) {
      const Tensor q = floats({4, heads, width}), w = floats({4, heads});
      const Tensor keys = floats({1200, width});
      const Tensor first = Tensor::of_ints({4}, {0, 7, 100, 3});
      const Tensor count = Tensor::of_ints({4}, {1, 0, 1100, 33});
      expect_agrees(cpu_->score(q, w, keys, first, count, 0.125f),
                    reference_->score(q, w, keys, first, count, 0.125f), Tolerance::sums,
                    std::to_string(heads) + " heads of " + std::to_string(width));
    }
}

TEST_P(CpuRows, ScoreOfNobodyIsOneColumn) {
  const Tensor none = Tensor::of_ints({2}, {0, 0});
  const Tensor q = floats({2, 3, 16}), w = floats({2, 3}), keys = floats({4, 16});
  expect_same_bits(cpu_->score(q, w, keys, none, none, 1),
                   reference_->score(q, w, keys, none, none, 1), "nothing visible");
  const Tensor empty = Tensor::empty(DType::i64, {0});
  expect_same_bits(cpu_->score(floats({0, 3, 16}), floats({0, 3}), keys, empty, empty, 1),
                   reference_->score(floats({0, 3, 16}), floats({0, 3}), keys, empty, empty, 1),
                   "no queries");
}

// Scores with many ties and -inf tails.
class CpuPicks : public CpuTest {
 protected:
  Tensor tied_scores(int64_t tokens, int64_t entries) {
    Tensor scores = Tensor::empty(DType::f32, {tokens, entries});
    for (int64_t i = 0; i < scores.count(); ++i)
      scores.data<float>()[i] =
          integer(0, 5) == 0 ? -kInfinity : 0.5f * static_cast<float>(integer(-8, 8));
    return scores;
  }
};
HADAL_FOR_ALL_BUILDS(CpuPicks);

TEST_P(CpuPicks, PickTakesTheBestAndTheLowerOfEquals) {
  for (int64_t entries : {1, 7, 64, 1000, 5000})
    for (int64_t limit : {1, 5, 512}) {
      Tensor scores = tied_scores(6, entries);
      std::fill_n(scores.data<float>() + entries, entries, -kInfinity);
      std::fill_n(scores.data<float>() + 2 * entries, entries, std::nanf(""));
      const Tensor first = Tensor::of_ints({6}, {0, 10, 20, 30, 40, 50});
      expect_same_bits(cpu_->pick(scores, first, limit), reference_->pick(scores, first, limit),
                       std::to_string(limit) + " of " + std::to_string(entries));
    }
}

TEST_P(CpuPicks, CandidatesAndMaskAgree) {
  for (int64_t entries : {1, 7, 64, 1003}) {
    const Tensor scores = tied_scores(5, entries);
    Tensor count = Tensor::of_ints({5}, {0, 1, entries, (entries + 1) / 2, entries});
    for (int64_t keep : {1, 3, 64}) {
      const Tensor found = cpu_->candidates(scores, count, 8, keep);
      expect_same_bits(found, reference_->candidates(scores, count, 8, keep),
                       std::to_string(keep) + " of " + std::to_string(entries));
      expect_same_bits(cpu_->mask_scores(scores, found, 8),
                       reference_->mask_scores(scores, found, 8), "mask");
    }
  }
}

TEST_P(CpuRows, AttendAgrees) {
  for (int64_t heads : {1, 3, 4, 13, 64})
    for (int64_t width : {17, 80, 96, 130, 512}) {
      const int64_t tokens = heads == 64 ? 2 : 9;
      const Tensor q = floats({tokens, heads, width}), sink = floats({heads});
      const Sight window{floats({40, width}), gappy_ids({tokens, 21}, 40)};
      Sight compressed{floats({90, width}), gappy_ids({tokens, 77}, 90)};
      const std::string what = std::to_string(heads) + " heads of " + std::to_string(width);
      const float scale = 1.0f / std::sqrt(static_cast<float>(width));
      expect_agrees(cpu_->attend(q, window, compressed, sink, scale),
                    reference_->attend(q, window, compressed, sink, scale), Tolerance::exponentials,
                    what);
      expect_agrees(cpu_->attend(q, window, {}, sink, scale),
                    reference_->attend(q, window, {}, sink, scale), Tolerance::exponentials,
                    what + ", window alone");
    }
}

TEST_P(CpuRows, AttendToManyRowsAgrees) {
  const Tensor q = floats({1, 6, 64}, 2), sink = floats({6});
  const Sight window{floats({16, 64}), gappy_ids({1, 16}, 16)};
  const Sight compressed{floats({4000, 64}), gappy_ids({1, 4000}, 4000)};
  expect_agrees(cpu_->attend(q, window, compressed, sink, 0.125f),
                reference_->attend(q, window, compressed, sink, 0.125f), Tolerance::exponentials,
                "4000 rows");
}

TEST_P(CpuRows, AttendToNothingIsZero) {
  const Tensor q = floats({3, 2, 20}), sink = floats({2});
  Sight gone{floats({4, 20}), Tensor::of_ints({3, 2}, {-1, -1, 1, -1, -1, -1})};
  const Tensor found = cpu_->attend(q, gone, {}, sink, 1);
  expect_agrees(found, reference_->attend(q, gone, {}, sink, 1), Tolerance::exponentials, "gaps");
  for (int64_t i = 0; i < 40; ++i) EXPECT_EQ(found.data<float>()[i], 0);
  const Sight empty{floats({4, 20}), Tensor::empty(DType::i64, {3, 0})};
  expect_same_bits(cpu_->attend(q, empty, empty, sink, 1),
                   reference_->attend(q, empty, empty, sink, 1), "empty sights");
  expect_same_bits(cpu_->attend(floats({0, 2, 20}), {}, {}, sink, 1), floats({0, 2, 20}), "T = 0");
}

TEST_P(CpuRows, AttendSurvivesHugeLogitsAndSinks) {
  const Tensor q = floats({2, 4, 32}, 300),
               sink = Tensor::of_floats({4}, {1e4f, -1e4f, -kInfinity, 0});
  const Sight window{floats({50, 32}), gappy_ids({2, 50}, 50)};
  expect_agrees(cpu_->attend(q, window, {}, sink, 1), reference_->attend(q, window, {}, sink, 1),
                1e-3 /* logits of 1e3 carry 1e-4 of error into the exponent */, "huge");
}

}  // namespace
}  // namespace hadal
