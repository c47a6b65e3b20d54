// SPDX-License-Identifier: MIT
// What a configuration amounts to: parameters, bytes and cache, without any weights.
//
//   ParameterFigures parameters = count_parameters(config);
//   double total = parameters.backbone().total;           // 284.3e9 for V4-Flash
//
// Counted from the tensor list, so they are right when the list is.  Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/dtype.h"
#include "model/config.h"
#include "model/weights.h"

namespace hadal {

inline constexpr size_t kPartCount = static_cast<size_t>(Part::codes) + 1;

// Numbers that training moves; tables of ids are not parameters.
struct Parameters {
  int64_t total = 0;
  // Multiplied with every token: all layers, the chosen experts and the head.  Tables are looked
  // up, not multiplied; drafts and vision are extra.
  int64_t decode = 0;
  // The same for a token of a long prompt, whose logits nobody asks for: layers before
  // decoder_start(), and what fills that layer's compressed rows (§1.3).
  int64_t prefill = 0;
};

struct ParameterFigures {
  std::array<Parameters, kPartCount> parts;  // by Part

  const Parameters& of(Part part) const { return parts[static_cast<size_t>(part)]; }
  Parameters all() const;
  // What "284B" or "552B backbone" counts: all but Engram's tables, drafts and vision.
  Parameters backbone() const;
};

ParameterFigures count_parameters(const ModelConfig& config);

// Bytes of the checkpoint's tensors in the configuration's format, and how many there are.
struct StoredFigures {
  std::map<DType, int64_t> bytes;
  int64_t tensors = 0;
  int64_t all_bytes() const;
};
StoredFigures count_stored(const ModelConfig& config);

// One sequence's cache in the packed rows that the papers count (§3.7).  What a cache
// takes here, with rings long enough for whole chunks, says engine/cache_size.h.
struct PackedCache {
  double bytes_per_token = 0;      // compressed rows and index keys
  int64_t window_bytes = 0;        // of the layers
  int64_t draft_window_bytes = 0;  // of the draft layers
  int64_t state_bytes = 0;         // unfinished groups of the compressors

  double at(int64_t positions) const;
};
PackedCache packed_cache(const ModelConfig& config);

}  // namespace hadal
