// SPDX-License-Identifier: MIT
// The caches: writing, pooling, indexing, choosing and attending to rows by id.
#include "backends/torch/choose.h"
#include "backends/torch/fused.h"
#include "backends/torch/torch_verbs.h"

#include <algorithm>
#include <limits>

namespace hadal {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rows of a pool by id; what stands where the id is -1 does not matter, but it is finite.
at::Tensor gather_rows(const at::Tensor& pool_RK, const at::Tensor& ids_TN) {
  std::vector<int64_t> shape = ids_TN.sizes().vec();
  shape.push_back(pool_RK.size(1));
  if (pool_RK.size(0) == 0) return at::zeros(shape, pool_RK.options());
  return pool_RK.index_select(0, ids_TN.clamp_min(0).view(-1)).view(shape);
}

// Softmax that gives 0, and a gradient of 0, where a slice is -inf throughout.
at::Tensor softmax_or_zero(const at::Tensor& scores, int64_t axis) {
  const at::Tensor top = scores.detach().amax(axis, true).clamp_min(-1e30);
  const at::Tensor powers = at::exp(scores - top);
  const at::Tensor sum = powers.sum(axis, true);
  return powers / at::where(sum > 0, sum, at::ones_like(sum));
}

}  // namespace

void TorchOps::write_rows(Tensor& pool, const Tensor& ids_T, const Tensor& rows_TK) {
  TorchStorage* storage = torch_storage(pool);
  CHECK(storage != nullptr, "a pool of another back end");
  const int64_t width = pool.size(1);
  at::Tensor ids = host_ints(ids_T).view(-1);
  at::Tensor rows = real(rows_TK).view({-1, width});
  const at::Tensor kept = ids.ge(0).nonzero().view(-1);
  if (kept.numel() == 0) return;
  if (kept.numel() < ids.numel()) {
    ids = ids.index_select(0, kept);
    rows = rows.index_select(0, kept.to(device_));
  }
  CHECK(ids.max().item<int64_t>() < pool.size(0));
  const at::Tensor& root = storage->root();
  const at::Tensor places = (ids + pool.offset() / width).to(device_);
  if (at::GradMode::is_enabled())
    storage->replace(root.view({-1, width}).index_copy(0, places, rows).view(root.sizes()));
  else
    storage->root().view({-1, width}).index_copy_(0, places, rows);
}

Tensor TorchOps::blend(const Tensor& values_R, const Tensor& scores_R, const Tensor& ids_GN,
                       int64_t width) {
  const at::Tensor ids = ints(ids_GN);
  const int64_t groups = ids.size(0), members = ids.size(1);
  at::Tensor values = gather_rows(real(values_R), ids);
  at::Tensor scores = gather_rows(real(scores_R), ids);
  if (values.size(2) == 2 * width) {
    const auto halves = [&](const at::Tensor& both) {
      const int64_t middle = members / 2;
      return at::cat({both.narrow(1, 0, middle).narrow(2, 0, width),
                      both.narrow(1, middle, members - middle).narrow(2, width, width)},
                     1);
    };
    values = halves(values);
    scores = halves(scores);
  }
  if (members == 0) return wrap(at::zeros({groups, width}, values.options()));
  scores = scores.masked_fill(ids.lt(0).unsqueeze(-1), -kInfinity);
  return wrap((softmax_or_zero(scores, 1) * values).sum(1));
}

// Neighbouring queries that start at the same row (one sequence of a packed batch) share a product.
Tensor TorchOps::score(const Tensor& q_, const Tensor& w_, const Pool& pool, const Tensor& first_,
                       const Tensor& count_, float scale) {
  const at::Tensor q_THK = real(q_), w_TH = real(w_), keys_RK = real(pool.rows);
  const at::Tensor first = host_ints(first_), count = host_ints(count_);
  if (fused_) return wrap(fused_score(q_THK, w_TH, keys_RK, first, count, scale));
  const int64_t tokens = q_THK.size(0), heads = q_THK.size(1), width = q_THK.size(2);
  const int64_t* firsts = first.data_ptr<int64_t>();
  const int64_t* counts = count.data_ptr<int64_t>();
  const int64_t entries =
      std::max<int64_t>(1, tokens == 0 ? 0 : *std::max_element(counts, counts + tokens));
  std::vector<at::Tensor> parts;
  for (int64_t t = 0, end = 0; t < tokens; t = end) {
    int64_t seen = 0;
    for (end = t; end < tokens && firsts[end] == firsts[t]; ++end)
      seen = std::max(seen, counts[end]);
    const int64_t queries = end - t;
    const at::Tensor keys = keys_RK.narrow(0, seen == 0 ? 0 : firsts[t], seen);
    const at::Tensor match_QHN = at::mm(q_THK.narrow(0, t, queries).reshape({-1, width}), keys.t())
                                     .view({queries, heads, seen});
    const at::Tensor sum = (w_TH.narrow(0, t, queries).unsqueeze(-1) * match_QHN.relu()).sum(1);
    parts.push_back(at::constant_pad_nd(sum, {0, entries - seen}));
  }
  if (parts.empty()) return wrap(at::empty({0, entries}, q_THK.options()));
  const at::Tensor place = at::arange(entries, at::TensorOptions(at::kLong).device(device_));
  const at::Tensor hidden = place.unsqueeze(0).ge(count.to(device_).view({-1, 1}));
  return wrap((at::cat(parts, 0) * scale).masked_fill(hidden, -kInfinity));
}

