// SPDX-License-Identifier: MIT
// Verbs as one autograd node each: loops of kernels.h forward, and written by hand backward.
// For the CPU, in f32; every one equals the ATen calls beside which it is chosen.
//
// The same bits every time, whatever the number of threads: rows are independent of each other,
// and what is summed over tokens is summed in chunks of a fixed size, chunk after chunk.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "backends/torch/kernels.h"
#include "backends/torch/libtorch_parallel.h"
#include "ops/ops.h"

namespace hadal {

at::Tensor fused_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
// cosine and sine [T, tail] as TurnArgs wants them.
at::Tensor fused_turn(const at::Tensor& x, const at::Tensor& cosine, const at::Tensor& sine);
at::Tensor fused_swiglu(const at::Tensor& gate, const at::Tensor& up, double limit);
// `weight` is the query's times the key's; `dead` is u8 or undefined.
at::Tensor fused_engram(const at::Tensor& x_TSD, const at::Tensor& kv, const at::Tensor& weight_SD,
                        const at::Tensor& dead_T, double epsilon);

struct FusedSight {
  at::Tensor rows_RK;  // undefined: nothing to see
  at::Tensor ids_TN;
};
at::Tensor fused_attend(const at::Tensor& q_THK, const FusedSight& window,
                        const FusedSight& compressed, const at::Tensor& sink_H, double scale);

// `first` and `count` in host memory.
at::Tensor fused_score(const at::Tensor& q_THK, const at::Tensor& w_TH, const at::Tensor& keys_RK,
                       const at::Tensor& first_T, const at::Tensor& count_T, double scale);

// Pairs (token, expert) in ascending order of expert, and the way back.
struct ExpertPlan {
  at::Tensor tokens;          // of each pair
  at::Tensor pairs;           // place of that pair in ids [T, N]
  at::Tensor places;          // [T·N] for each token its pairs, ascending by expert
  std::vector<int64_t> rows;  // pairs of each expert
};
struct FusedExperts {
  std::vector<at::Tensor> weights;  // gate of every expert, then up, then down
  double limit;
  RowFormat hidden_format;
};
at::Tensor fused_experts(const at::Tensor& x_TD, const at::Tensor& weights_TN,
                         const ExpertPlan& plan, const FusedExperts& experts);

// Streams: kFusedStreams of them.
struct FusedMix {
  at::Tensor pre_TS, post_TS, comb_TSS;
};
struct FusedMixOptions {
  int64_t rounds;
  double norm_epsilon, epsilon;
};
FusedMix fused_mix(const at::Tensor& x_TSD, const at::Tensor& fn, const at::Tensor& base,
                   const at::Tensor& scale, const FusedMixOptions& options);
at::Tensor fused_narrow(const at::Tensor& x_TSD, const at::Tensor& pre_TS);
at::Tensor fused_widen(const at::Tensor& y_TD, const at::Tensor& x_TSD, const at::Tensor& post_TS,
                       const at::Tensor& comb_TSS);

// w [O, side·side·C]; see Ops::convolve.
at::Tensor fused_convolve(const at::Tensor& x_FYXC, const at::Tensor& w, int64_t side);

// ---- for fused_*.cpp alone

inline float* floats(const at::Tensor& tensor) {
  return tensor.data_ptr<float>();
}

// A limit of 0 means none.
inline SwigluArgs swiglu_args(const at::Tensor& gate, const at::Tensor& up, double limit) {
  SwigluArgs args{};
  args.gate = floats(gate);
  args.up = floats(up);
  args.limit = limit > 0 ? static_cast<float>(limit) : std::numeric_limits<float>::infinity();
  return args;
}

// Autograd's functions take no undefined tensor: what is absent travels as an empty one.
inline at::Tensor or_empty(const at::Tensor& tensor, at::ScalarType type) {
  return tensor.defined() ? tensor.contiguous() : at::empty({0}, type);
}

// Rows that cost about this many floats are worth a thread.
constexpr int64_t kFloatsPerThread = 16384;

template <typename Loop>
void over_rows(int64_t rows, int64_t floats_per_row, Loop loop) {
  const int64_t grain =
      std::max<int64_t>(1, kFloatsPerThread / std::max<int64_t>(1, floats_per_row));
  at::parallel_for(0, rows, grain, loop);
}

// loop(first, last, sum) adds what rows [first, last) contribute to a sum of `width` floats.
template <typename Loop>
at::Tensor sum_over_rows(int64_t rows, int64_t width, Loop loop) {
  constexpr int64_t kChunk = 128;  // a few dozen chunks in a training batch
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  const at::Tensor partial = at::zeros({chunks, width}, at::kFloat);
  float* sums = partial.data_ptr<float>();
  at::parallel_for(0, chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk)
      loop(chunk * kChunk, std::min(rows, (chunk + 1) * kChunk), sums + chunk * width);
  });
  const at::Tensor total = at::zeros({width}, at::kFloat);
  float* out = total.data_ptr<float>();
  for (int64_t chunk = 0; chunk < chunks; ++chunk)
    for (int64_t i = 0; i < width; ++i) out[i] += sums[chunk * width + i];
  return total;
}

}  // namespace hadal
