// SPDX-License-Identifier: MIT
// Multipliers and n-gram hashes of Engram; its primes follow from the configuration.
//
// Multipliers come from NumPy's default_rng(10007·layer).integers: a SeedSequence fills a PCG64
// (O'Neill's XSL-RR 128/64), and bounded draws use Lemire's multiply-shift with rejection.  These
// three algorithms are restated here so that tables trained with them keep their meaning.
#include "model/engram.h"

#include <algorithm>
#include <array>
#include <limits>

namespace hadal {
namespace {

using uint128 = unsigned __int128;

// NumPy's SeedSequence for one 64-bit entropy value, pool of four words.
class SeedSequence {
 public:
  explicit SeedSequence(uint64_t entropy) {
    const std::array<uint32_t, 4> words = {static_cast<uint32_t>(entropy),
                                           static_cast<uint32_t>(entropy >> 32), 0, 0};
    for (size_t i = 0; i < 4; ++i) pool_[i] = scramble(words[i]);
    for (size_t from = 0; from < 4; ++from)
      for (size_t to = 0; to < 4; ++to)
        if (from != to) pool_[to] = combine(pool_[to], scramble(pool_[from]));
  }

  // Eight words, as four 64-bit values, low word first.
  std::array<uint64_t, 4> state() const {
    std::array<uint32_t, 8> words;
    uint32_t constant = 0x8b51f9dd;
    for (size_t i = 0; i < 8; ++i) {
      uint32_t value = pool_[i % 4] ^ constant;
      constant *= 0x58f38ded;
      value *= constant;
      words[i] = value ^ (value >> 16);
    }
    std::array<uint64_t, 4> values;
    for (size_t i = 0; i < 4; ++i)
      values[i] = words[2 * i] | static_cast<uint64_t>(words[2 * i + 1]) << 32;
    return values;
  }

 private:
  uint32_t scramble(uint32_t value) {
    value ^= constant_;
    constant_ *= 0x931e8875;
    value *= constant_;
    return value ^ (value >> 16);
  }
  static uint32_t combine(uint32_t a, uint32_t b) {
    const uint32_t mixed = a * 0xca01f9dd - b * 0x4973f715;
    return mixed ^ (mixed >> 16);
  }

  uint32_t constant_ = 0x43b0d7e5;
  std::array<uint32_t, 4> pool_;
};

class Pcg64 {
 public:
  explicit Pcg64(uint64_t seed) {
    const std::array<uint64_t, 4> state = SeedSequence(seed).state();
    increment_ = (static_cast<uint128>(state[2]) << 64 | state[3]) << 1 | 1;
    step();
    state_ += static_cast<uint128>(state[0]) << 64 | state[1];
    step();
  }

  uint64_t next() {
    step();
    const uint64_t folded = static_cast<uint64_t>(state_ >> 64) ^ static_cast<uint64_t>(state_);
    const unsigned turn = static_cast<unsigned>(state_ >> 122);
    return folded >> turn | folded << ((64 - turn) & 63);
  }

  // Uniform in [0, bound).
  uint64_t below(uint64_t bound) {
    uint128 product = static_cast<uint128>(next()) * bound;
    if (static_cast<uint64_t>(product) < bound) {
      const uint64_t threshold = (0 - bound) % bound;
      while (static_cast<uint64_t>(product) < threshold)
        product = static_cast<uint128>(next()) * bound;
    }
    return static_cast<uint64_t>(product >> 64);
  }

 private:
  void step() {
    constexpr uint128 kMultiplier =
        static_cast<uint128>(0x2360ED051FC65DA4u) << 64 | 0x4385DF649FCCF645u;
    state_ = state_ * kMultiplier + increment_;
  }
  uint128 state_ = 0;
  uint128 increment_ = 0;
};

std::vector<int64_t> multipliers_of(const EngramConfig& config, int64_t layer) {
  const int64_t bound =
      std::numeric_limits<int64_t>::max() / std::max<int64_t>(config.compressed_vocab, 1) / 2;
  Pcg64 random(static_cast<uint64_t>(10007 * layer));
  std::vector<int64_t> multipliers;
  for (int64_t s = 0; s < config.max_ngram; ++s)
    multipliers.push_back(static_cast<int64_t>(
        random.below(static_cast<uint64_t>(std::max<int64_t>(bound, 1))) * 2 + 1));
  return multipliers;
}

}  // namespace

std::vector<EngramHash> engram_hashes(const EngramConfig& config) {
  const std::vector<std::vector<int64_t>> primes = config.primes();
  std::vector<EngramHash> hashes;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    EngramHash hash{multipliers_of(config, config.layers[i]), primes[i], {}};
    int64_t offset = 0;
    for (int64_t prime : hash.primes) {
      hash.offsets.push_back(offset);
      offset += prime;
    }
    hashes.push_back(std::move(hash));
  }
  return hashes;
}

void engram_rows(const EngramHash& hash, const std::vector<int64_t>& history, int64_t pad,
                 int64_t* rows, uint64_t salt) {
  const size_t orders = hash.multipliers.size() - 1;
  const size_t heads = hash.primes.size() / orders;
  // Unsigned: published ids and multipliers never overflow; a hostile vocabulary may wrap.
  auto product = [&](size_t s) {
    const int64_t id = history[s] < 0 ? pad : history[s];
    return static_cast<uint64_t>(id) * static_cast<uint64_t>(hash.multipliers[s]);
  };
  uint64_t folded = product(0) ^ salt;
  for (size_t order = 0; order < orders; ++order) {
    folded ^= product(order + 1);
    for (size_t head = 0; head < heads; ++head) {
      const size_t column = order * heads + head;
      rows[column] =
          static_cast<int64_t>(folded & std::numeric_limits<int64_t>::max()) % hash.primes[column] +
          hash.offsets[column];
    }
  }
}

}  // namespace hadal
