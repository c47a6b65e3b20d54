// SPDX-License-Identifier: MIT
// Scores of index keys, compiled once per instruction set (see vec.h for what may be called).
//
// A packed key stays in its 4 bits until it is in registers: kLanes keys are turned so that a lane
// is a key, become small whole numbers by a table, and meet all heads of all queries of the call.
// A score is then Σ_h w[h] · relu(Σ_b scales · exact sum), heads and blocks in their order, the
// same in every lane: so it does not depend on which other keys or queries are in the call. Cost of
// a key, a head and 128 channels with VNNI: 2 products of 64 bytes and 0.8 other operations.
#include "backends/cpu/row_kernels.h"

#include "backends/cpu/dot_tile.h"
#include "backends/cpu/key_lanes.h"
#include "backends/cpu/vec.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

// ---- keys of floats
// ------------------------------------------------------------------------------------

// Keys that meet the heads at a time: 16 keys of 128 floats are a quarter of a first-level cache.
constexpr int64_t kKeyBlock = 16;

// For one tile of heads: matches[m·4 + n] += weights[m] · relu(q[m] · key[n]), whole tiles of keys.
// Heads m, m + M, … are summed apart and meet at the end.
struct MatchTile {
  const Scores& s;
  int64_t head, first_key, keys;
  float* matches;  // [tiles of keys][kTileRows · 4]

  template <int64_t M>
  void run() const {
    const float* x[M];
    float weights[M * kTileOutputs];
    for (int64_t m = 0; m < M; ++m) {
      x[m] = s.q + (head + m) * s.width;
      for (int64_t n = 0; n < kTileOutputs; ++n)
        weights[m * kTileOutputs + n] = s.weights[head + m];
    }
    for (int64_t key = 0; key < keys; key += kTileOutputs) {
      const float* w[kTileOutputs];
      for (int64_t n = 0; n < kTileOutputs; ++n)
        w[n] = s.keys + smaller(first_key + key + n, s.count - 1) * s.width;
      float dots[M * kTileOutputs];
      dot_tile<M>(x, w, s.width, dots);
      float* sums = matches + key * kTileRows;
      for (int64_t i = 0; i < M * kTileOutputs; ++i)
        sums[i] += weights[i] * (dots[i] > 0.0f ? dots[i] : 0.0f);
    }
  }
};

void score(const Scores& s) {
  for (int64_t block = 0; block < s.count; block += kKeyBlock) {
    float matches[kKeyBlock * kTileRows] = {};
    const int64_t keys = smaller(kKeyBlock, s.count - block);
    for (int64_t head = 0; head < s.heads; head += kTileRows)
      with_tile<kTileRows>(smaller(kTileRows, s.heads - head),
                           MatchTile{s, head, block, keys, matches});
    for (int64_t key = 0; key < keys; ++key) {
      const float* sums =
          matches + key / kTileOutputs * kTileOutputs * kTileRows + key % kTileOutputs;
      float total = 0;
      for (int64_t m = 0; m < kTileRows; ++m) total += sums[m * kTileOutputs];
      s.out[block + key] = total * s.scale;
    }
  }
}

// ---- packed keys --------------------------------------------------------------------------------

constexpr float kMinusInfinity = -__builtin_inff();

// Widest head of an index that the loops hold in registers' order on the stack.
constexpr int64_t kLargestWidth = 512;
constexpr int64_t kLargestBlocks = kLargestWidth / 32;
#if defined(__AVX512F__)
constexpr int64_t kHeadTile = 8;  // 8 sums and 8 results of 32 registers
#else
constexpr int64_t kHeadTile = 4;
#endif

// kLanes keys, ready for every query.
struct TurnedKeys {
  alignas(64) uint8_t values[kLargestWidth / 4 * kKeyBytes];  // [byte of four][even, odd][key]
  Vec scales[kLargestBlocks];

