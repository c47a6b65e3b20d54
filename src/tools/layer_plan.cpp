// SPDX-License-Identifier: MIT
// What each layer attends to, and the search for equal and alternating runs.
#include "tools/layer_plan.h"

#include <algorithm>

namespace hadal {
namespace {

std::string v4_layer(const ModelConfig& config, int64_t layer) {
  const std::string ratio = ", ratio " + std::to_string(config.ratio(layer));
  if (config.ratio(layer) == 0) return "window only";
  return (config.overlapping(layer) ? "CSA" : "HCA") + ratio;
}

// §1.3: full layers own rows, reindex layers choose anew among them, reuse layers take both.
std::string v41_layer(const ModelConfig& config, int64_t layer) {
  if (config.ratio(layer) == 0) return "window only";
  const std::string ratio = ", ratio " + std::to_string(config.ratio(layer));
  const std::string rows = std::to_string(config.kv_source_of(layer));
  const std::string choice = std::to_string(config.index_source_of(layer));
  const bool pooled = config.candidate_source >= 0 && layer > config.candidate_source;
  if (config.is_kv_source(layer))
    return (layer == config.candidate_source ? "full, makes the candidate pool" : "full") + ratio;
  if (config.is_index_source(layer))
    return "reindex of " + rows + (pooled ? " in the candidate pool" : "") + ratio;
  return "reuse of " + choice + (choice == rows ? "" : ", rows of " + rows) + ratio;
}

std::string describe(const ModelConfig& config, int64_t layer) {
  return config.family == Family::v4 ? v4_layer(config, layer) : v41_layer(config, layer);
}

// How far from `first` on each entry equals the one `period` before it.
size_t run_end(const std::vector<std::string>& words, size_t first, size_t period) {
  size_t end = std::min(first + period, words.size());
  while (end < words.size() && words[end] == words[end - period]) ++end;
  return end;
}

}  // namespace

std::vector<LayerRange> layer_plan(const ModelConfig& config) {
  constexpr size_t kLeastTurns = 4;  // two layers in turn, twice: less reads better one by one
  std::vector<std::string> words;
  for (int64_t layer = 0; layer < config.layers; ++layer) words.push_back(describe(config, layer));
  std::vector<LayerRange> plan;
  for (size_t first = 0; first < words.size();) {
    size_t end = run_end(words, first, 1);
    std::string what = words[first];
    const size_t turns_end = run_end(words, first, 2);
    if (end == first + 1 && turns_end - first >= kLeastTurns) {
      end = turns_end;
      what += " · " + words[first + 1] + ", in turn";
    }
    plan.push_back({static_cast<int64_t>(first), static_cast<int64_t>(end) - 1, what});
    first = end;
  }
  return plan;
}

std::string range_text(int64_t first, int64_t last) {
  const std::string text = std::to_string(first);
  return first == last ? text : text + "–" + std::to_string(last);
}

}  // namespace hadal
