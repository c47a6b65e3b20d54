// SPDX-License-Identifier: MIT
// Sums over the tensor list, and the packed rows of §3.7.
#include "model/figures.h"

#include "base/checked.h"

namespace hadal {
namespace {

int64_t product(const Shape& shape) {
  const std::optional<int64_t> count = checked_count(shape);
  CHECK(count.has_value(), shape_text(shape));  // ConfigLimits keep every tensor far below
  return *count;
}

bool is_multiplied(Part part) {
  return part != Part::embedding && part != Part::engram_table && part != Part::draft &&
         part != Part::vision && part != Part::codes;
}

// At the first layer of the decoder half a prompt's token still makes its row and index key.
bool runs_in_prefill(const TensorSpec& spec, int64_t decoder_start) {
  if (spec.layer < decoder_start) return spec.layer >= 0;
  if (spec.layer > decoder_start) return false;
  return spec.part == Part::compressor || spec.name.find(".indexer.wk.") != std::string::npos;
}

void add(Parameters& sum, const Parameters& more) {
  sum.total += more.total;
  sum.decode += more.decode;
  sum.prefill += more.prefill;
}

}  // namespace

Parameters ParameterFigures::all() const {
  Parameters sum;
  for (const Parameters& part : parts) add(sum, part);
  return sum;
}

Parameters ParameterFigures::backbone() const {
  Parameters sum;
  for (size_t i = 0; i < kPartCount; ++i) {
    const Part part = static_cast<Part>(i);
    if (part != Part::engram_table && part != Part::draft && part != Part::vision)
      add(sum, parts[i]);
  }
  return sum;
}

ParameterFigures count_parameters(const ModelConfig& config) {
  ParameterFigures figures;
  const int64_t decoder_start = config.decoder_start();
  for (const TensorSpec& spec : tensor_list(config)) {
    if (spec.storing == Storing::table_i64) continue;
    const int64_t count = product(spec.shape);
    Parameters& part = figures.parts[static_cast<size_t>(spec.part)];
    part.total += count;
    // Of the routed experts the first stand for the chosen: all have one shape.
    if (!is_multiplied(spec.part) || spec.expert >= config.experts_per_token) continue;
    part.decode += count;
    if (runs_in_prefill(spec, decoder_start)) part.prefill += count;
  }
  return figures;
}

int64_t StoredFigures::all_bytes() const {
  int64_t sum = 0;
  for (const auto& [dtype, count] : bytes) sum += count;
  return sum;
}

StoredFigures count_stored(const ModelConfig& config) {
  StoredFigures figures;
  for (const TensorSpec& spec : tensor_list(config))
    for (const StoredTensor& tensor : stored_tensors(spec, config)) {
      figures.bytes[tensor.dtype] += product(tensor.shape) * element_bytes(tensor.dtype);
      ++figures.tensors;
    }
  return figures;
}

double PackedCache::at(int64_t positions) const {
  return bytes_per_token * static_cast<double>(positions) +
         static_cast<double>(window_bytes + draft_window_bytes + state_bytes);
}

PackedCache packed_cache(const ModelConfig& config) {
  const int64_t head = config.head_width, rotary = config.rope_width;
  const bool v4 = config.family == Family::v4;
  // V4: E4M3 with a scale per 64, rotary channels in BF16, padded to 8 bytes.  V4.1: E4M3 with a
  // scale per 32 in windows, E2M1 with a scale per 16 in compressed rows.
  const int64_t v4_row = ceil_div(head - rotary + 2 * rotary + (head - rotary) / 64, 8) * 8;
  const int64_t window_row = v4 ? v4_row : head + head / 32;
  const int64_t compressed_row = v4 ? v4_row : head / 2 + head / 16;
  const int64_t index_row = config.index_width / 2 + config.index_width / 32;

  PackedCache cache;
  cache.window_bytes = config.layers * config.window * window_row;
  cache.draft_window_bytes = config.draft.layers * config.window * window_row;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    if (!config.is_kv_source(layer)) continue;
    const int64_t ratio = config.ratio(layer);
    const bool keys = v4 ? config.overlapping(layer) : true;
    cache.bytes_per_token +=
        static_cast<double>(compressed_row + (keys ? index_row : 0)) / static_cast<double>(ratio);
    if (ratio == 1) continue;
    // f32 values and scores of a group, of two where groups overlap.
    const int64_t overlap = config.overlapping(layer) ? 2 : 1;
    const int64_t widths = head + (config.overlapping(layer) ? config.index_width : 0);
    cache.state_bytes += 2 * (overlap * ratio) * (overlap * widths) * 4;
  }
  return cache;
}

}  // namespace hadal