Tensor TorchOps::candidates(const Tensor& scores_, const Tensor& count_, int64_t block,
                            int64_t keep) {
  const at::NoGradGuard no_gradients;
  if (fused_) return wrap(candidates_on_host(real(scores_), ints(count_), block, keep));
  const at::Tensor scores = real(scores_), count = ints(count_).view({-1, 1});
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t blocks = (entries + block - 1) / block;
  const at::Tensor padded = at::constant_pad_nd(scores, {0, blocks * block - entries}, -kInfinity);
  const at::Tensor place = at::arange(blocks, at::TensorOptions(at::kLong).device(device_));
  const at::Tensor last = at::floor_divide(count - 1, block);
  const at::Tensor best = padded.view({tokens, blocks, block})
                              .amax(-1)
                              .masked_fill(place.unsqueeze(0).eq(last) & count.gt(0), kInfinity);
  const auto [sorted, order] = at::sort(best, /*stable=*/true, 1, /*descending=*/true);
  const int64_t kept = std::min(keep, blocks);
  const at::Tensor chosen = sorted.narrow(1, 0, kept).gt(-kInfinity).to(at::kByte);
  return wrap(
      at::zeros({tokens, blocks}, chosen.options()).scatter(1, order.narrow(1, 0, kept), chosen));
}

Tensor TorchOps::mask_scores(const Tensor& scores_, const Tensor& kept_TB, int64_t block) {
  const at::Tensor scores = real(scores_);
  const at::Tensor kept = unwrap(kept_TB).to(device_).to(at::kBool);
  const int64_t entries = scores.size(1), covered = kept.size(1) * block;
  at::Tensor hidden = kept.logical_not().repeat_interleave(block, 1);
  hidden = covered >= entries ? hidden.narrow(1, 0, entries)
                              : at::constant_pad_nd(hidden, {0, entries - covered}, true);
  return wrap(scores.masked_fill(hidden, -kInfinity));
}

Tensor TorchOps::pick(const Tensor& scores_, const Tensor& first_T, int64_t limit) {
  const at::NoGradGuard no_gradients;
  const at::Tensor scores = real(scores_);
  if (fused_) return wrap(pick_on_host(scores, ints(first_T), limit));
  const int64_t width = std::min(limit, scores.size(1));
  const int64_t nothing = std::numeric_limits<int64_t>::max();
  const auto [sorted, order] = at::sort(scores, /*stable=*/true, 1, /*descending=*/true);
  const at::Tensor seen = sorted.narrow(1, 0, width).gt(-kInfinity);
  const at::Tensor picked = order.narrow(1, 0, width) + ints(first_T).view({-1, 1});
  const at::Tensor ascending =
      std::get<0>(at::sort(picked.masked_fill(seen.logical_not(), nothing), 1, false));
  return wrap(ascending.masked_fill(ascending.eq(nothing), -1));
}

// The sink stands as one more logit with no row behind it, so no slice is -inf throughout.
Tensor TorchOps::attend(const Tensor& q_, const Sight& window, const Sight& compressed,
                        const Tensor& sink_H, float scale) {
  const at::Tensor q_THK = real(q_);
  const int64_t tokens = q_THK.size(0), heads = q_THK.size(1);
  if (fused_) {
    const auto sight_of = [&](const Sight& sight) {
      return sight.ids_TN.defined() ? FusedSight{real(sight.pool.rows), ints(sight.ids_TN)}
                                    : FusedSight{};
    };
    return wrap(fused_attend(q_THK, sight_of(window), sight_of(compressed), real(sink_H), scale));
  }
  std::vector<at::Tensor> rows, logits;
  for (const Sight* sight : {&window, &compressed}) {
    if (!sight->ids_TN.defined() || sight->ids_TN.size(1) == 0) continue;
    const at::Tensor ids_TN = ints(sight->ids_TN);
    rows.push_back(gather_rows(real(sight->pool.rows), ids_TN));
    logits.push_back((at::bmm(q_THK, rows.back().transpose(1, 2)) * scale)
                         .masked_fill(ids_TN.lt(0).unsqueeze(1), -kInfinity));
  }
  if (rows.empty()) return wrap(at::zeros_like(q_THK));
  logits.push_back(real(sink_H).view({1, heads, 1}).expand({tokens, heads, 1}));
  const at::Tensor shares_THN = at::softmax(at::cat(logits, 2), 2);
  const at::Tensor rows_TNK = at::cat(rows, 1);
  return wrap(at::bmm(shares_THN.narrow(2, 0, rows_TNK.size(1)), rows_TNK));
}

}  // namespace hadal