  void read(const uint8_t* const* keys, int64_t width) {
    const int64_t words = width / 8, blocks = width / 32;
    alignas(64) uint8_t codes[kLargestWidth / 8 * kKeyBytes];
    turn_keys(keys, words, codes);
    for (int64_t word = 0; word < words; ++word) {
      const KeyVec both = load_keys(codes + word * kKeyBytes);
      store_keys(values + 2 * word * kKeyBytes, key_values(both));
      store_keys(values + (2 * word + 1) * kKeyBytes, key_values(high_nibbles(both)));
    }
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t key = 0; key < kLanes; ++key)
        scales[b][key] = widen_e8m0_one(keys[key][width / 2 + b]);
  }
};

// total += Σ_h weights[h] · relu(dot of head h) over H heads from `head` on.
template <int64_t H>
inline __attribute__((always_inline)) Vec meet_heads(const KeyScores& s, const TurnedKeys& keys,
                                                     int64_t query, int64_t head, Vec total) {
  const int64_t blocks = s.width / 32;
  const int64_t first = query * s.heads + head;
  const int8_t* q = s.q + first * s.width;
  const float* q_scales = s.q_scales + first * blocks;
  const int32_t* offsets = s.q_offsets + first * blocks;
  Vec dots[H] = {};
  for (int64_t b = 0; b < blocks; ++b) {
    KeySums sums[H] = {};
    for (int64_t four = b * 8; four < b * 8 + 8; ++four) {
      const KeyVec values = load_keys(keys.values + four * kKeyBytes);
      for (int64_t h = 0; h < H; ++h) sums[h] = meet(sums[h], values, q + h * s.width + four * 4);
    }
    const Vec scale = keys.scales[b];
    for (int64_t h = 0; h < H; ++h) {
      const IntVec whole = whole_sums(sums[h]) - broadcast_int(offsets[h * blocks + b]);
      const Vec part = __builtin_convertvector(whole, Vec) * scale;
      dots[h] = madd(part, broadcast(q_scales[h * blocks + b]), dots[h]);
    }
  }
  for (int64_t h = 0; h < H; ++h) {
    const Vec positive = larger(Vec{}, dots[h]);
    total = madd(positive, broadcast(s.weights[first + h]), total);
  }
  return total;
}

// Heads [head, end) in tiles.
Vec meet_tiles(const KeyScores& s, const TurnedKeys& keys, int64_t query, int64_t head, int64_t end,
               Vec total) {
  for (; head + kHeadTile <= end; head += kHeadTile)
    total = meet_heads<kHeadTile>(s, keys, query, head, total);
  for (; head < end; ++head) total = meet_heads<1>(s, keys, query, head, total);
  return total;
}

inline bool any_above(Vec v, float limit) {
  const IntVec above = v > broadcast(limit);
  int32_t any = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) any |= above[lane];
  return any != 0;
}

Vec score_turned(const KeyScores& s, const TurnedKeys& keys, int64_t query) {
  // Whole tiles: some heads of negative weight more keep the bound a bound.
  const int64_t first =
      smaller(s.heads, (s.lifting[query] + kHeadTile - 1) / kHeadTile * kHeadTile);
  Vec total = meet_tiles(s, keys, query, 0, first, Vec{});
  if (s.limits != nullptr && first < s.heads && !any_above(total * s.scale, s.limits[query]))
    return broadcast(kMinusInfinity);
  return meet_tiles(s, keys, query, first, s.heads, total) * s.scale;
}

void score_keys(const KeyScores& s) {
  TurnedKeys turned;
  const uint8_t* keys[kLanes];
  for (int64_t block = 0; block < s.count; block += kLanes) {
    const int64_t count = smaller(kLanes, s.count - block);
    for (int64_t key = 0; key < kLanes; ++key) keys[key] = s.keys[block + smaller(key, count - 1)];
    turned.read(keys, s.width);
    for (int64_t query = 0; query < s.queries; ++query) {
      const Vec scores = score_turned(s, turned, query);
      float* out = s.out + query * s.out_stride + block;
      if (count == kLanes)
        store(out, scores);
      else
        store_part(out, scores, count);
    }
  }
}

}  // namespace

const ScoreKernels kScore = {score, score_keys};

}  // namespace hadal::cpu::HADAL_CPU_ISA
