// SPDX-License-Identifier: MIT
// The indexer's verbs: scores of keys, candidate blocks, and the entries that are chosen.
//
// Packed keys are never unpacked to floats, and choose_entries() has no more scores in memory than
// one chunk a thread: a tile of neighbouring queries of one sequence goes over the keys together,
// and each keeps the best it has seen (best_of.h).  Few tiles (decoding) are cut into segments of
// keys, whose best are joined; what is chosen does not depend on the cuts.
//
// Cost of a step, linear in the entries n that a query sees: n · heads · width products of bytes,
// fewer where heads have negative weights, and n · (width/2 + width/32) bytes of keys.  Nothing
// else grows with n.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <numeric>

#include "backends/cpu/best_of.h"
#include "backends/cpu/cpu_verbs.h"
#include "ops/packed_rows.h"
#include "ops/row_rounding.h"

namespace hadal::cpu {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Keys that one thread scores at a time: their rows of 128 floats fill an L2 cache half.
constexpr int64_t kScoreChunk = 1024;
// Queries that meet a chunk of packed keys together: turning keys then costs a hundredth.
constexpr int64_t kTileQueries = 8;
constexpr int64_t kBlockWidth = 32;       // of fp4_32
constexpr int64_t kLargestWidth = 512;    // of a head, for the loops over packed keys
constexpr int64_t kCostOfOneProduct = 8;  // products of bytes that cost as much as one of floats
constexpr int64_t kCostOfPacking = 8;     // a channel of a query, in operations on floats

// Calls take(index), ascending, for the best `limit` scores above -inf; ties: the lower index.
// Finds the worst score that still belongs to them, then passes once over the row.
template <typename Take>
void take_best(const float* scores, int64_t count, int64_t limit, std::vector<float>& sorted,
               const Take& take) {
  sorted.clear();
  for (int64_t i = 0; i < count; ++i)
    if (scores[i] > kMinusInfinity) sorted.push_back(scores[i]);
  const int64_t taken = std::min(limit, static_cast<int64_t>(sorted.size()));
  if (taken <= 0) return;
  std::nth_element(sorted.begin(), sorted.begin() + (taken - 1), sorted.end(), std::greater<>());
  const float worst = sorted[static_cast<size_t>(taken - 1)];
  int64_t ties = taken - std::count_if(sorted.begin(), sorted.begin() + taken,
                                       [worst](float score) { return score > worst; });
  for (int64_t i = 0; i < count; ++i) {
    if (scores[i] > worst)
      take(i);
    else if (scores[i] == worst && ties-- > 0)
      take(i);
  }
}

// The width that pick() gives for these counts.
int64_t most_entries(const Tensor& count_T, int64_t tokens) {
  int64_t most = 1;
  for (int64_t t = 0; t < tokens; ++t) most = std::max(most, index_at(count_T, t));
  return most;
}

// Queries as KeyScores wants them.
struct PackedQueries {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<int32_t> offsets;
  std::vector<float> weights;
  std::vector<int64_t> lifting;
};

// E2M1 values times 2, as a set of whole numbers.
constexpr uint32_t kTwiceE2m1 =
    1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 6 | 1u << 8 | 1u << 12;

// One head: values in the order of a key's bytes.  False: one of them is none of the format's.
bool pack_head(const float* head, int64_t width, int8_t* values, float* scales, int32_t* offsets) {
  for (int64_t b = 0; b < width / kBlockWidth; ++b) {
    const float* block = head + b * kBlockWidth;
    const float scale = row_scale(block, kBlockWidth, RowFormat::fp4_32);  // a power of two
    const float inverse = 2.0f / scale;
    int32_t sum = 0;
    for (int64_t i = 0; i < kBlockWidth; ++i) {
      const float value = block[i] * inverse;
      if (!(std::fabs(value) <= 12.0f)) return false;
      const int8_t twice = static_cast<int8_t>(value);
      if (twice != value || (kTwiceE2m1 >> std::abs(twice) & 1) == 0) return false;
      const int64_t four = (b * kBlockWidth + i) / 8, odd = i % 2;
      values[(2 * four + odd) * 4 + i % 8 / 2] = twice;
      sum += twice;
    }
    scales[b] = 0.25f * scale;
    offsets[b] = static_cast<int32_t>(kKeyOffset) * sum;
  }
  return true;
}

// Room for all queries of a call.
PackedQueries room_for(const IndexQuery& query) {
  const int64_t tokens = query.q_THK.size(0), heads = query.q_THK.size(1);
  const size_t places = static_cast<size_t>(tokens * heads);
  const size_t width = static_cast<size_t>(query.q_THK.size(2));
  PackedQueries packed;
  packed.values.resize(places * width);
  packed.scales.resize(places * width / kBlockWidth);
  packed.offsets.resize(places * width / kBlockWidth);
  packed.weights.resize(places);
  packed.lifting.resize(static_cast<size_t>(tokens));
  return packed;
}

bool pack_query(const IndexQuery& query, int64_t t, std::vector<int64_t>& order,
                PackedQueries& packed) {
  const int64_t heads = query.q_THK.size(1), width = query.q_THK.size(2);
  const int64_t blocks = width / kBlockWidth;
  const float* weights = query.w_TH.data<float>() + t * heads;
  order.resize(static_cast<size_t>(heads));
  std::iota(order.begin(), order.end(), 0);
  const auto lowering = std::stable_partition(order.begin(), order.end(),
                                              [&](int64_t h) { return !(weights[h] < 0); });
  packed.lifting[static_cast<size_t>(t)] = lowering - order.begin();
  for (int64_t i = 0; i < heads; ++i) {
    const int64_t head = order[static_cast<size_t>(i)], place = t * heads + i;
    packed.weights[static_cast<size_t>(place)] = weights[head];
    if (!pack_head(query.q_THK.data<float>() + (t * heads + head) * width, width,
                   packed.values.data() + place * width, packed.scales.data() + place * blocks,
                   packed.offsets.data() + place * blocks))
      return false;
  }
  return true;
}

// Neighbouring queries of one sequence.
struct Tile {
  int64_t token = 0, tokens = 0;
  int64_t first = 0;  // row of the sequence's first entry
  int64_t seen = 0;   // entries that some query of it sees
};

std::vector<Tile> tiles_of(const IndexQuery& query, int64_t tokens, int64_t most_queries) {
  std::vector<Tile> tiles;
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t first = index_at(query.first_T, t);
    if (tiles.empty() || tiles.back().first != first || tiles.back().tokens == most_queries)
      tiles.push_back({t, 0, first, 0});
    ++tiles.back().tokens;
    tiles.back().seen = std::max(tiles.back().seen, index_at(query.count_T, t));
  }
  return tiles;
}

}  // namespace

