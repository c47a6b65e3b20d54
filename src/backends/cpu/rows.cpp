// SPDX-License-Identifier: MIT
// Verbs over cached rows: writing, compressing, attending.
#include <algorithm>
#include <cstring>

#include "backends/cpu/cpu_verbs.h"
#include "ops/packed_rows.h"

namespace hadal::cpu {
namespace {

constexpr int64_t kCostOfExponential = 8;
constexpr int64_t kCostOfPacking = 8;

// The rows that query t sees, without the gaps: padding must not change how sums are grouped.
void gather_sight(const Sight& sight, const RowShape& shape, int64_t t,
                  std::vector<const uint8_t*>& rows) {
  if (!sight.ids_TN.defined() || sight.ids_TN.count() == 0) return;
  const int64_t entries = sight.ids_TN.size(1);
  const uint8_t* pool = sight.pool.rows.raw();
  const auto gather = [&](const auto* ids) {
    for (int64_t n = 0; n < entries; ++n) {
      if (ids[n] < 0) continue;
      DCHECK(ids[n] < sight.pool.rows.size(0), "row ", ids[n], " of a pool of ",
             sight.pool.rows.size(0));
      rows.push_back(pool + ids[n] * shape.bytes);
    }
  };
  if (sight.ids_TN.dtype() == DType::i32)
    gather(sight.ids_TN.data<int32_t>() + t * entries);
  else
    gather(sight.ids_TN.data<int64_t>() + t * entries);
}

RowShape shape_of(const Sight& sight) {
  return sight.pool.defined() ? row_shape(sight.pool) : RowShape{};
}

int64_t entries_of(const Sight& sight) {
  return sight.ids_TN.defined() ? sight.ids_TN.size(1) : 0;
}

}  // namespace

void CpuOps::write_rows(Tensor& pool, const Tensor& ids, const Tensor& rows) {
  const int64_t width = pool.row_width();
  CHECK(ids.count() == 0 || (rows.row_width() == width && rows.dtype() == pool.dtype()),
        shape_text(rows.shape()), " into ", shape_text(pool.shape()));
  const int64_t bytes = width * element_bytes(pool.dtype());
  for (int64_t t = 0; t < ids.count(); ++t) {
    const int64_t id = index_at(ids, t);
    CHECK(id < pool.size(0), "row ", id, " of a pool of ", pool.size(0));
    if (id >= 0)
      std::memcpy(pool.raw() + id * bytes, rows.raw() + t * bytes, static_cast<size_t>(bytes));
  }
}

void CpuOps::keep_rows(Pool& pool, const Tensor& ids, const Tensor& rows) {
  if (!pool.packed()) return Ops::keep_rows(pool, ids, rows);
  const PackedRow packed(pool.layout);
  const int64_t width = pool.layout.width;
  CHECK(ids.count() == 0 || rows.row_width() == width, shape_text(rows.shape()), " into ",
        shape_text(pool.rows.shape()));
  split_rows(ids.count(), width * kCostOfPacking, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t id = index_at(ids, t);
      CHECK(id < pool.rows.size(0), "row ", id, " of a pool of ", pool.rows.size(0));
      if (id >= 0) packed.pack(rows.data<float>() + t * width, pool.rows.raw() + id * packed.bytes);
    }
  });
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

Tensor CpuOps::attend(const Tensor& q, const Sight& window, const Sight& compressed,
                      const Tensor& sink, float scale) {
  const int64_t tokens = q.size(0), heads = q.size(1), width = q.size(2);
  const Tensor out = Tensor::empty(DType::f32, q.shape());
  const int64_t entries = entries_of(window) + entries_of(compressed);
  // A few queries are cut by heads, in whole tiles; each piece gathers its rows again.
  const int64_t tiles = (heads + 3) / 4;
  const int64_t cuts = tokens >= 4 * pool_.threads() ? 1 : std::min(pool_.threads(), tiles);
  const RowShape near = shape_of(window), far = shape_of(compressed);
  deal(tokens * cuts, 2 * entries * width * heads / std::max<int64_t>(cuts, 1), [&](int64_t unit) {
    const int64_t t = unit / cuts, cut = unit % cuts;
    std::vector<const uint8_t*>& rows = workspace().rows;
    rows.clear();
    gather_sight(window, near, t, rows);
    Attention job;
    job.near_count = static_cast<int64_t>(rows.size());
    gather_sight(compressed, far, t, rows);
    job.count = static_cast<int64_t>(rows.size());
    job.rows = rows.data();
    job.near = &near;
    job.far = &far;
    job.q = q.data<float>() + t * heads * width;
    job.out = out.data<float>() + t * heads * width;
    job.first = tiles * cut / cuts * 4;
    job.last = std::min(heads, tiles * (cut + 1) / cuts * 4);
    job.width = width;
    job.sinks = sink.defined() ? sink.data<float>() : nullptr;
    job.scale = scale;
    const int64_t scratch = attend_kernels_.scratch(job.last - job.first, job.count, width);
    attend_kernels_.attend(job, workspace().floats(Workspace::kernel, scratch));
  });
  return out;
}

}  // namespace hadal::cpu
