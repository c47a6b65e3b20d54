// SPDX-License-Identifier: MIT
// Attention over cached rows, compiled once per instruction set (see vec.h for what may be called).
//
// Packed rows become floats of exactly their values, sixty-four at a time, and meet all heads of
// the call while they are in the second-level cache.  They are needed twice, for the logits and for
// the average; where all of them fit that cache they stay, otherwise they are unpacked again.
#include "backends/cpu/row_kernels.h"

#include "backends/cpu/dot_tile.h"
#include "backends/cpu/vec.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();
// Rows whose probabilities meet them at once: 64 rows × 64 channels stay in the first-level cache,
// and partial sums of 64 terms keep long sums exact enough.
constexpr int64_t kSightBlock = 64;
// Unpacked rows that are kept: half a megabyte of the second-level cache.
constexpr int64_t kKeptFloats = 1 << 17;

constexpr int64_t larger_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}
constexpr int64_t round_up(int64_t n, int64_t unit) {
  return (n + unit - 1) / unit * unit;
}

// ---- packed rows to floats ----------------------------------------------------------------------

// Subnormal codes come out right, as the exponent is moved by a product.
inline float e4m3_value(uint8_t code) {
  const uint32_t bits = (uint32_t)(code & 0x7f) << 20;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  value *= 0x1p120f;
  return (code & 0x80) != 0 ? -value : value;
}

inline float scale_at(const RowShape& shape, const uint8_t* row, int64_t block) {
  const uint8_t code = row[shape.scale_offset + block];
  return shape.e4m3_scales ? e4m3_value(code) : widen_e8m0_one(code);
}

void unpack_e4m3(const RowShape& shape, const uint8_t* row, float* out) {
  for (int64_t begin = 0, b = 0; begin < shape.values; begin += shape.block, ++b) {
    const int64_t end = smaller(begin + shape.block, shape.values);
    const Vec scale = broadcast(scale_at(shape, row, b) * kE4m3ScaleFactor);
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) store(out + i, widen_e4m3(row + i) * scale);
    if (i == end) continue;
    uint8_t part[kLanes] = {};
    __builtin_memcpy(part, row + i, (size_t)(end - i));
    store_part(out + i, widen_e4m3(part) * scale, end - i);
  }
}

void unpack_e2m1(const RowShape& shape, const uint8_t* row, float* out) {
  for (int64_t begin = 0, b = 0; begin < shape.values; begin += shape.block, ++b) {
    const int64_t end = smaller(begin + shape.block, shape.values);
    const float scale = scale_at(shape, row, b);
    int64_t i = begin;
    for (; i + 16 <= end; i += 16) widen_fp4_in_order(row + i / 2, scale, out + i);
    for (; i < end; ++i) out[i] = kFp4Values[row[i / 2] >> (i % 2 * 4) & 15] * scale;
  }
}

void unpack(const RowShape& shape, const uint8_t* row, float* out) {
  if (shape.codes == RowShape::floats) {
    __builtin_memcpy(out, row, (size_t)shape.bytes);
    return;
  }
  if (shape.codes == RowShape::e4m3)
    unpack_e4m3(shape, row, out);
  else
    unpack_e2m1(shape, row, out);
  float* tail = out + shape.values;
  const uint8_t* stored = row + shape.tail_offset;
  if (!shape.bf16_tail) {
    __builtin_memcpy(tail, stored, (size_t)shape.tail * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < shape.tail; ++i) {
    uint16_t half;
    __builtin_memcpy(&half, stored + 2 * i, sizeof half);
    const uint32_t bits = (uint32_t)half << 16;
    __builtin_memcpy(tail + i, &bits, sizeof bits);
  }
}

// Rows [begin, begin + 64) as floats; plain rows are read where they are.
class UnpackedRows {
 public:
  UnpackedRows(const Attention& a, float* memory)
      : a_(a), memory_(memory), kept_(a.count * a.width <= kKeptFloats) {}

  static int64_t floats(int64_t count, int64_t width) {
    return larger_of(smaller(count * width, kKeptFloats), smaller(kSightBlock, count) * width);
  }

  const float* const* block(int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const RowShape& shape = j < a_.near_count ? *a_.near : *a_.far;
      if (shape.codes == RowShape::floats) {
        pointers_[j - begin] = (const float*)a_.rows[j];
        continue;
      }
      float* place = memory_ + (kept_ ? j : j - begin) * a_.width;
      if (!kept_ || j >= unpacked_) unpack(shape, a_.rows[j], place);
      pointers_[j - begin] = place;
    }
    unpacked_ = larger_of(unpacked_, end);
    return pointers_;
  }

 private:
  const Attention& a_;
  float* memory_;
  bool kept_;
  int64_t unpacked_ = 0;  // rows that are kept so far
  const float* pointers_[kSightBlock];
};

// ---- tiles --------------------------------------------------------------------------------------

// logits[h][j] = scale · q[h] · rows[j] for one tile.
struct LogitTile {
  const Attention& a;
  const float* const* rows;  // from `block` on
  int64_t block, head, row, end;
  float* logits;
  int64_t stride;