// One call over packed keys.
struct CpuOps::KeyScan {
  const IndexQuery& query;
  PackedQueries packed;
  const uint8_t* keys;
  int64_t key_bytes;
  int64_t chunk;  // whole blocks
  std::vector<Tile> tiles;
  int64_t segments = 1;
  std::vector<BestOf> entries, blocks;  // [token][segment]

  int64_t heads() const { return query.q_THK.size(1); }
  int64_t width() const { return query.q_THK.size(2); }
  size_t place(int64_t token, int64_t segment) const {
    return static_cast<size_t>(token * segments + segment);
  }
  const uint8_t* key(const Tile& tile, int64_t entry) const {
    return keys + (tile.first + entry) * key_bytes;
  }

  // out[query of the tile][key]; with limits, only of keys that may get above them.
  void score(const ScoreKernels& kernels, const Tile& tile, const uint8_t* const* rows,
             int64_t count, const float* limits, float* out, int64_t out_stride) const {
    const int64_t head = tile.token * heads(), blocks_a_head = width() / kBlockWidth;
    KeyScores job;
    job.q = packed.values.data() + head * width();
    job.q_scales = packed.scales.data() + head * blocks_a_head;
    job.q_offsets = packed.offsets.data() + head * blocks_a_head;
    job.weights = packed.weights.data() + head;
    job.lifting = packed.lifting.data() + tile.token;
    job.limits = limits;
    job.queries = tile.tokens;
    job.heads = heads();
    job.width = width();
    job.keys = rows;
    job.count = count;
    job.scale = query.scale;
    job.out = out;
    job.out_stride = out_stride;
    kernels.score_keys(job);
  }
  // What a score must get above to matter to query `t`.
  float limit_of(int64_t t, int64_t segment) const {
    const float limit = entries[place(t, segment)].limit();
    return query.keep == 0 ? limit : std::min(limit, blocks[place(t, segment)].limit());
  }
  // Scores of entries [begin, begin + count) for query `t`, of which it sees `seen`.
  void offer(int64_t t, int64_t segment, const float* scores, int64_t begin, int64_t count) {
    const int64_t visible = index_at(query.count_T, t);
    const int64_t seen = std::min(count, visible - begin);
    if (seen <= 0) return;
    entries[place(t, segment)].offer(scores, seen, begin);
    if (query.keep == 0) return;
    for (int64_t i = 0; i < seen; i += query.block) {
      const int64_t block = (begin + i) / query.block;
      float best = *std::max_element(scores + i, scores + std::min(seen, i + query.block));
      if (block == (visible - 1) / query.block) best = -kMinusInfinity;
      blocks[place(t, segment)].offer(best, block);
    }
  }
};

