// SPDX-License-Identifier: MIT
// What `hadal bench` measures: rounds of machine, prefill and decode, one after another, so that a
// speed is held against the bound of the same minute.  Medians over the rounds count.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backends/cpu/peaks.h"
#include "base/result.h"
#include "tools/options.h"

namespace hadal {

struct BenchChoice {
  ModelChoice model;
  std::vector<int64_t> prefills = {128, 512, 2048};
  std::vector<int64_t> contexts = {0, 1024, 4096};
  int64_t tokens = 16;  // decoded at each context
  int64_t rounds = 3;
  Clock clock = Clock::wall;
};

// A prompt of so many tokens: all layers for all tokens.
struct PrefillFigures {
  int64_t tokens = 0;
  double rate = 0;           // tokens a second
  double shortcut_rate = 0;  // where layers skip what nobody sees (model-spec §1.3); 0: V4
  double share = 0;          // of the peak of products, of bytes where there are any
};

// One token after another behind so many.
struct DecodeFigures {
  int64_t context = 0;
  double rate = 0;
  int64_t cache_bytes = 0;  // read for a token
  double share = 0;         // of read bandwidth / (active bytes + cache bytes)
};

struct BenchFigures {
  std::string model, backend, processor;
  int64_t threads = 0;
  Peaks peaks;
  double load_seconds = 0;
  double move_seconds = 0;  // until the weights lay in memory; 0: they stay in their files
  int64_t resident_bytes = 0;
  int64_t active_bytes = 0;          // of weights, a token
  double operations = 0;             // of products, a token of a prompt
  double cache_bytes_per_token = 0;  // kept
  std::vector<PrefillFigures> prefill;
  std::vector<DecodeFigures> decode;
};

Result<BenchFigures> measure_bench(const BenchChoice& choice);

}  // namespace hadal
