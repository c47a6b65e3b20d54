// SPDX-License-Identifier: MIT
// The three equalities, bit for bit: prefill in one piece = in any chunks = token by token; in a
// batch = alone; resumed from a saved cache = fresh.  And the shortcut of V4.1's decoder half.
//
// Bits, not tolerances: every verb sums each row in an order that does not depend on the other
// rows of the call (ops.h), so there is nothing that may differ.
#include <random>

#include "backends/cpu/cpu_ops.h"
#include "golden_tensors.h"
#include "model/model.h"

namespace hadal {
namespace {

struct Case {
  const char* folder;
  const char* backend;
  Rounding rounding;
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.folder << " " << one.backend
             << (one.rounding == Rounding::none ? "" : " rounded");
}

class Equalities : public testing::TestWithParam<Case> {
 protected:
  Equalities() {
    const Case& one = GetParam();
    ops_ = std::string(one.backend) == "cpu" ? make_cpu_ops({}) : make_reference_ops();
    Result<std::unique_ptr<Model>> model =
        Model::open(golden_folder(one.folder), *ops_, {.rounding = one.rounding, .progress = {}},
                    token_map(one.folder));
    if (!model) throw std::runtime_error(model.error().message);
    model_ = model.take();
  }

  static std::vector<int32_t> token_map(const std::string& folder) {
    if (!folder.starts_with("v41")) return {};
    const Safetensors file = golden_file("v41-tiny/expected.safetensors");
    const Tensor map = golden(file, "engram.token_map");
    return {map.data<int64_t>(), map.data<int64_t>() + map.count()};
  }

  // The reference is slow; what it must hold shows on a few tokens beyond its window of 16.
  int64_t length() const { return std::string(GetParam().backend) == "cpu" ? 150 : 40; }

  std::vector<int64_t> prompt(int64_t count, uint32_t seed = 7) const {
    std::mt19937 random(seed);
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < count; ++i)
      ids.push_back(static_cast<int64_t>(random()) % model_->config().vocab);
    return ids;
  }

  Cache cache(int64_t slots = 1) const {
    return Cache(
        model_->config(), *ops_,
        {.slots = slots, .max_positions = 256, .max_chunk = 160, .rounding = GetParam().rounding});
  }

  // Logits of every position of ids[from…], fed in chunks of the given sizes, the last repeated.
  std::vector<float> read(Cache& cache, const std::vector<int64_t>& ids, size_t from,
                          std::vector<size_t> chunks, int64_t slot = 0) {
    std::vector<float> logits;
    for (size_t i = 0; from < ids.size(); ++i) {
      const size_t size = std::min(chunks[std::min(i, chunks.size() - 1)], ids.size() - from);
      Batch batch;
      batch.append(
          slot, static_cast<int64_t>(from),
          {ids.begin() + static_cast<long>(from), ids.begin() + static_cast<long>(from + size)});
      for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
      append(logits, model_->forward(batch, cache));
      from += size;
    }
    return logits;
  }

  static void append(std::vector<float>& all, const Tensor& logits) {
    all.insert(all.end(), logits.data<float>(), logits.data<float>() + logits.count());
  }

  static void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b,
                               const std::string& what) {
    ASSERT_EQ(a.size(), b.size()) << what;
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i]))
          << what << " [" << i << "]: " << a[i] << " and " << b[i];
  }

  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
};

TEST_P(Equalities, AnyChunksGiveTheSameBits) {
  const std::vector<int64_t> ids = prompt(length());
  Cache whole = cache();
  const std::vector<float> expected = read(whole, ids, 0, {160});
  for (const std::vector<size_t>& chunks :
       {std::vector<size_t>{1}, {2}, {3, 5, 7, 1}, {64}, {17}, {128}, {39, 1}}) {
    Cache fresh = cache();
    expect_same_bits(read(fresh, ids, 0, chunks), expected,
                     "chunks of " + std::to_string(chunks.front()));
  }
}