// Nothing where the loops over packed keys cannot be used, or would not give the exact sums.
std::optional<CpuOps::KeyScan> CpuOps::key_scan(const IndexQuery& query, const Pool& keys) {
  const int64_t tokens = query.q_THK.size(0), width = query.q_THK.size(2);
  if (!keys.packed() || keys.layout.format != RowFormat::fp4_32) return {};
  if (width % kBlockWidth != 0 || width > kLargestWidth || width != keys.layout.width) return {};
  KeyScan scan{query, room_for(query), keys.rows.data<uint8_t>(), keys.rows.size(1), 0, {}, 1, {},
               {}};
  std::atomic<bool> exact = query.scale >= 0;
  split_rows(tokens, query.q_THK.row_width() * kCostOfPacking, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end && exact; ++t)
      if (!pack_query(query, t, workspace().ids, scan.packed)) exact = false;
  });
  if (!exact) return {};
  scan.chunk = std::max<int64_t>(1, kScoreChunk / query.block) * query.block;
  scan.tiles = tiles_of(query, tokens, query.kept_TB.defined() ? 1 : kTileQueries);
  const int64_t tiles = static_cast<int64_t>(scan.tiles.size());
  if (tiles < 2 * pool_.threads()) scan.segments = pool_.threads();
  return scan;
}

// Scores of floats, of entries [begin, end) of query t.
void CpuOps::score_floats(const IndexQuery& query, const Pool& keys, int64_t t, int64_t begin,
                          int64_t end, float* out) const {
  const int64_t heads = query.q_THK.size(1), width = query.q_THK.size(2);
  const int64_t first = index_at(query.first_T, t) + begin, count = end - begin;
  const float* rows = nullptr;
  if (keys.packed()) {
    const RowShape shape = row_shape(keys);
    float* unpacked = workspace().floats(Workspace::kernel, count * width);
    for (int64_t j = 0; j < count; ++j)
      attend_kernels_.unpack(shape, keys.rows.raw() + (first + j) * shape.bytes,
                             unpacked + j * width);
    rows = unpacked;
  } else {
    rows = keys.rows.data<float>() + first * width;
  }
  score_kernels_.score({query.q_THK.data<float>() + t * heads * width,
                        query.w_TH.data<float>() + t * heads, heads, width, rows, count,
                        query.scale, out});
}

