// SPDX-License-Identifier: MIT
// How much memory a cache takes.
#include "engine/cache_size.h"

#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "ops/packed_rows.h"

namespace hadal {
namespace {

constexpr int64_t kTooMany = std::numeric_limits<int64_t>::max();
constexpr int64_t kFloatBytes = 4;

int64_t saturated(std::optional<int64_t> value) {
  return value.value_or(kTooMany);
}

// Bytes of one slot's pools of one layer, besides its window.
int64_t compressor_bytes(const ModelConfig& config, int64_t layer, const CacheOptions& options,
                         Holding holding) {
  const CacheLayouts layouts = cache_layouts(config, options);
  const bool packed = holding == Holding::packed;
  const int64_t ratio = config.ratio(layer);
  const bool indexed = config.is_index_source(layer);
  const int64_t halves = config.overlapping(layer) ? 2 : 1;
  const int64_t entries = options.max_positions / ratio + 1;
  const int64_t states = ceil_div(halves * ratio - 1 + options.max_chunk, ratio) * ratio;
  const int64_t entry_bytes =
      row_bytes(layouts.compressed, packed) + (indexed ? row_bytes(layouts.index_keys, packed) : 0);
  const bool index_states = indexed && config.family == Family::v4;
  const int64_t state_width = config.head_width + (index_states ? config.index_width : 0);
  const int64_t state_bytes = ratio > 1 ? states * 2 * halves * state_width * kFloatBytes : 0;
  return saturated(checked_add(saturated(checked_mul(entries, entry_bytes)), state_bytes));
}

}  // namespace

int64_t cache_bytes(const ModelConfig& config, const CacheOptions& asked, Holding holding) {
  CacheOptions options = asked;
  if (options.max_positions == 0) options.max_positions = config.max_positions;
  options.max_chunk = std::min(options.max_chunk, options.max_positions);
  const int64_t ring = std::min(config.window_reach() + options.max_chunk, options.max_positions);
  const int64_t window_row =
      row_bytes(cache_layouts(config, options).window, holding == Holding::packed);
  const int64_t all_layers = static_cast<int64_t>(config.compress_ratios.size());
  int64_t bytes = saturated(checked_mul(all_layers, ring * window_row));
  for (int64_t layer = 0; layer < config.layers; ++layer)
    if (config.is_kv_source(layer))
      bytes = saturated(checked_add(bytes, compressor_bytes(config, layer, options, holding)));
  return saturated(checked_mul(bytes, options.slots));
}

int64_t largest_context(const ModelConfig& config, CacheOptions options, Holding holding,
                        int64_t available_bytes) {
  int64_t fits = 0,
          beyond = options.max_positions > 0 ? options.max_positions : config.max_positions;
  ++beyond;
  while (beyond - fits > 1) {
    options.max_positions = fits + (beyond - fits) / 2;
    (cache_bytes(config, options, holding) <= available_bytes ? fits : beyond) =
        options.max_positions;
  }
  return fits;
}

}  // namespace hadal
