// SPDX-License-Identifier: MIT
// Random numbers by counter: a number is a pure function of a seed and two indices.
//
//   double u = uniform(seed, position, 0);      // in [0, 1)
//
// Philox 4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).  No
// state, so a draw depends neither on what else is in a batch nor on what was drawn before, and
// is the same on every machine.  Any thread may use it.  Tested by tests/engine/random_test.cpp
// against the paper's vectors.
#pragma once

#include <array>
#include <cstdint>

namespace hadal {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

constexpr PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  // Multipliers and Weyl steps of the paper, §4.3.
  for (int round = 0; round < 10; ++round) {
    const uint64_t low = uint64_t{0xD2511F53} * counter[0];
    const uint64_t high = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(high >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(high),
               static_cast<uint32_t>(low >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(low)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// The `draw`-th number of a place (a position of a sequence), uniform in [0, 1) with 53 bits.
constexpr double uniform(uint64_t seed, int64_t place, int64_t draw) {
  const auto low = [](uint64_t word) { return static_cast<uint32_t>(word); };
  const auto high = [](uint64_t word) { return static_cast<uint32_t>(word >> 32); };
  const uint64_t at = static_cast<uint64_t>(place), which = static_cast<uint64_t>(draw);
  const PhiloxCounter bits =
      philox({low(at), high(at), low(which), high(which)}, {low(seed), high(seed)});
  const uint64_t word = uint64_t{bits[0]} << 32 | bits[1];
  return static_cast<double>(word >> 11) * 0x1p-53;
}

}  // namespace hadal