Tensor CpuOps::score(const Tensor& q, const Tensor& w, const Pool& keys, const Tensor& first,
                     const Tensor& count, float scale) {
  const int64_t tokens = q.size(0), entries = most_entries(count, tokens);
  const int64_t cost = q.size(1) * q.size(2) * std::min(entries, kScoreChunk);
  IndexQuery query;
  query.q_THK = q, query.w_TH = w;
  query.first_T = first, query.count_T = count;
  query.scale = scale;
  const Tensor out = Tensor::empty(DType::f32, {tokens, entries});
  const std::optional<KeyScan> scan = key_scan(query, keys);
  const int64_t tiles = scan ? static_cast<int64_t>(scan->tiles.size()) : tokens;
  const int64_t chunks = (entries + kScoreChunk - 1) / kScoreChunk;
  deal(tiles * chunks, cost, [&](int64_t unit) {
    const int64_t begin = unit % chunks * kScoreChunk, end = std::min(begin + kScoreChunk, entries);
    const Tile tile = scan ? scan->tiles[static_cast<size_t>(unit / chunks)]
                           : Tile{unit / chunks, 1, 0, index_at(count, unit / chunks)};
    float* rows = out.data<float>() + tile.token * entries;
    const int64_t seen = std::clamp(tile.seen, begin, end);
    if (scan && seen > begin) {
      std::vector<const uint8_t*>& some = workspace().rows;
      some.clear();
      for (int64_t j = begin; j < seen; ++j) some.push_back(scan->key(tile, j));
      scan->score(score_kernels_, tile, some.data(), seen - begin, nullptr, rows + begin, entries);
    } else if (seen > begin) {
      score_floats(query, keys, tile.token, begin, seen, rows + begin);
    }
    for (int64_t i = 0; i < tile.tokens; ++i) {
      const int64_t visible = std::clamp(index_at(count, tile.token + i), begin, end);
      std::fill(rows + i * entries + visible, rows + i * entries + end, kMinusInfinity);
    }
  });
  return out;
}

// One tile over one segment of the entries, or of the kept blocks.
void CpuOps::scan_tile(KeyScan& scan, int64_t tile_at, int64_t segment) const {
  const Tile& tile = scan.tiles[static_cast<size_t>(tile_at)];
  const IndexQuery& query = scan.query;
  float* scores = workspace().floats(Workspace::first, tile.tokens * scan.chunk);
  std::vector<const uint8_t*>& rows = workspace().rows;
  const int64_t chunks = (tile.seen + scan.chunk - 1) / scan.chunk;
  const int64_t from = chunks * segment / scan.segments,
                to = chunks * (segment + 1) / scan.segments;
  const auto is_kept = [&](int64_t entry) {
    const int64_t block = entry / query.block, blocks = query.kept_TB.size(1);
    return block < blocks && query.kept_TB.data<uint8_t>()[tile.token * blocks + block] != 0;
  };
  for (int64_t chunk = from; chunk < to; ++chunk) {
    const int64_t begin = chunk * scan.chunk, end = std::min(begin + scan.chunk, tile.seen);
    float limits[kTileQueries];
    for (int64_t i = 0; i < tile.tokens; ++i) limits[i] = scan.limit_of(tile.token + i, segment);
    rows.clear();
    if (!query.kept_TB.defined()) {
      for (int64_t j = begin; j < end; ++j) rows.push_back(scan.key(tile, j));
      scan.score(score_kernels_, tile, rows.data(), end - begin, limits, scores, scan.chunk);
      for (int64_t i = 0; i < tile.tokens; ++i)
        scan.offer(tile.token + i, segment, scores + i * scan.chunk, begin, end - begin);
      continue;
    }
    std::vector<int64_t>& ids = workspace().ids;
    ids.clear();
    for (int64_t block = begin; block < end; block += query.block) {
      if (!is_kept(block)) continue;
      for (int64_t j = block; j < std::min(end, block + query.block); ++j) {
        ids.push_back(j);
        rows.push_back(scan.key(tile, j));
      }
    }
    scan.score(score_kernels_, tile, rows.data(), static_cast<int64_t>(rows.size()), limits, scores,
               0);
    BestOf& best = scan.entries[scan.place(tile.token, segment)];
    for (size_t i = 0; i < ids.size(); ++i) best.offer(scores[i], ids[i]);
  }
}

