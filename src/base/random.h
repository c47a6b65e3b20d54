// SPDX-License-Identifier: MIT
// Random numbers that are the same on every machine and in every library version: SplitMix64
// (Steele, Lea, Flood 2014) and Box–Muller over it.  A stream is named by a seed; training keeps
// no hidden state, so that a resumed run draws what an unbroken one would have drawn.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace hadal {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  // 0 … bound-1; the bias of the remainder is below bound/2^64.
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(next() % static_cast<uint64_t>(bound));
  }
  double uniform() { return (static_cast<double>(next() >> 11) + 0.5) * 0x1p-53; }  // (0, 1)
  double normal() {
    return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  uint64_t state_;
};

// A seed of its own for each purpose and name (FNV-1a over the name).
inline uint64_t seed_for(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325 ^ Random(seed).next();
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace hadal
