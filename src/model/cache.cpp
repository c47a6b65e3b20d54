// SPDX-License-Identifier: MIT
// Positions to row ids: pure arithmetic, and the pools it points into.
#include "model/cache.h"

#include <algorithm>
#include <set>

#include "base/checked.h"

namespace hadal {
namespace {

constexpr int64_t kNothing = -1;

Tensor ids_tensor(Shape shape, int64_t fill) {
  Tensor ids = Tensor::empty(DType::i64, std::move(shape));
  std::fill_n(ids.data<int64_t>(), ids.count(), fill);
  return ids;
}

// Calls visit(row, slot, position) for every row of a batch.
template <typename Visit>
void for_rows(const Batch& batch, Visit visit) {
  for (const Span& span : batch.spans)
    for (int64_t i = 0; i < span.count; ++i) visit(span.first_row + i, span.slot, span.start + i);
}

}  // namespace

void Batch::append(int64_t slot, int64_t start, const std::vector<int64_t>& tokens) {
  spans.push_back({slot, rows(), static_cast<int64_t>(tokens.size()), start});
  ids.insert(ids.end(), tokens.begin(), tokens.end());
}

Tensor Batch::ids_T() const {
  return Tensor::of_ints({rows()}, ids);
}

Tensor Batch::positions_T() const {
  Tensor positions = ids_tensor({rows()}, 0);
  for_rows(*this, [&](int64_t row, int64_t, int64_t position) {
    positions.data<int64_t>()[row] = position;
  });
  return positions;
}

Cache::Cache(const ModelConfig& config, Ops& ops, const CacheOptions& options)
    : config_(config), ops_(ops), options_(options) {
  if (options_.max_positions == 0) options_.max_positions = config_.max_positions;
  options_.max_chunk = std::min(options_.max_chunk, options_.max_positions);
  ring_ = std::min(config_.window - 1 + options_.max_chunk, options_.max_positions);
  tokens_.resize(static_cast<size_t>(options_.slots));
  const int64_t all_layers = static_cast<int64_t>(config_.compress_ratios.size());
  layers.resize(static_cast<size_t>(all_layers));
  for (int64_t layer = 0; layer < all_layers; ++layer) make_pools(layer);
}

void Cache::make_pools(int64_t layer) {
  LayerCache& pools = layers[static_cast<size_t>(layer)];
  pools.window = ops_.make_pool(options_.slots * ring_, config_.head_width);
  if (layer >= config_.layers || !config_.is_kv_source(layer)) return;
  const int64_t ratio = config_.ratio(layer);
  const int64_t entries = options_.slots * entries_of(ratio);
  const int64_t states = options_.slots * state_ring_of(ratio);
  const int64_t halves = overlapping_ratio(ratio) ? 2 : 1;
  pools.compressed = ops_.make_pool(entries, config_.head_width);
  if (ratio > 1) {
    pools.state_values = ops_.make_pool(states, halves * config_.head_width);
    pools.state_scores = ops_.make_pool(states, halves * config_.head_width);
  }
  if (!config_.is_index_source(layer)) return;
  pools.index_keys = ops_.make_pool(entries, config_.index_width);
  if (config_.family == Family::v4) {
    pools.index_state_values = ops_.make_pool(states, halves * config_.index_width);
    pools.index_state_scores = ops_.make_pool(states, halves * config_.index_width);
  }
}

bool Cache::overlapping_ratio(int64_t ratio) const {
  return config_.family == Family::v4 && ratio == 4;
}

int64_t Cache::entries_of(int64_t ratio) const {
  return options_.max_positions / ratio + 1;
}

int64_t Cache::state_ring_of(int64_t ratio) const {
  const int64_t halves = overlapping_ratio(ratio) ? 2 : 1;
  return ceil_div(halves * ratio - 1 + options_.max_chunk, ratio) * ratio;
}

Plan Cache::plan(const Batch& batch, bool list_all) const {
  Plan plan;
  plan_window(batch, plan);
  std::set<int64_t> ratios;
  for (int64_t layer = 0; layer < config_.layers; ++layer)
    if (config_.ratio(layer) > 0) ratios.insert(config_.ratio(layer));
  for (int64_t ratio : ratios) {
    const bool no_indexer = config_.family == Family::v4 && ratio != 4;
    plan.groups[ratio] = plan_groups(batch, ratio, list_all || no_indexer);
  }
  return plan;
}

void Cache::plan_window(const Batch& batch, Plan& plan) const {
  int64_t longest = 1;  // no query sees further back than its own position
  for (const Span& span : batch.spans) {
    CHECK(span.count <= options_.max_chunk, "a span of ", span.count, " rows");
    CHECK(span.slot < options_.slots && span.start + span.count <= options_.max_positions,
          "positions ", span.start, "+", span.count, " of ", options_.max_positions);
    longest = std::max(longest, std::min(config_.window, span.start + span.count));
  }
  plan.write_ids_T = ids_tensor({batch.rows()}, kNothing);
  plan.window_ids_TW = ids_tensor({batch.rows(), longest}, kNothing);
  for_rows(batch, [&](int64_t row, int64_t slot, int64_t position) {
    const int64_t base = slot * ring_;
    plan.write_ids_T.data<int64_t>()[row] = base + position % ring_;
    const int64_t seen = std::min(config_.window, position + 1);
    for (int64_t i = 0; i < seen; ++i)
      plan.window_ids_TW.data<int64_t>()[row * longest + i] =
          base + (position - seen + 1 + i) % ring_;
  });
}

GroupPlan Cache::plan_groups(const Batch& batch, int64_t ratio, bool list_all) const {
  const int64_t rows = batch.rows(), ring = state_ring_of(ratio), entries = entries_of(ratio);
  const int64_t members = (overlapping_ratio(ratio) ? 2 : 1) * ratio;
  GroupPlan plan;
  plan.state_ids_T = ids_tensor({rows}, kNothing);
  plan.phase_T = ids_tensor({rows}, 0);
  plan.first_T = ids_tensor({rows}, 0);
  plan.count_T = ids_tensor({rows}, 0);
  std::vector<int64_t> member_ids, entry_ids, entry_positions;
  int64_t most = 0;
  for_rows(batch, [&](int64_t row, int64_t slot, int64_t position) {
    plan.state_ids_T.data<int64_t>()[row] = slot * ring + position % ring;
    plan.phase_T.data<int64_t>()[row] = position % ratio;
    plan.first_T.data<int64_t>()[row] = slot * entries;
    plan.count_T.data<int64_t>()[row] = (position + 1) / ratio;
    most = std::max(most, (position + 1) / ratio);
    if ((position + 1) % ratio != 0) return;
    const int64_t entry = position / ratio;
    entry_ids.push_back(slot * entries + entry);
    entry_positions.push_back(entry * ratio);
    for (int64_t member = position - members + 1; member <= position; ++member)
      member_ids.push_back(member < 0 ? kNothing : slot * ring + member % ring);
  });
  const int64_t groups = static_cast<int64_t>(entry_ids.size());
  plan.member_ids_GN = Tensor::of_ints({groups, members}, member_ids);
  plan.entry_ids_G = Tensor::of_ints({groups}, entry_ids);
  plan.entry_positions_G = Tensor::of_ints({groups}, entry_positions);
  if (!list_all) return plan;
  plan.all_ids_TN = ids_tensor({rows, most}, kNothing);
  for_rows(batch, [&](int64_t row, int64_t slot, int64_t position) {
    for (int64_t j = 0; j < (position + 1) / ratio; ++j)
      plan.all_ids_TN.data<int64_t>()[row * most + j] = slot * entries + j;
  });
  return plan;
}

void Cache::note(const Batch& batch) {
  for_rows(batch, [&](int64_t row, int64_t slot, int64_t position) {
    std::vector<int64_t>& tokens = tokens_[static_cast<size_t>(slot)];
    CHECK(position <= static_cast<int64_t>(tokens.size()), "position ", position,
          " follows a sequence of ", tokens.size());
    tokens.resize(static_cast<size_t>(position + 1));
    tokens.back() = batch.ids[static_cast<size_t>(row)];
  });
}

int64_t Cache::token_at(int64_t slot, int64_t position) const {
  return tokens_[static_cast<size_t>(slot)][static_cast<size_t>(position)];
}

std::vector<Cache::LiveRows> Cache::live_rows(int64_t slot, int64_t length) {
  auto ring_ids = [&](int64_t ring, int64_t reach) {
    std::vector<int64_t> ids;
    for (int64_t p = std::max<int64_t>(0, length - reach); p < length; ++p)
      ids.push_back(slot * ring + p % ring);
    return ids;
  };
  std::vector<LiveRows> live;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    LayerCache& pools = layers[layer];
    const std::string name = "layers." + std::to_string(layer) + ".";
    live.push_back({name + "window", &pools.window, ring_ids(ring_, config_.window - 1)});
    if (!pools.compressed.defined()) continue;
    const int64_t ratio = config_.compress_ratios[layer];
    std::vector<int64_t> entries;
    for (int64_t j = 0; j < length / ratio; ++j) entries.push_back(slot * entries_of(ratio) + j);
    const int64_t reach = (overlapping_ratio(ratio) ? 2 : 1) * ratio - 1;
    const std::vector<int64_t> states = ring_ids(state_ring_of(ratio), reach);
    live.push_back({name + "compressed", &pools.compressed, entries});
    live.push_back({name + "index_keys", &pools.index_keys, entries});
    live.push_back({name + "state_values", &pools.state_values, states});
    live.push_back({name + "state_scores", &pools.state_scores, states});
    live.push_back({name + "index_state_values", &pools.index_state_values, states});
    live.push_back({name + "index_state_scores", &pools.index_state_scores, states});
  }
  std::erase_if(live, [](const LiveRows& rows) { return !rows.pool->defined(); });
  return live;
}