IndexChoice CpuOps::choose_entries(const IndexQuery& query, const Pool& keys) {
  std::optional<KeyScan> found = key_scan(query, keys);
  if (!found) return Ops::choose_entries(query, keys);
  KeyScan& scan = *found;
  const int64_t tokens = query.q_THK.size(0), entries = most_entries(query.count_T, tokens);
  scan.entries.assign(static_cast<size_t>(tokens * scan.segments), BestOf(query.limit));
  if (query.keep > 0)
    scan.blocks.assign(static_cast<size_t>(tokens * scan.segments), BestOf(query.keep));
  const int64_t tiles = static_cast<int64_t>(scan.tiles.size());
  const int64_t cost = entries * scan.heads() * scan.width() / (kCostOfOneProduct * scan.segments);
  deal(tiles * scan.segments, cost,
       [&](int64_t unit) { scan_tile(scan, unit / scan.segments, unit % scan.segments); });

  const int64_t limit = std::min(query.limit, entries);
  const int64_t blocks = (entries + query.block - 1) / query.block;
  IndexChoice choice;
  choice.ids_TN = Tensor::empty(DType::i64, {tokens, limit});
  if (query.keep > 0) choice.kept_TB = Tensor::zeros(DType::u8, {tokens, blocks});
  const auto joined = [&](std::vector<BestOf>& all, int64_t t) -> const std::vector<Scored>& {
    BestOf& best = all[scan.place(t, 0)];
    for (int64_t segment = 1; segment < scan.segments; ++segment)
      best.join(all[scan.place(t, segment)]);
    return best.chosen();
  };
  split_rows(tokens, limit * 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t* ids = choice.ids_TN.data<int64_t>() + t * limit;
      int64_t* next = ids;
      for (const Scored& one : joined(scan.entries, t))
        *next++ = index_at(query.first_T, t) + one.index;
      std::sort(ids, next);
      std::fill(next, ids + limit, -1);
      if (query.keep == 0) continue;
      for (const Scored& one : joined(scan.blocks, t))
        choice.kept_TB.data<uint8_t>()[t * blocks + one.index] = 1;
    }
  });
  return choice;
}

Tensor CpuOps::candidates(const Tensor& scores, const Tensor& count, int64_t block, int64_t keep) {
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t blocks = (entries + block - 1) / block;
  const Tensor out = Tensor::zeros(DType::u8, {tokens, blocks});
  split_rows(tokens, entries, [&](int64_t begin, int64_t end) {
    float* best = workspace().floats(Workspace::first, blocks);
    for (int64_t t = begin; t < end; ++t) {
      const float* row = scores.data<float>() + t * entries;
      for (int64_t b = 0; b < blocks; ++b)
        best[b] = *std::max_element(row + b * block, row + std::min(entries, (b + 1) * block));
      if (const int64_t visible = index_at(count, t); visible > 0)
        best[(visible - 1) / block] = -kMinusInfinity;
      uint8_t* kept = out.data<uint8_t>() + t * blocks;
      take_best(best, blocks, keep, workspace().values, [kept](int64_t b) { kept[b] = 1; });
    }
  });
  return out;
}

Tensor CpuOps::mask_scores(const Tensor& scores, const Tensor& kept, int64_t block) {
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t blocks = tokens == 0 ? 0 : kept.size(1);
  const Tensor out = Tensor::empty(DType::f32, scores.shape());
  split_rows(tokens, entries, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = out.data<float>() + t * entries;
      const float* in = scores.data<float>() + t * entries;
      const uint8_t* keep = kept.data<uint8_t>() + t * blocks;
      std::fill_n(row, entries, kMinusInfinity);
      for (int64_t b = 0; b < blocks && b * block < entries; ++b)
        if (keep[b] != 0)
          std::copy(in + b * block, in + std::min(entries, (b + 1) * block), row + b * block);
    }
  });
  return out;
}

Tensor CpuOps::pick(const Tensor& scores, const Tensor& first, int64_t limit) {
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t width = std::min(limit, entries);
  const Tensor out = Tensor::empty(DType::i64, {tokens, width});
  split_rows(tokens, 4 * entries, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t* next = out.data<int64_t>() + t * width;
      int64_t* const row_end = next + width;
      const int64_t base = index_at(first, t);
      take_best(scores.data<float>() + t * entries, entries, limit, workspace().values,
                [&](int64_t j) { *next++ = base + j; });
      std::fill(next, row_end, -1);
    }
  });
  return out;
}

}  // namespace hadal::cpu
