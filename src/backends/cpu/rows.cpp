// SPDX-License-Identifier: MIT
// Verbs over cached rows: writing, compressing, indexing, attending.
#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr int64_t kCostOfExponential = 8;

// Keys that one thread scores at a time: their rows of 128 floats fill an L2 cache half.
constexpr int64_t kScoreChunk = 1024;

// Calls take(index), ascending, for the best `limit` scores above -inf; ties: the lower index.
// Finds the worst score that still belongs to them, then passes once over the row.
template <typename Take>
void take_best(const float* scores, int64_t count, int64_t limit, std::vector<float>& sorted,
               const Take& take) {
  sorted.clear();
  for (int64_t i = 0; i < count; ++i)
    if (scores[i] > kMinusInfinity) sorted.push_back(scores[i]);
  const int64_t taken = std::min(limit, static_cast<int64_t>(sorted.size()));
  if (taken <= 0) return;
  std::nth_element(sorted.begin(), sorted.begin() + (taken - 1), sorted.end(), std::greater<>());
  const float worst = sorted[static_cast<size_t>(taken - 1)];
  int64_t ties = taken - std::count_if(sorted.begin(), sorted.begin() + taken,
                                       [worst](float score) { return score > worst; });
  for (int64_t i = 0; i < count; ++i) {
    if (scores[i] > worst)
      take(i);
    else if (scores[i] == worst && ties-- > 0)
      take(i);
  }
}

// The rows that query t sees, without the gaps: padding must not change how sums are grouped.
void gather_sight(const Sight& sight, int64_t t, int64_t width, std::vector<const float*>& rows) {
  if (!sight.ids_TN.defined() || sight.ids_TN.count() == 0) return;
  const int64_t entries = sight.ids_TN.size(1);
  for (int64_t n = 0; n < entries; ++n) {
    const int64_t id = index_at(sight.ids_TN, t * entries + n);
    if (id < 0) continue;
    DCHECK(id < sight.rows_RK.size(0), "row ", id, " of a pool of ", sight.rows_RK.size(0));
    rows.push_back(sight.rows_RK.data<float>() + id * width);
  }
}

int64_t entries_of(const Sight& sight) {
  return sight.ids_TN.defined() ? sight.ids_TN.size(1) : 0;
}

}  // namespace

void CpuOps::write_rows(Tensor& pool, const Tensor& ids, const Tensor& rows) {
  const int64_t width = pool.row_width();
  CHECK(ids.count() == 0 || rows.row_width() == width, shape_text(rows.shape()), " into ",
        shape_text(pool.shape()));
  for (int64_t t = 0; t < ids.count(); ++t) {
    const int64_t id = index_at(ids, t);
    CHECK(id < pool.size(0), "row ", id, " of a pool of ", pool.size(0));
    if (id >= 0)
      std::memcpy(pool.data<float>() + id * width, rows.data<float>() + t * width,
                  static_cast<size_t>(width) * sizeof(float));
  }
}

Tensor CpuOps::blend(const Tensor& values, const Tensor& scores, const Tensor& ids, int64_t width) {
  const int64_t groups = ids.size(0), members = ids.size(1), stride = values.size(1);
  const bool overlap = stride == 2 * width;
  CHECK((overlap || stride == width) && scores.size(1) == stride, "blend of ",
        shape_text(values.shape()), " to ", width);
  const Tensor out = Tensor::empty(DType::f32, {groups, width});
  split_rows(groups, members * width * kCostOfExponential, [&](int64_t begin, int64_t end) {
    std::vector<const float*>& rows = workspace().pointers;
    rows.resize(static_cast<size_t>(2 * members));
    for (int64_t g = begin; g < end; ++g) {
      Blend job{rows.data(), rows.data() + members, 0, width, out.data<float>() + g * width};
      for (int64_t n = 0; n < members; ++n) {
        const int64_t id = index_at(ids, g * members + n);
        if (id < 0) continue;
        const int64_t place = id * stride + (overlap && n >= members / 2 ? width : 0);
        rows[static_cast<size_t>(job.members)] = values.data<float>() + place;
        rows[static_cast<size_t>(members + job.members++)] = scores.data<float>() + place;
      }
      kernels_.blend(job);
    }
  });
  return out;
}