  template <int64_t M>
  void run() const {
    const float *q[M], *w[kTileOutputs];
    for (int64_t m = 0; m < M; ++m) q[m] = a.q + (head + m) * a.width;
    for (int64_t n = 0; n < kTileOutputs; ++n) w[n] = rows[smaller(row + n, end - 1) - block];
    float dots[M * kTileOutputs];
    dot_tile<M>(q, w, a.width, dots);
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < kTileOutputs; ++n)
        logits[(head - a.first + m) * stride + row + n] = dots[m * kTileOutputs + n] * a.scale;
  }
};

// Logits of one head become e^(logit - top); returns 1 / their sum with the sink's.
float exponentiate(float* logits, int64_t count, int64_t stride, const float* sink) {
  for (int64_t j = count; j < stride; ++j) logits[j] = kMinusInfinity;
  Vec largest = broadcast(sink != nullptr ? *sink : kMinusInfinity);
  for (int64_t j = 0; j < stride; j += kLanes) largest = larger(largest, load(logits + j));
  const Vec top = broadcast(largest_lane(largest));
  Vec sum = {};
  for (int64_t j = 0; j < stride; j += kLanes) {
    const Vec p = exponential(load(logits + j) - top);
    store(logits + j, p);
    sum += p;
  }
  float total = sum_lanes(sum);
  if (sink != nullptr) total += exponential(broadcast(*sink) - top)[0];
  return 1.0f / total;
}

// out[h][channels] += Σ_j p[h][j] · rows[j][channels] over one block of rows.
struct AverageTile {
  const Attention& a;
  const float* const* rows;  // from `begin` on
  const float* probabilities;
  int64_t stride, head, begin, end, channel;

  template <int64_t M>
  void run() const {
    const int64_t left = smaller(a.width - channel, kTileOutputs * kLanes);
    const int64_t whole = left / kLanes;
    if (whole == 4) average<M, 4>(kLanes);
    if (whole == 3) average<M, 3>(kLanes);
    if (whole == 2) average<M, 2>(kLanes);
    if (whole == 1) average<M, 1>(kLanes);
    if (left % kLanes != 0)
      AverageTile{a, rows, probabilities, stride, head, begin, end, channel + whole * kLanes}
          .template average<M, 1>(left % kLanes);
  }

  // V registers of channels, or the first `lanes` channels of one.
  template <int64_t M, int64_t V>
  void average(int64_t lanes) const {
    Vec sums[M][V] = {};
    const float* p = probabilities + (head - a.first) * stride;
    for (int64_t j = begin; j < end; ++j) {
      const float* row = rows[j - begin] + channel;
      Vec values[V];
      for (int64_t v = 0; v < V; ++v)
        values[v] = V > 1 || lanes == kLanes ? load(row + v * kLanes) : load_part(row, lanes);
      for (int64_t m = 0; m < M; ++m) {
        const Vec share = broadcast(p[m * stride + j]);
        for (int64_t v = 0; v < V; ++v) sums[m][v] = madd(share, values[v], sums[m][v]);
      }
    }
    for (int64_t m = 0; m < M; ++m) {
      float* out = a.out + (head + m) * a.width + channel;
      if (V == 1 && lanes < kLanes)
        store_part(out, load_part(out, lanes) + sums[m][0], lanes);
      else
        for (int64_t v = 0; v < V; ++v)
          store(out + v * kLanes, load(out + v * kLanes) + sums[m][v]);
    }
  }
};

int64_t scratch_floats(int64_t heads, int64_t count, int64_t width) {
  // Logits of whole tiles of rows, and the rows.
  return heads * round_up(count, 16) + 16 + UnpackedRows::floats(count, width);
}

void attend(const Attention& a, float* scratch) {
  for (int64_t i = a.first * a.width; i < a.last * a.width; ++i) a.out[i] = 0.0f;
  if (a.count == 0) return;
  const int64_t stride = round_up(a.count, 16);
  float* logits = scratch;
  UnpackedRows unpacked(a, scratch + (a.last - a.first) * stride);
  for (int64_t begin = 0; begin < a.count; begin += kSightBlock) {
    const int64_t end = smaller(begin + kSightBlock, a.count);
    const float* const* rows = unpacked.block(begin, end);
    for (int64_t row = begin; row < end; row += kTileOutputs)
      for (int64_t head = a.first; head < a.last; head += kTileRows)
        with_tile<kTileRows>(smaller(kTileRows, a.last - head),
                             LogitTile{a, rows, begin, head, row, end, logits, stride});
  }
  for (int64_t head = a.first; head < a.last; ++head) {
    float* of_head = logits + (head - a.first) * stride;
    const float inverse =
        exponentiate(of_head, a.count, stride, a.sinks != nullptr ? a.sinks + head : nullptr);
    for (int64_t j = 0; j < a.count; ++j) of_head[j] *= inverse;
  }
  for (int64_t begin = 0; begin < a.count; begin += kSightBlock) {
    const int64_t end = smaller(begin + kSightBlock, a.count);
    const float* const* rows = unpacked.block(begin, end);
    for (int64_t channel = 0; channel < a.width; channel += kTileOutputs * kLanes)
      for (int64_t head = a.first; head < a.last; head += kTileRows)
        with_tile<kTileRows>(smaller(kTileRows, a.last - head),
                             AverageTile{a, rows, logits, stride, head, begin, end, channel});
  }
}

}  // namespace

const AttendKernels kAttend = {attend, scratch_floats, unpack};

}  // namespace hadal::cpu::HADAL_CPU_ISA