TEST_P(Equalities, InABatchIsAlone) {
  const std::vector<std::vector<int64_t>> prompts = {prompt(40, 1), prompt(1, 2), prompt(77, 3)};
  std::vector<std::vector<float>> alone;
  for (const std::vector<int64_t>& ids : prompts) {
    Cache fresh = cache();
    alone.push_back(read(fresh, ids, 0, {ids.size()}));
  }
  // Three sequences at once, each in its slot, the second half of each in a second batch.
  Cache shared = cache(3);
  std::vector<std::vector<float>> together(3);
  for (int half = 0; half < 2; ++half) {
    Batch batch;
    for (int64_t slot = 0; slot < 3; ++slot) {
      const std::vector<int64_t>& ids = prompts[static_cast<size_t>(slot)];
      const long middle = static_cast<long>(ids.size()) / 2;
      const auto begin = half == 0 ? ids.begin() : ids.begin() + middle;
      const auto end = half == 0 ? ids.begin() + middle : ids.end();
      batch.append(slot, half == 0 ? 0 : middle, {begin, end});
    }
    for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
    const Tensor logits = model_->forward(batch, shared);
    for (const Span& span : batch.spans)
      append(together[static_cast<size_t>(span.slot)], logits.rows(span.first_row, span.count));
  }
  for (size_t slot = 0; slot < 3; ++slot)
    expect_same_bits(together[slot], alone[slot], "slot " + std::to_string(slot));
}

TEST_P(Equalities, ResumedFromASavedCacheIsFresh) {
  const std::vector<int64_t> ids = prompt(length());
  for (size_t cut : {size_t{1}, size_t{3}, size_t{16}, ids.size() - 20}) {
    Cache first = cache();
    const std::vector<int64_t> head(ids.begin(), ids.begin() + static_cast<long>(cut));
    read(first, head, 0, {50});
    const auto saved = first.save(0, static_cast<int64_t>(cut));
    // Into another slot of a cache with other rings.
    Cache second(
        model_->config(), *ops_,
        {.slots = 2, .max_positions = 200, .max_chunk = 150, .rounding = GetParam().rounding});
    const Status loaded = second.load(1, static_cast<int64_t>(cut), {saved.begin(), saved.end()});
    ASSERT_TRUE(loaded) << loaded.error().message;
    expect_same_bits(read(second, ids, cut, {29}, 1), read(first, ids, cut, {150}),
                     "cut at " + std::to_string(cut));
  }
}

TEST_P(Equalities, RowsThatNothingNeedsMayBeDropped) {
  const std::vector<int64_t> ids = prompt(length()), more = prompt(40, 11);
  Cache whole = cache();
  std::vector<float> expected = read(whole, ids, 0, {160});
  expected.erase(expected.begin(), expected.end() - model_->config().vocab);
  for (size_t chunk : {ids.size(), size_t{64}, size_t{31}}) {
    Cache shortcut = cache();
    Tensor logits;
    for (size_t from = 0; from < ids.size(); from += chunk) {
      const size_t end = std::min(ids.size(), from + chunk);
      Batch batch;
      batch.append(0, static_cast<int64_t>(from),
                   {ids.begin() + static_cast<long>(from), ids.begin() + static_cast<long>(end)});
      batch.needed_from = {static_cast<int64_t>(ids.size()) - 1};
      if (end == ids.size()) batch.wanted = {batch.rows() - 1};
      logits = model_->forward(batch, shortcut);
    }
    std::vector<float> found;
    append(found, logits);
    expect_same_bits(found, expected, "next token, chunks of " + std::to_string(chunk));
    // What follows is the same too: every window that later tokens look at is there.
    std::vector<int64_t> longer = ids;
    longer.insert(longer.end(), more.begin(), more.end());
    Cache full = cache();
    read(full, ids, 0, {160});
    expect_same_bits(read(shortcut, longer, ids.size(), {1}), read(full, longer, ids.size(), {9}),
                     "what follows, chunks of " + std::to_string(chunk));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Equalities,
                         testing::Values(Case{"v4-tiny", "cpu", Rounding::none},
                                         Case{"v4-tiny", "cpu", Rounding::published},
                                         Case{"v4-tiny-fp8", "cpu", Rounding::published},
                                         Case{"v41-tiny", "cpu", Rounding::none},
                                         Case{"v41-tiny", "cpu", Rounding::published},
                                         Case{"v41-tiny-fp8", "cpu", Rounding::published},
                                         Case{"v41-tiny", "reference", Rounding::published}),
                         [](const testing::TestParamInfo<Case>& one) {
                           std::string name =
                               std::string(one.param.folder) + "_" + one.param.backend +
                               (one.param.rounding == Rounding::none ? "" : "_rounded");
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace hadal
