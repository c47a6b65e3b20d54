// SPDX-License-Identifier: MIT
// What follows from a configuration: the layer schedule (§1.2, §1.3) and Engram's primes (§5.2).
#include "model/config.h"

#include <algorithm>

namespace hadal {
namespace {

bool holds(const std::vector<int64_t>& rising, int64_t id) {
  return std::binary_search(rising.begin(), rising.end(), id);
}

// The last entry up to `id`, or -1.
int64_t last_until(const std::vector<int64_t>& rising, int64_t id) {
  const auto above = std::upper_bound(rising.begin(), rising.end(), id);
  return above == rising.begin() ? -1 : *std::prev(above);
}

uint64_t power_modulo(uint64_t base, uint64_t exponent, uint64_t modulus) {
  uint64_t result = 1;
  for (base %= modulus; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = result * base % modulus;
    base = base * base % modulus;
  }
  return result;
}

// Miller-Rabin with the bases 2, 7 and 61, which decides every number below 4,759,123,141
// (Jaeschke 1993); table sizes start below 2^31.
bool is_prime(uint64_t n) {
  for (uint64_t small : {2, 3, 5, 7, 11, 13, 61})
    if (n % small == 0) return n == small;
  if (n < 2) return false;
  uint64_t odd = n - 1;
  int halvings = 0;
  for (; odd % 2 == 0; odd /= 2) ++halvings;
  for (uint64_t base : {2, 7, 61}) {
    uint64_t power = power_modulo(base, odd, n);
    bool passes = power == 1 || power == n - 1;
    for (int i = 1; i < halvings && !passes; ++i) {
      power = power * power % n;
      passes = power == n - 1;
    }
    if (!passes) return false;
  }
  return true;
}

}  // namespace

std::vector<std::vector<int64_t>> EngramConfig::primes() const {
  // Every order restarts the search and skips what was taken, so the primes are simply handed
  // out in rising order.
  int64_t next = prime_base;
  std::vector<std::vector<int64_t>> result;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    std::vector<int64_t>& row = result.emplace_back();
    for (; static_cast<int64_t>(row.size()) < columns(); ++next)
      if (is_prime(static_cast<uint64_t>(next))) row.push_back(next);
  }
  return result;
}

bool ModelConfig::is_kv_source(int64_t layer) const {
  return family == Family::v4 ? ratio(layer) > 0 : holds(kv_sources, layer);
}

bool ModelConfig::is_index_source(int64_t layer) const {
  return family == Family::v4 ? overlapping(layer) : holds(index_sources, layer);
}

int64_t ModelConfig::kv_source_of(int64_t layer) const {
  if (ratio(layer) == 0) return -1;
  return family == Family::v4 ? layer : last_until(kv_sources, layer);
}

int64_t ModelConfig::index_source_of(int64_t layer) const {
  if (ratio(layer) == 0) return -1;
  if (family == Family::v4) return overlapping(layer) ? layer : -1;
  return last_until(index_sources, layer);
}

// In V4.1 nothing after the last source owns compressed rows; in V4 every layer may.
int64_t ModelConfig::decoder_start() const {
  return family == Family::v4 || kv_sources.empty() ? layers : kv_sources.back();
}

int64_t ModelConfig::engram_index(int64_t layer) const {
  const auto found = std::find(engram.layers.begin(), engram.layers.end(), layer);
  return found == engram.layers.end() ? -1 : found - engram.layers.begin();
}

}  // namespace hadal