std::vector<std::pair<std::string, Tensor>> Cache::save(int64_t slot, int64_t length) {
  const std::vector<int64_t>& tokens = tokens_[static_cast<size_t>(slot)];
  CHECK(length <= static_cast<int64_t>(tokens.size()));
  std::vector<std::pair<std::string, Tensor>> saved;
  saved.emplace_back("tokens",
                     Tensor::of_ints({length}, {tokens.begin(), tokens.begin() + length}));
  for (const LiveRows& rows : live_rows(slot, length)) {
    const Tensor ids = Tensor::of_ints({static_cast<int64_t>(rows.ids.size())}, rows.ids);
    saved.emplace_back(rows.name, ops_.to_host(ops_.take_rows(*rows.pool, ids)));
  }
  return saved;
}

Status Cache::load(int64_t slot, int64_t length, const std::map<std::string, Tensor>& tensors) {
  if (length < 0 || length > options_.max_positions)
    return fail("cache: found ", length, " positions, expected at most ", options_.max_positions);
  auto find = [&](const std::string& name, DType dtype, const Shape& shape) -> Result<Tensor> {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return fail("cache: tensor ", name, " is missing");
    if (found->second.shape() != shape || found->second.dtype() != dtype)
      return fail("cache: ", name, ": found ", dtype_name(found->second.dtype()), " ",
                  shape_text(found->second.shape()), ", expected ", dtype_name(dtype), " ",
                  shape_text(shape));
    return found->second;
  };
  TRY(const Tensor tokens, find("tokens", DType::i64, {length}));
  for (int64_t i = 0; i < length; ++i)
    if (tokens.data<int64_t>()[i] < 0 || tokens.data<int64_t>()[i] >= config_.vocab)
      return fail("cache: tokens[", i, "]: found ", tokens.data<int64_t>()[i],
                  ", expected an id below ", config_.vocab);
  const std::vector<LiveRows> live = live_rows(slot, length);
  std::vector<Tensor> values;  // all of it is checked before any of it is used
  for (const LiveRows& rows : live) {
    TRY(Tensor value,
        find(rows.name, DType::f32, {static_cast<int64_t>(rows.ids.size()), rows.pool->size(1)}));
    values.push_back(std::move(value));
  }
  for (size_t i = 0; i < live.size(); ++i)
    ops_.write_rows(*live[i].pool,
                    Tensor::of_ints({static_cast<int64_t>(live[i].ids.size())}, live[i].ids),
                    values[i]);
  tokens_[static_cast<size_t>(slot)].assign(tokens.data<int64_t>(),
                                            tokens.data<int64_t>() + length);
  return Ok{};
}

}  // namespace hadal
