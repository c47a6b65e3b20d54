// SPDX-License-Identifier: MIT
// Positions to row ids: pure arithmetic, and the pools it points into.
#include "model/cache.h"

#include <algorithm>
#include <set>

#include "base/checked.h"
#include "ops/packed_rows.h"

namespace hadal {
namespace {

constexpr int64_t kNothing = -1;

Tensor ids_tensor(Shape shape, int64_t fill) {
  Tensor ids = Tensor::empty(DType::i64, std::move(shape));
  std::fill_n(ids.data<int64_t>(), ids.count(), fill);
  return ids;
}

// Calls visit(row, span, position) for every row of a batch.
template <typename Visit>
void for_rows(const Batch& batch, Visit visit) {
  for (const Span& span : batch.spans)
    for (int64_t i = 0; i < span.count; ++i) visit(span.first_row + i, span, span.start + i);
}

// How many compressed entries a row sees.  A block that is being refined sees those that were
// there before it.
int64_t entries_seen(const Span& span, int64_t position, int64_t ratio) {
  return (span.two_way ? span.start : position + 1) / ratio;
}

// Bytes of packed rows that were stored; floats are looked at by who read them (session_file.cpp).
Status check_packed(const std::string& name, const Tensor& rows, const RowLayout& layout) {
  if (rows.dtype() != DType::u8) return Ok{};
  const PackedRow packed(layout);
  for (int64_t row = 0; row < rows.size(0); ++row)
    if (!packed.holds_numbers(rows.data<uint8_t>() + row * packed.bytes))
      return fail("cache: ", name, ": row ", row, " is no numbers, expected finite ones");
  return Ok{};
}

}  // namespace

CacheLayouts cache_layouts(const ModelConfig& config, const CacheOptions& options) {
  const int64_t head = config.head_width, index = config.index_width;
  if (options.rounding == Rounding::none) return {{head}, {head}, {index}};
  const RowLayout keys{index, RowFormat::fp4_32};
  if (config.family == Family::v41)
    return {{head, RowFormat::fp8_32}, {head, RowFormat::fp4_e4m3_16}, keys};
  const bool narrow = options.tail == RotaryTail::bf16;
  const RowLayout row{head, narrow ? RowFormat::fp8_64_bf16 : RowFormat::fp8_64_tail,
                      config.rope_width};
  return {row, row, keys};
}

void Batch::append(int64_t slot, int64_t start, const std::vector<int64_t>& tokens, bool two_way) {
  spans.push_back({slot, rows(), static_cast<int64_t>(tokens.size()), start, two_way});
  ids.insert(ids.end(), tokens.begin(), tokens.end());
}

Tensor Batch::ids_T() const {
  return Tensor::of_ints({rows()}, ids);
}

Cache::Cache(const ModelConfig& config, Ops& ops, const CacheOptions& options)
    : config_(config), ops_(ops), options_(options) {
  if (options_.max_positions == 0) options_.max_positions = config_.max_positions;
  options_.max_chunk = std::min(options_.max_chunk, options_.max_positions);
  ring_ = std::min(config_.window_reach() + options_.max_chunk, options_.max_positions);
  sequences_.resize(static_cast<size_t>(options_.slots));
  const int64_t all_layers = static_cast<int64_t>(config_.compress_ratios.size());
  layers.resize(static_cast<size_t>(all_layers));
  for (int64_t layer = 0; layer < all_layers; ++layer) make_pools(layer);
}

void Cache::make_pools(int64_t layer) {
  LayerCache& pools = layers[static_cast<size_t>(layer)];
  const CacheLayouts layouts = cache_layouts(config_, options_);
  pools.window = ops_.make_row_pool(options_.slots * ring_, layouts.window);
  if (layer >= config_.layers || !config_.is_kv_source(layer)) return;
  const int64_t ratio = config_.ratio(layer);
  const int64_t entries = options_.slots * entries_of(ratio);
  const int64_t states = options_.slots * state_ring_of(ratio);
  const int64_t halves = overlapping_ratio(ratio) ? 2 : 1;
  pools.compressed = ops_.make_row_pool(entries, layouts.compressed);
  if (ratio > 1) {
    pools.state_values = ops_.make_pool(states, halves * config_.head_width);
    pools.state_scores = ops_.make_pool(states, halves * config_.head_width);
  }
  if (!config_.is_index_source(layer)) return;
  pools.index_keys = ops_.make_row_pool(entries, layouts.index_keys);
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

Tensor Cache::positions_of(
    const std::vector<std::pair<int64_t, int64_t>>& slots_and_positions) const {
  const int64_t rows = static_cast<int64_t>(slots_and_positions.size());
  if (!config_.visual.drawn()) {
    Tensor positions = ids_tensor({rows}, 0);
    for (int64_t row = 0; row < rows; ++row)
      positions.data<int64_t>()[row] = slots_and_positions[static_cast<size_t>(row)].second;
    return positions;
  }
  Tensor positions = ids_tensor({rows, 3}, 0);
  for (int64_t row = 0; row < rows; ++row) {
    const auto [slot, position] = slots_and_positions[static_cast<size_t>(row)];
    const RotaryPlace& place = place_at(slot, position);
    int64_t* axes = positions.data<int64_t>() + 3 * row;
    axes[0] = place.time, axes[1] = place.row, axes[2] = place.column;
  }
  return positions;
}

void Cache::window_of(const Span& span, int64_t position, std::vector<int64_t>& seen) const {
  const int64_t last = span.two_way ? span.start + span.count - 1 : position;
  int64_t first = std::max<int64_t>(0, position - config_.window + 1);
  if (span.two_way) first = std::min(first, span.start);
  seen.clear();
  // Motion finds its source: the same place of the frame before and the cells around it are in
  // sight however large a frame is.
  const RotaryPlace* place = config_.visual.drawn() ? &place_at(span.slot, position) : nullptr;
  if (place != nullptr && place->cell >= 0 && place->frame > 0) {
    const int64_t rows = place->frame_rows, columns = place->frame_columns;
    const int64_t row = place->cell / columns, column = place->cell % columns;
    const int64_t frame_before = position - place->cell - 1 - rows * columns;  // its first cell
    const int64_t reach = config_.visual.reach;
    for (int64_t y = std::max<int64_t>(0, row - reach); y <= std::min(rows - 1, row + reach); ++y)
      for (int64_t x = std::max<int64_t>(0, column - reach);
           x <= std::min(columns - 1, column + reach); ++x)
        if (frame_before + y * columns + x < first) seen.push_back(frame_before + y * columns + x);
  }
  for (int64_t p = first; p <= last; ++p) seen.push_back(p);
}

void Cache::plan_window(const Batch& batch, Plan& plan) const {
  std::vector<std::vector<int64_t>> seen(static_cast<size_t>(batch.rows()));
  std::vector<std::pair<int64_t, int64_t>> places;
  size_t longest = 1;
  plan.write_ids_T = ids_tensor({batch.rows()}, kNothing);
  for (const Span& span : batch.spans) {
    CHECK(span.count <= options_.max_chunk, "a span of ", span.count, " rows");
    CHECK(span.slot < options_.slots && span.start + span.count <= options_.max_positions,
          "positions ", span.start, "+", span.count, " of ", options_.max_positions);
  }
  for_rows(batch, [&](int64_t row, const Span& span, int64_t position) {
    plan.write_ids_T.data<int64_t>()[row] = span.slot * ring_ + position % ring_;
    places.emplace_back(span.slot, position);
    window_of(span, position, seen[static_cast<size_t>(row)]);
    longest = std::max(longest, seen[static_cast<size_t>(row)].size());
  });
  plan.positions = positions_of(places);
  const int64_t width = static_cast<int64_t>(longest);
  plan.window_ids_TW = ids_tensor({batch.rows(), width}, kNothing);
  for_rows(batch, [&](int64_t row, const Span& span, int64_t) {
    int64_t* ids = plan.window_ids_TW.data<int64_t>() + row * width;
    for (int64_t position : seen[static_cast<size_t>(row)])
      *ids++ = span.slot * ring_ + position % ring_;
  });
}

Plan Cache::plan_blocks(const Batch& batch) const {
  Plan plan;
  const int64_t rows = batch.rows(), axes = config_.visual.drawn() ? 3 : 1;
  int64_t longest = 0, block = 0;
  for (const Span& span : batch.spans) {
    longest = std::max(longest, std::min(span.start, config_.window));
    block = std::max(block, span.count);
  }
  plan.positions = axes == 1 ? ids_tensor({rows}, 0) : ids_tensor({rows, axes}, 0);
  plan.write_ids_T = ids_tensor({rows}, 0);
  plan.window_ids_TW = ids_tensor({rows, longest}, kNothing);
  plan.block_ids_TB = ids_tensor({rows, block}, kNothing);
  for_rows(batch, [&](int64_t row, const Span& span, int64_t position) {
    // After text every axis counts on by one a token (visual_sequence.h).
    const int64_t ahead = position - span.start + 1;
    const int64_t place = axes == 1 ? position : place_at(span.slot, span.start - 1).time + ahead;
    std::fill_n(plan.positions.data<int64_t>() + row * axes, axes, place);
    plan.write_ids_T.data<int64_t>()[row] = row;
    int64_t* window = plan.window_ids_TW.data<int64_t>() + row * longest;
    for (int64_t p = std::max<int64_t>(0, span.start - config_.window); p < span.start; ++p)
      *window++ = span.slot * ring_ + p % ring_;
    for (int64_t b = 0; b < span.count; ++b)
      plan.block_ids_TB.data<int64_t>()[row * block + b] = span.first_row + b;
  });
  return plan;
}

GroupPlan Cache::plan_groups(const Batch& batch, int64_t ratio, bool list_all) const {
  const int64_t rows = batch.rows(), ring = state_ring_of(ratio), entries = entries_of(ratio);
  const int64_t members = (overlapping_ratio(ratio) ? 2 : 1) * ratio;
  GroupPlan plan;
  plan.state_ids_T = ids_tensor({rows}, kNothing);
  plan.phase_T = ids_tensor({rows}, 0);
  plan.first_T = ids_tensor({rows}, 0);
  plan.count_T = ids_tensor({rows}, 0);
  std::vector<int64_t> member_ids, entry_ids, entry_rows;
  std::vector<std::pair<int64_t, int64_t>> entry_places;
  int64_t most = 0;
  for_rows(batch, [&](int64_t row, const Span& span, int64_t position) {
    const int64_t slot = span.slot, seen = entries_seen(span, position, ratio);
    plan.phase_T.data<int64_t>()[row] = position % ratio;
    plan.first_T.data<int64_t>()[row] = slot * entries;
    plan.count_T.data<int64_t>()[row] = seen;
    most = std::max(most, seen);
    if (span.two_way) return;
    plan.state_ids_T.data<int64_t>()[row] = slot * ring + position % ring;
    if ((position + 1) % ratio != 0) return;
    const int64_t entry = position / ratio;
    entry_ids.push_back(slot * entries + entry);
    entry_rows.push_back(row);
    entry_places.emplace_back(slot, entry * ratio);
    for (int64_t member = position - members + 1; member <= position; ++member)
      member_ids.push_back(member < 0 ? kNothing : slot * ring + member % ring);
  });
  const int64_t groups = static_cast<int64_t>(entry_ids.size());
  plan.member_ids_GN = Tensor::of_ints({groups, members}, member_ids);
  plan.entry_ids_G = Tensor::of_ints({groups}, entry_ids);
  plan.entry_rows_G = Tensor::of_ints({groups}, entry_rows);
  plan.entry_positions = positions_of(entry_places);
  if (!list_all) return plan;
  plan.all_ids_TN = ids_tensor({rows, most}, kNothing);
  for_rows(batch, [&](int64_t row, const Span& span, int64_t position) {
    for (int64_t j = 0; j < entries_seen(span, position, ratio); ++j)
      plan.all_ids_TN.data<int64_t>()[row * most + j] = span.slot * entries + j;
  });
  return plan;
}

void Cache::note(const Batch& batch) {
  for_rows(batch, [&](int64_t row, const Span& span, int64_t position) {
    note(sequences_[static_cast<size_t>(span.slot)], position, batch.ids[static_cast<size_t>(row)]);
  });
}

// The token at a position; what stood there and after it is forgotten.
void Cache::note(Sequence& sequence, int64_t position, int64_t id) const {
  CHECK(position <= static_cast<int64_t>(sequence.tokens.size()), "position ", position,
        " follows a sequence of ", sequence.tokens.size());
  const size_t place = static_cast<size_t>(position), every = static_cast<size_t>(kStateEvery);
  const bool appended = place == sequence.tokens.size();
  sequence.tokens.resize(place + 1);
  sequence.tokens.back() = id;
  const VisualVocabulary& visual = config_.visual;
  if (!visual.drawn()) return;
  const auto is_cell = [&](int64_t token) { return token >= config_.vocab; };
  if (!appended) {
    sequence.states.resize(place / every + 1);
    sequence.reader = sequence.states.back();
    for (size_t p = place / every * every; p < place; ++p)
      sequence.reader.read(visual, sequence.tokens[p], is_cell(sequence.tokens[p]));
  } else if (place % every == 0) {
    sequence.states.push_back(sequence.reader);
  }
  sequence.places.resize(place);
  sequence.places.push_back(sequence.reader.read(visual, id, is_cell(id)));
}

int64_t Cache::token_at(int64_t slot, int64_t position) const {
  return sequences_[static_cast<size_t>(slot)].tokens[static_cast<size_t>(position)];
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
    const auto add = [&](const char* name, Pool& pool, const std::vector<int64_t>& ids) {
      const std::string full = "layers." + std::to_string(layer) + "." + name;
      if (pool.defined()) live.push_back({full, &pool.rows, pool.layout, ids});
    };
    const auto add_states = [&](const char* name, Tensor& rows, const std::vector<int64_t>& ids) {
      const std::string full = "layers." + std::to_string(layer) + "." + name;
      if (rows.defined()) live.push_back({full, &rows, {rows.size(1)}, ids});
    };
    add("window", pools.window, ring_ids(ring_, config_.window_reach()));
    if (!pools.compressed.defined()) continue;
    const int64_t ratio = config_.compress_ratios[layer];
    std::vector<int64_t> entries;
    for (int64_t j = 0; j < length / ratio; ++j) entries.push_back(slot * entries_of(ratio) + j);
    const int64_t reach = (overlapping_ratio(ratio) ? 2 : 1) * ratio - 1;
    const std::vector<int64_t> states = ring_ids(state_ring_of(ratio), reach);
    add("compressed", pools.compressed, entries);
    add("index_keys", pools.index_keys, entries);
    add_states("state_values", pools.state_values, states);
    add_states("state_scores", pools.state_scores, states);
    add_states("index_state_values", pools.index_state_values, states);
    add_states("index_state_scores", pools.index_state_scores, states);
  }
  return live;
}

std::vector<std::pair<std::string, Tensor>> Cache::save(int64_t slot, int64_t length) {
  const std::vector<int64_t>& tokens = sequences_[static_cast<size_t>(slot)].tokens;
  CHECK(length <= static_cast<int64_t>(tokens.size()));
  std::vector<std::pair<std::string, Tensor>> saved;
  saved.emplace_back("tokens",
                     Tensor::of_ints({length}, {tokens.begin(), tokens.begin() + length}));
  for (const LiveRows& rows : live_rows(slot, length)) {
    const Tensor ids = Tensor::of_ints({static_cast<int64_t>(rows.ids.size())}, rows.ids);
    saved.emplace_back(rows.name, ops_.to_host(ops_.take_rows(*rows.rows, ids)));
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
    if (!CellIds(config_).is_known(tokens.data<int64_t>()[i]))
      return fail("cache: tokens[", i, "]: found ", tokens.data<int64_t>()[i],
                  ", expected an id below ", config_.vocab + config_.visual.cells());
  const std::vector<LiveRows> live = live_rows(slot, length);
  std::vector<Tensor> values;  // all of it is checked before any of it is used
  for (const LiveRows& rows : live) {
    TRY(Tensor value, find(rows.name, rows.rows->dtype(),
                           {static_cast<int64_t>(rows.ids.size()), rows.rows->size(1)}));
    TRY_STATUS(check_packed(rows.name, value, rows.layout));
    values.push_back(std::move(value));
  }
  for (size_t i = 0; i < live.size(); ++i)
    ops_.write_rows(*live[i].rows,
                    Tensor::of_ints({static_cast<int64_t>(live[i].ids.size())}, live[i].ids),
                    values[i]);
  sequences_[static_cast<size_t>(slot)] = {};
  for (int64_t i = 0; i < length; ++i)
    note(sequences_[static_cast<size_t>(slot)], i, tokens.data<int64_t>()[i]);
  return Ok{};
}

}  // namespace hadal