Tensor CpuOps::score(const Tensor& q, const Tensor& w, const Tensor& keys, const Tensor& first,
                     const Tensor& count, float scale) {
  const int64_t tokens = q.size(0), heads = q.size(1), width = q.size(2);
  int64_t entries = 1;
  for (int64_t t = 0; t < tokens; ++t) entries = std::max(entries, index_at(count, t));
  const Tensor out = Tensor::empty(DType::f32, {tokens, entries});
  const int64_t chunks = (entries + kScoreChunk - 1) / kScoreChunk;
  deal(tokens * chunks, std::min(entries, kScoreChunk) * heads * width, [&](int64_t unit) {
    const int64_t t = unit / chunks, begin = unit % chunks * kScoreChunk;
    const int64_t end = std::min(begin + kScoreChunk, entries);
    const int64_t seen = std::clamp(index_at(count, t), begin, end);
    float* row = out.data<float>() + t * entries;
    std::fill(row + seen, row + end, kMinusInfinity);
    if (seen > begin)
      kernels_.score({q.data<float>() + t * heads * width, w.data<float>() + t * heads, heads,
                      width, keys.data<float>() + (index_at(first, t) + begin) * width,
                      seen - begin, scale, row + begin});
  });
  return out;
}

Tensor CpuOps::candidates(const Tensor& scores, const Tensor& count, int64_t block, int64_t keep) {
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t blocks = (entries + block - 1) / block;
  const Tensor out = Tensor::zeros(DType::u8, {tokens, blocks});
  split_rows(tokens, entries, [&](int64_t begin, int64_t end) {
    float* best = workspace().floats(Workspace::first, blocks);
    for (int64_t t = begin; t < end; ++t) {
      const float* row = scores.data<float>() + t * entries;
      for (int64_t b = 0; b < blocks; ++b)
        best[b] = *std::max_element(row + b * block, row + std::min(entries, (b + 1) * block));
      if (const int64_t visible = index_at(count, t); visible > 0)
        best[(visible - 1) / block] = -kMinusInfinity;
      uint8_t* kept = out.data<uint8_t>() + t * blocks;
      take_best(best, blocks, keep, workspace().values, [kept](int64_t b) { kept[b] = 1; });
    }
  });
  return out;
}

Tensor CpuOps::mask_scores(const Tensor& scores, const Tensor& kept, int64_t block) {
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t blocks = tokens == 0 ? 0 : kept.size(1);
  const Tensor out = Tensor::empty(DType::f32, scores.shape());
  split_rows(tokens, entries, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = out.data<float>() + t * entries;
      const float* in = scores.data<float>() + t * entries;
      const uint8_t* keep = kept.data<uint8_t>() + t * blocks;
      std::fill_n(row, entries, kMinusInfinity);
      for (int64_t b = 0; b < blocks && b * block < entries; ++b)
        if (keep[b] != 0)
          std::copy(in + b * block, in + std::min(entries, (b + 1) * block), row + b * block);
    }
  });
  return out;
}

Tensor CpuOps::pick(const Tensor& scores, const Tensor& first, int64_t limit) {
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t width = std::min(limit, entries);
  const Tensor out = Tensor::empty(DType::i64, {tokens, width});
  split_rows(tokens, 4 * entries, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t* next = out.data<int64_t>() + t * width;
      int64_t* const row_end = next + width;
      const int64_t base = index_at(first, t);
      take_best(scores.data<float>() + t * entries, entries, limit, workspace().values,
                [&](int64_t j) { *next++ = base + j; });
      std::fill(next, row_end, -1);
    }
  });
  return out;
}

Tensor CpuOps::attend(const Tensor& q, const Sight& window, const Sight& compressed,
                      const Tensor& sink, float scale) {
  const int64_t tokens = q.size(0), heads = q.size(1), width = q.size(2);
  const Tensor out = Tensor::empty(DType::f32, q.shape());
  const int64_t entries = entries_of(window) + entries_of(compressed);
  // A few queries are cut by heads, in whole tiles; each piece gathers its rows again.
  const int64_t tiles = (heads + 3) / 4;
  const int64_t cuts = tokens >= 4 * pool_.threads() ? 1 : std::min(pool_.threads(), tiles);
  deal(tokens * cuts, 2 * entries * width * heads / std::max<int64_t>(cuts, 1), [&](int64_t unit) {
    const int64_t t = unit / cuts, cut = unit % cuts;
    std::vector<const float*>& rows = workspace().pointers;
    rows.clear();
    gather_sight(window, t, width, rows);
    gather_sight(compressed, t, width, rows);
    const int64_t count = static_cast<int64_t>(rows.size());
    const int64_t first = tiles * cut / cuts * 4;
    const int64_t last = std::min(heads, tiles * (cut + 1) / cuts * 4);
    float* scratch =
        workspace().floats(Workspace::kernel, kernels_.attend_scratch(last - first, count));
    kernels_.attend(
        {q.data<float>() + t * heads * width, out.data<float>() + t * heads * width, first, last,
         width, rows.data(), count, sink.defined() ? sink.data<float>() : nullptr, scale},
        scratch);
  });
  return out;
}

}  // namespace hadal::cpu
