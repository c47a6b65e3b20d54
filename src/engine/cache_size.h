// SPDX-License-Identifier: MIT
// How much memory a cache takes, before it is made.
//
//   int64_t bytes = cache_bytes(config, {.max_positions = 4096}, Holding::packed);
//   int64_t context = largest_context(config, options, Holding::packed, available_bytes);
//
// The arithmetic of model/cache.h: rings of windows and pooling inputs, and compressed rows that
// grow with the context.  cache_test holds it to the pools that Cache makes.  Any thread.
#pragma once

#include <cstdint>

#include "model/cache.h"
#include "model/config.h"

namespace hadal {

// How a back end holds rows that have a format (Ops::packs).
enum class Holding { packed, floats };

// All pools full.  A sum that leaves int64 is INT64_MAX.
int64_t cache_bytes(const ModelConfig& config, const CacheOptions& options, Holding holding);

// The most positions that fit, at most options.max_positions (0: the model's limit); 0: none do.
int64_t largest_context(const ModelConfig& config, CacheOptions options, Holding holding,
                        int64_t available_bytes);

}  // namespace hadal
