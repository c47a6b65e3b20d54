// SPDX-License-Identifier: MIT
// The inner loops over cached rows: attention, and the indexer's scores of keys.
//
// attend_kernels.cpp and score_kernels.cpp are compiled once per instruction set, as kernels.cpp
// is, and keep its rules: on the calling thread, no allocation, each output from its own inputs in
// one fixed order.  score_kernels.cpp alone has more sets, with dot products of bytes.
#pragma once

#include <cstdint>

namespace hadal {
enum class InstructionSet : uint8_t;
struct Pool;
}  // namespace hadal

namespace hadal::cpu {

// How a row lies in memory: PackedRow (ops/packed_rows.h) as the inner loops know it.
struct RowShape {
  enum Codes { floats, e4m3, e2m1 } codes = floats;
  bool bf16_tail = false;
  bool e4m3_scales = false;  // else E8M0
  int64_t block = 1;
  int64_t values = 0;  // with codes; for floats, all
  int64_t tail = 0, tail_offset = 0;
  int64_t scale_offset = 0;
  int64_t bytes = 0;
};
RowShape row_shape(const Pool& pool);

// One query: heads [first, last) of q and out meet `count` rows, of which the first `near_count`
// have the shape `near`, the others `far`.
struct Attention {
  const float* q = nullptr;
  float* out = nullptr;
  int64_t first = 0, last = 0;
  int64_t width = 0;
  const uint8_t* const* rows = nullptr;
  int64_t near_count = 0, count = 0;
  const RowShape* near = nullptr;
  const RowShape* far = nullptr;
  const float* sinks = nullptr;  // may be null
  float scale = 1;
};

struct AttendKernels {
  void (*attend)(const Attention& attention, float* scratch);
  int64_t (*scratch)(int64_t heads, int64_t count, int64_t width);  // in floats
  void (*unpack)(const RowShape& shape, const uint8_t* row, float* out);
};

// One query of the indexer against keys [0, count) of floats.
struct Scores {
  const float* q = nullptr;
  const float* weights = nullptr;
  int64_t heads = 0, width = 0;
  const float* keys = nullptr;
  int64_t count = 0;
  float scale = 1;
  float* out = nullptr;
};

// Queries against packed keys of fp4_32, in whole numbers: an E2M1 value times 2 is one, so the
// dot product of a block of 32 is exact, and is then multiplied by both scales.
//
// Heads stand in the order in which they are summed: those of negative weight last, so that what
// the first `lifting` of them sum up to is never less than the score.  Keys that cannot get above a
// query's limit then need no more of them.
struct KeyScores {
  // Of each query and head: in the order of a key's bytes, for each four of them the four even
  // channels, then the four odd ones, times 2.
  const int8_t* q = nullptr;
  const float* q_scales = nullptr;     // [query][head][block], a quarter of the scale
  const int32_t* q_offsets = nullptr;  // [query][head][block]: kKeyOffset times the block's sum
  const float* weights = nullptr;      // [query][head]
  const int64_t* lifting = nullptr;    // [query]
  const float* limits = nullptr;       // [query]; null: all scores are wanted
  int64_t queries = 0, heads = 0, width = 0;  // width: a multiple of 32
  const uint8_t* const* keys = nullptr;
  int64_t count = 0;
  float scale = 1;       // not negative
  float* out = nullptr;  // [query][out_stride]; -inf for keys that are not above the limit
  int64_t out_stride = 0;
};
// Added to a key's values times 2, so that they are bytes without a sign.
constexpr int64_t kKeyOffset = 12;

struct ScoreKernels {
  void (*score)(const Scores& scores);
  void (*score_keys)(const KeyScores& scores);
};

namespace portable {
extern const AttendKernels kAttend;
extern const ScoreKernels kScore;
}  // namespace portable
namespace avx2 {
extern const AttendKernels kAttend;
extern const ScoreKernels kScore;
}  // namespace avx2
namespace avx2_vnni {
extern const ScoreKernels kScore;
}
namespace avx512 {
extern const AttendKernels kAttend;
extern const ScoreKernels kScore;
}  // namespace avx512
namespace avx512_vnni {
extern const ScoreKernels kScore;
}
namespace neon {
extern const AttendKernels kAttend;
extern const ScoreKernels kScore;
}  // namespace neon
namespace neon_dotprod {
extern const ScoreKernels kScore;
}

const AttendKernels& attend_kernels_for(InstructionSet set);
const ScoreKernels& score_kernels_for(InstructionSet set);

}  // namespace hadal::cpu
