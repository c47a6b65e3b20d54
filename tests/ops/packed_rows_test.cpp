// SPDX-License-Identifier: MIT
// Packed rows: the same values as rounded floats, in the bytes that model-spec §3.7 counts; and the
// verbs over them, held to the reference over floats.
#include "ops/packed_rows.h"

#include "conformance.h"
#include "ops/row_rounding.h"

namespace hadal {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

const RowLayout kLayouts[] = {{512, RowFormat::fp8_64_bf16, 64}, {512, RowFormat::fp8_64_tail, 64},
                              {512, RowFormat::fp8_32},          {512, RowFormat::fp4_e4m3_16},
                              {128, RowFormat::fp4_32},          {70, RowFormat::fp8_64_bf16, 6},
                              {50, RowFormat::fp8_32},           {37, RowFormat::fp4_e4m3_16},
                              {45, RowFormat::fp4_32},           {33, RowFormat::fp8_64_tail, 33}};

std::string name_of(const RowLayout& layout) {
  return "format " + std::to_string(static_cast<int>(layout.format)) + " of " +
         std::to_string(layout.width);
}

TEST(PackedRow, TakesThePublishedBytes) {
  EXPECT_EQ(PackedRow({512, RowFormat::fp8_64_bf16, 64}).bytes, 584);
  EXPECT_EQ(PackedRow({512, RowFormat::fp8_32}).bytes, 528);
  EXPECT_EQ(PackedRow({512, RowFormat::fp4_e4m3_16}).bytes, 288);
  EXPECT_EQ(PackedRow({128, RowFormat::fp4_32}).bytes, 68);
  EXPECT_EQ(row_bytes({128}, true), 512);
}

// Also blocks of tiny numbers, where a scale is at its floor, and of zeros.
TEST(PackedRow, HoldsTheValuesOfARoundedRow) {
  std::mt19937 random(5);
  for (const RowLayout& layout : kLayouts)
    for (float spread : {1.0f, 300.0f, 0.02f, 1e-3f, 1e-20f, 0.0f}) {
      const PackedRow packed(layout);
      std::normal_distribution<float> normal(0.0f, 1.0f);
      std::vector<float> row(static_cast<size_t>(layout.width)), found(row.size());
      for (float& value : row) value = spread * normal(random);
      std::vector<uint8_t> bytes(static_cast<size_t>(packed.bytes), 0xff);
      packed.pack(row.data(), bytes.data());
      packed.unpack(bytes.data(), found.data());
      EXPECT_TRUE(packed.holds_numbers(bytes.data()));
      round_row(row.data(), layout.width, layout.format, layout.tail);
      for (size_t i = 0; i < row.size(); ++i)
        ASSERT_TRUE(same_float(found[i], row[i]))
            << name_of(layout) << " [" << i << "] found " << found[i] << ", expected " << row[i];
    }
}

TEST(PackedRow, ZeroBytesAreZero) {
  for (const RowLayout& layout : kLayouts) {
    const PackedRow packed(layout);
    const std::vector<uint8_t> bytes(static_cast<size_t>(packed.bytes), 0);
    std::vector<float> row(static_cast<size_t>(layout.width), 1.0f);
    packed.unpack(bytes.data(), row.data());
    for (float value : row) EXPECT_EQ(value, 0) << name_of(layout);
  }
}

TEST(PackedRow, NumbersThatAreNoneAreFound) {
  const PackedRow windows({64, RowFormat::fp8_32}), keys({64, RowFormat::fp4_32});
  std::vector<uint8_t> bytes(66, 0);
  EXPECT_TRUE(windows.holds_numbers(bytes.data()));
  bytes[3] = 0xff;  // a NaN of E4M3
  EXPECT_FALSE(windows.holds_numbers(bytes.data()));
  EXPECT_TRUE(keys.holds_numbers(bytes.data()));  // two codes of E2M1
  bytes[3] = 0;
  bytes[65] = 0xff;  // a scale that is NaN
  EXPECT_FALSE(windows.holds_numbers(bytes.data()));
  bytes[65] = 0xfe;  // and one of 2^127
  EXPECT_FALSE(windows.holds_numbers(bytes.data()));
  const PackedRow tailed({64, RowFormat::fp8_64_bf16, 64});
  std::vector<uint8_t> tail(static_cast<size_t>(tailed.bytes), 0);
  tail[11] = 0x7f, tail[10] = 0x80;  // an infinite BF16
  EXPECT_FALSE(tailed.holds_numbers(tail.data()));
}

// ---- verbs ----------------------------------------------------------------------------------

class PackedRows : public CpuTest {
 protected:
  struct Pools {
    Pool packed, floats;
  };
  // The same rows in a pool of each back end.
  Pools pools_of(const RowLayout& layout, int64_t rows, float spread = 1.0f) {
    const Tensor values = floats({rows, layout.width}, spread);
    Pools pools{cpu_->make_row_pool(rows, layout), reference_->make_row_pool(rows, layout)};
    cpu_->keep_rows(pools.packed, ascending_ids(rows), values);
    reference_->keep_rows(pools.floats, ascending_ids(rows), values);
    return pools;
  }
  Tensor rounded_floats(Shape shape, RowFormat format) {
    return reference_->round_to(floats(std::move(shape)), format, 0);
  }
};
HADAL_FOR_ALL_BUILDS(PackedRows);

TEST_P(PackedRows, AreKeptAsTheReferenceRoundsThem) {
  for (const RowLayout& layout : kLayouts) {
    const Pools pools = pools_of(layout, 300);
    const PackedRow packed(layout);
    ASSERT_EQ(pools.packed.rows.shape(), (Shape{300, packed.bytes}));
    Tensor found = Tensor::empty(DType::f32, {300, layout.width});
    for (int64_t row = 0; row < 300; ++row)
      packed.unpack(pools.packed.rows.raw() + row * packed.bytes,
                    found.data<float>() + row * layout.width);
    expect_same_bits(found, pools.floats.rows, name_of(layout));
  }
}

TEST_P(PackedRows, IdsSayWhereAndMinusOneNowhere) {
  const RowLayout layout{64, RowFormat::fp8_32};
  Pool pool = cpu_->make_row_pool(4, layout);
  cpu_->keep_rows(pool, Tensor::of_ints({3}, {2, -1, 0}), floats({3, 64}));
  const int64_t bytes = pool.rows.size(1);
  for (int64_t row : {1, 3})
    for (int64_t i = 0; i < bytes; ++i) EXPECT_EQ(pool.rows.data<uint8_t>()[row * bytes + i], 0);
  const Tensor taken = cpu_->take_rows(pool.rows, Tensor::of_ints({2}, {2, 0}));
  Pool copy = cpu_->make_row_pool(4, layout);
  cpu_->write_rows(copy.rows, Tensor::of_ints({2}, {2, 0}), taken);
  expect_same_bits(copy.rows, pool.rows, "a stored copy");
}

TEST_P(PackedRows, AttendAgrees) {
  for (const RowLayout& near : kLayouts)
    for (const RowLayout& far : kLayouts) {
      if (near.width != far.width || (near.format == far.format && near.width > 100)) continue;
      const int64_t width = near.width;
      const Pools window = pools_of(near, 40), compressed = pools_of(far, 90);
      const Tensor q = floats({2, 5, width}), sink = floats({5});
      const Tensor near_ids = gappy_ids({2, 21}, 40), far_ids = gappy_ids({2, 77}, 90);
      const float scale = 1.0f / std::sqrt(static_cast<float>(width));
      const std::string what = name_of(near) + " and " + name_of(far);
      expect_agrees(
          cpu_->attend(q, {window.packed, near_ids}, {compressed.packed, far_ids}, sink, scale),
          reference_->attend(q, {window.floats, near_ids}, {compressed.floats, far_ids}, sink,
                             scale),
          Tolerance::exponentials, what);
      // Packed rows and floats of the same values: the same bits.
      expect_same_bits(
          cpu_->attend(q, {window.packed, near_ids}, {compressed.packed, far_ids}, sink, scale),
          cpu_->attend(q, {window.floats, near_ids}, {compressed.floats, far_ids}, sink, scale),
          what);
    }
}

TEST_P(PackedRows, AttendToMoreThanTheCacheHoldsAgrees) {
  const Pools compressed = pools_of({512, RowFormat::fp8_64_bf16, 64}, 200);
  const Tensor q = floats({1, 3, 512}, 2), sink = floats({3}), ids = gappy_ids({1, 600}, 200);
  expect_agrees(cpu_->attend(q, {}, {compressed.packed, ids}, sink, 0.05f),
                reference_->attend(q, {}, {compressed.floats, ids}, sink, 0.05f),
                Tolerance::exponentials, "600 rows");
}

TEST_P(PackedRows, ScoreOfKeysAgrees) {
  for (int64_t heads : {1, 5, 13})
    for (int64_t width : {32, 96, 128}) {
      const Pools keys = pools_of({width, RowFormat::fp4_32}, 400);
      const Tensor q = rounded_floats({4, heads, width}, RowFormat::fp4_32);
      const Tensor w = floats({4, heads});
      const Tensor first = Tensor::of_ints({4}, {7, 7, 100, 3});
      const Tensor count = Tensor::of_ints({4}, {1, 0, 300, 33});
      const std::string what = std::to_string(heads) + " heads of " + std::to_string(width);
      expect_agrees(cpu_->score(q, w, keys.packed, first, count, 0.125f),
                    reference_->score(q, w, keys.floats, first, count, 0.125f), Tolerance::sums,
                    what);
      // Queries that were not rounded take another way.
      const Tensor raw = floats({4, heads, width});
      expect_agrees(cpu_->score(raw, w, keys.packed, first, count, 0.125f),
                    reference_->score(raw, w, keys.floats, first, count, 0.125f), Tolerance::sums,
                    what + ", not rounded");
    }
}

TEST_P(PackedRows, AKeysScoreIsTheSameInEveryCompany) {
  const Pools keys = pools_of({128, RowFormat::fp4_32}, 700);
  const Tensor q = rounded_floats({1, 32, 128}, RowFormat::fp4_32), w = floats({1, 32});
  const auto scores = [&](int64_t first, int64_t count) {
    return cpu_->score(q, w, keys.packed, Tensor::of_ints({1}, {first}),
                       Tensor::of_ints({1}, {count}), 1);
  };
  const Tensor all = scores(0, 700);
  for (int64_t first : {1, 15, 16, 31, 599})
    for (int64_t count : {1, 17, 64}) {
      const Tensor some = scores(first, count);
      for (int64_t j = 0; j < count; ++j)
        EXPECT_EQ(some.data<float>()[j], all.data<float>()[first + j]) << first << " " << j;
    }
}

// ---- the choice -----------------------------------------------------------------------------

class Choices : public PackedRows {
 protected:
  IndexQuery query(int64_t tokens, int64_t heads, int64_t width, int64_t rows) {
    IndexQuery query;
    query.q_THK = rounded_floats({tokens, heads, width}, RowFormat::fp4_32);
    query.w_TH = floats({tokens, heads});
    query.first_T = Tensor::zeros(DType::i64, {tokens});
    query.count_T = Tensor::zeros(DType::i64, {tokens});
    for (int64_t t = 0; t < tokens; ++t) {  // two sequences, at the most half of the pool each
      query.first_T.data<int64_t>()[t] = t < tokens / 3 ? 5 : rows / 2;
      query.count_T.data<int64_t>()[t] = t % 4 == 3 ? t : rows / 2 - tokens + t;
    }
    query.scale = 0.125f;
    return query;
  }
  static void expect_same(const IndexChoice& found, const IndexChoice& expected,
                          const std::string& what) {
    expect_same_bits(found.ids_TN, expected.ids_TN, what);
    ASSERT_EQ(found.kept_TB.defined(), expected.kept_TB.defined());
    if (found.kept_TB.defined())
      expect_same_bits(found.kept_TB, expected.kept_TB, what + " blocks");
  }
  // Verb after verb on the same back end: the same scores, so the same choice to the last tie.
  IndexChoice step_by_step(const IndexQuery& query, const Pool& keys) {
    return cpu_->Ops::choose_entries(query, keys);
  }
};
HADAL_FOR_ALL_BUILDS(Choices);

TEST_P(Choices, AreWhatScoresAndPickGive) {
  for (int64_t rows : {64, 700, 5000})
    for (int64_t tokens : {1, 2, 19})
      for (int64_t limit : {1, 32, 2000}) {
        const Pools keys = pools_of({64, RowFormat::fp4_32}, rows);
        IndexQuery asked = query(tokens, 3, 64, rows);
        asked.limit = limit;
        expect_same(cpu_->choose_entries(asked, keys.packed), step_by_step(asked, keys.packed),
                    std::to_string(limit) + " of " + std::to_string(rows));
      }
}

TEST_P(Choices, CandidateBlocksNarrowLaterChoices) {
  for (int64_t block : {1, 8, 24})
    for (int64_t keep : {1, 7, 500}) {
      const Pools keys = pools_of({64, RowFormat::fp4_32}, 5000);
      IndexQuery asked = query(11, 3, 64, 5000);
      asked.limit = 40;
      asked.block = block;
      asked.keep = keep;
      const std::string what = std::to_string(keep) + " blocks of " + std::to_string(block);
      const IndexChoice first = cpu_->choose_entries(asked, keys.packed);
      expect_same(first, step_by_step(asked, keys.packed), what);
      IndexQuery later = query(11, 5, 64, 5000);
      later.limit = 40;
      later.block = block;
      later.kept_TB = first.kept_TB;
      expect_same(cpu_->choose_entries(later, keys.packed), step_by_step(later, keys.packed),
                  what + ", later");
    }
}

// Keys that are all alike: every score is a tie, and the lowest entries win.
TEST_P(Choices, TiesGoToTheLowerEntry) {
  Pool keys = cpu_->make_row_pool(3000, {64, RowFormat::fp4_32});
  const Tensor one = floats({1, 64});
  for (int64_t row = 0; row < 3000; ++row) cpu_->keep_rows(keys, Tensor::of_ints({1}, {row}), one);
  IndexQuery asked = query(3, 2, 64, 3000);
  asked.first_T = Tensor::of_ints({3}, {0, 0, 10});
  asked.count_T = Tensor::of_ints({3}, {3000, 0, 2990});
  asked.limit = 20;
  expect_same(cpu_->choose_entries(asked, keys), step_by_step(asked, keys), "ties");
}

TEST_P(Choices, ScoresThatAreNoNumbersAreNotChosen) {
  const Pools keys = pools_of({64, RowFormat::fp4_32}, 500);
  IndexQuery asked = query(2, 2, 64, 500);
  asked.w_TH.data<float>()[0] = std::nanf("");
  asked.w_TH.data<float>()[2] = -kInfinity;
  asked.limit = 20;
  expect_same(cpu_->choose_entries(asked, keys.packed), step_by_step(asked, keys.packed), "NaN");
}

TEST_P(Choices, OfNobodyAreEmpty) {
  const Pools keys = pools_of({64, RowFormat::fp4_32}, 50);
  IndexQuery asked = query(0, 2, 64, 50);
  asked.limit = 20;
  asked.keep = 4;
  expect_same(cpu_->choose_entries(asked, keys.packed), step_by_step(asked, keys.packed), "T = 0");
}

}  // namespace
}  // namespace hadal
