// SPDX-License-Identifier: MIT
// The promise behind prefill = decode and batch = alone: a row's bits depend neither on the other
// rows of the call, nor on threads, nor on padding.
#include <functional>

#include "conformance.h"

namespace hadal {
namespace {

using OnRows = std::function<Tensor(int64_t first, int64_t count)>;

class CpuBits : public CpuTest {
 protected:
  static constexpr int64_t kTokens = 45;

  // All rows at once = each alone = in random pieces.
  void expect_rows_independent(const std::string& what, const OnRows& compute) {
    const Tensor whole = compute(0, kTokens);
    for (int64_t t = 0; t < kTokens; ++t)
      expect_same_bits(compute(t, 1), whole.rows(t, 1), what + ", row " + std::to_string(t));
    for (int64_t t = 0; t < kTokens;) {
      const int64_t count = std::min<int64_t>(integer(1, 12), kTokens - t);
      expect_same_bits(compute(t, count), whole.rows(t, count),
                       what + ", rows " + std::to_string(t) + "+" + std::to_string(count));
      t += count;
    }
  }
};
HADAL_FOR_ALL_BUILDS(CpuBits);

TEST_P(CpuBits, LinearRowsAreIndependent) {
  for (const StoredFormat& format : kStoredFormats)
    for (int64_t inputs : {80, 130, 1040}) {
      const Weight w = weight(format, 131, inputs);
      const Tensor x = floats({kTokens, inputs});
      expect_rows_independent(format.name, [&](int64_t first, int64_t count) {
        return cpu_->linear(x.rows(first, count), w);
      });
    }
}

TEST_P(CpuBits, GroupedLinearRowsAreIndependent) {
  for (const StoredFormat& format : kStoredFormats) {
    const Weight w = weight(format, 4 * 33, 96);
    const Tensor x = floats({kTokens, 4 * 96});
    expect_rows_independent(format.name, [&](int64_t first, int64_t count) {
      return cpu_->linear_grouped(x.rows(first, count), w, 4);
    });
  }
}

TEST_P(CpuBits, AttendingQueriesAreIndependent) {
  const Tensor q = floats({kTokens, 7, 80}), sink = floats({7});
  const Tensor pool = floats({60, 80}), ids = gappy_ids({kTokens, 37}, 60);
  expect_rows_independent("attend", [&](int64_t first, int64_t count) {
    return cpu_->attend(q.rows(first, count), {pool, ids.rows(first, count)},
                        {pool, ids.rows(first, count)}, sink, 0.1f);
  });
}

TEST_P(CpuBits, PaddingDoesNotChangeAttention) {
  const Tensor q = floats({1, 7, 80}), sink = floats({7}), pool = floats({90, 80});
  Tensor tight = Tensor::empty(DType::i64, {1, 70}), loose = Tensor::empty(DType::i64, {1, 200});
  std::fill_n(loose.data<int64_t>(), 200, -1);
  for (int64_t n = 0; n < 70; ++n) {
    tight.data<int64_t>()[n] = integer(0, 89);
    loose.data<int64_t>()[2 * n + n % 3] = -1;
  }
  for (int64_t n = 0, place = 0; n < 70; ++n) {
    place += integer(1, 2);
    loose.data<int64_t>()[place] = tight.data<int64_t>()[n];
  }
  expect_same_bits(cpu_->attend(q, {pool, tight}, {}, sink, 0.1f),
                   cpu_->attend(q, {pool, loose}, {}, sink, 0.1f), "padded ids");
  expect_same_bits(cpu_->attend(q, {pool, tight}, {}, sink, 0.1f),
                   cpu_->attend(q, {}, {pool, loose}, sink, 0.1f), "the other sight");
}

TEST_P(CpuBits, ScoresAndBlendsAreIndependent) {
  const Tensor q = floats({kTokens, 6, 96}), w = floats({kTokens, 6}), keys = floats({300, 96});
  Tensor first_key = Tensor::empty(DType::i64, {kTokens}),
         seen = Tensor::empty(DType::i64, {kTokens});
  for (int64_t t = 0; t < kTokens; ++t) {
    first_key.data<int64_t>()[t] = integer(0, 9);
    seen.data<int64_t>()[t] = 5 * t;
  }
  const Tensor all = cpu_->score(q, w, keys, first_key, seen, 0.5f);
  for (int64_t t = 0; t < kTokens; ++t) {
    const Tensor one =
        cpu_->score(q.rows(t, 1), w.rows(t, 1), keys, first_key.rows(t, 1), seen.rows(t, 1), 0.5f);
    for (int64_t j = 0; j < 5 * t; ++j)
      ASSERT_EQ(one.data<float>()[j], all.data<float>()[t * all.size(1) + j]) << t << ", " << j;
  }
  const Tensor ids = gappy_ids({kTokens, 8}, 300);
  expect_rows_independent("blend", [&](int64_t first, int64_t count) {
    return cpu_->blend(keys, keys, ids.rows(first, count), 48);
  });
}

TEST_P(CpuBits, ExpertsOfATokenAreIndependentOfOtherTokens) {
  for (const StoredFormat& format : kStoredFormats) {
    ExpertWeights weights;
    for (int e = 0; e < 6; ++e) {
      weights.gate.push_back(weight(format, 72, 80));
      weights.up.push_back(weight(format, 72, 80));
      weights.down.push_back(weight(format, 80, 72));
    }
    RouterOptions options;
    options.experts_per_token = 3;
    const Tensor x = floats({kTokens, 80}, 0.1f);
    const Routes routes = cpu_->route(floats({kTokens, 6}), {}, options);
    expect_rows_independent(format.name, [&](int64_t first, int64_t count) {
      return cpu_->experts(x.rows(first, count),
                           {routes.ids_TN.rows(first, count), routes.weights_TN.rows(first, count)},
                           weights, 10, RowFormat::fp8_32);
    });
  }
}

TEST_P(CpuBits, StreamRowsAreIndependent) {
  const Tensor x = floats({kTokens, 4, 130}), y = floats({kTokens, 130});
  const MixWeights weights{floats({24, 520}), floats({24}), floats({3})};
  const Mix mix = cpu_->mix(x, weights, {});
  const auto part = [&](int64_t first, int64_t count) {
    return cpu_->mix(x.rows(first, count), weights, {});
  };
  expect_rows_independent("pre", [&](int64_t f, int64_t c) { return part(f, c).pre_TS; });
  expect_rows_independent("comb", [&](int64_t f, int64_t c) { return part(f, c).comb_TSS; });
  expect_rows_independent("narrow", [&](int64_t f, int64_t c) {
    return cpu_->narrow(x.rows(f, c), mix.pre_TS.rows(f, c));
  });
  expect_rows_independent("widen", [&](int64_t f, int64_t c) {
    return cpu_->widen(y.rows(f, c), x.rows(f, c), mix.post_TS.rows(f, c), mix.comb_TSS.rows(f, c));
  });
  expect_rows_independent(
      "norm", [&](int64_t f, int64_t c) { return cpu_->rms_norm(y.rows(f, c), {}, 1e-6f); });
  expect_rows_independent(
      "swiglu", [&](int64_t f, int64_t c) { return cpu_->swiglu(y.rows(f, c), y.rows(f, c), 0); });
}

// Work large enough to be split, by one thread and by several.
TEST_P(CpuBits, ThreadsDoNotChangeBits) {
  const std::unique_ptr<Ops> alone = open_build({GetParam().set, 1});
  for (const StoredFormat& format : kStoredFormats) {
    const Weight w = weight(format, 300, 512);
    for (int64_t rows : {1, 4, 100}) {
      const Tensor x = floats({rows, 512});
      expect_same_bits(cpu_->linear(x, w), alone->linear(x, w), format.name);
      const Tensor grouped = floats({rows, 3 * 512});
      expect_same_bits(cpu_->linear_grouped(grouped, w, 3), alone->linear_grouped(grouped, w, 3),
                       format.name);
    }
  }
  // More rows than outputs: rows are split too.
  const Weight narrow = weight(kStoredFormats[1], 24, 512);
  const Tensor many = floats({400, 512});
  expect_same_bits(cpu_->linear(many, narrow), alone->linear(many, narrow), "few outputs");

  const Tensor q = floats({2, 16, 128}), sink = floats({16}), pool = floats({900, 128});
  const Sight sight{pool, gappy_ids({2, 700}, 900)};
  expect_same_bits(cpu_->attend(q, sight, sight, sink, 0.1f),
                   alone->attend(q, sight, sight, sink, 0.1f), "attend");
  const Tensor zero = Tensor::of_ints({2}, {0, 1}), count = Tensor::of_ints({2}, {899, 500});
  expect_same_bits(cpu_->score(q, floats({2, 16}, 0), pool, zero, count, 1),
                   alone->score(q, floats({2, 16}, 0), pool, zero, count, 1), "score");
}

}  // namespace
}  // namespace hadal
