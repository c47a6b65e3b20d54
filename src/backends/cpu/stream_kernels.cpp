// SPDX-License-Identifier: MIT
// Blends of residual streams, compiled once per instruction set (see vec.h for what may be called).
//
// Sinkhorn's rounds are a chain of sums and divisions that wait for each other, so a token alone
// leaves a register's lanes idle: here every lane is a token.  What a lane computes does not depend
// on its neighbours.
#include "backends/cpu/stream_kernels.h"

#include "backends/cpu/vec.h"

namespace hadal::cpu::HADAL_CPU_ISA {
namespace {

constexpr int64_t kMostCoefficients = kMostStreams * (kMostStreams + 2);

inline void divide_by(Vec* values, int64_t step, int64_t n, Vec sum) {
  const Vec inverse = 1.0f / sum;
  for (int64_t i = 0; i < n; ++i) values[i * step] *= inverse;
}

// Row softmax plus epsilon, a column step, then rounds-1 times rows and columns [K4].
inline __attribute__((always_inline)) void sinkhorn(Vec* m, int64_t n, float epsilon,
                                                    int64_t rounds) {
  const auto columns = [&] {
    Vec sums[kMostStreams];
    for (int64_t k = 0; k < n; ++k) sums[k] = broadcast(epsilon);
    for (int64_t j = 0; j < n; ++j)
      for (int64_t k = 0; k < n; ++k) sums[k] += m[j * n + k];
    for (int64_t k = 0; k < n; ++k) divide_by(m + k, n, n, sums[k]);
  };
  for (int64_t j = 0; j < n; ++j) {
    Vec* row = m + j * n;
    Vec top = row[0], sum = {};
    for (int64_t k = 1; k < n; ++k) top = larger(top, row[k]);
    for (int64_t k = 0; k < n; ++k) sum += row[k] = exponential(row[k] - top);
    for (int64_t k = 0; k < n; ++k) row[k] = row[k] / sum + epsilon;
  }
  columns();
  for (int64_t round = 1; round < rounds; ++round) {
    for (int64_t j = 0; j < n; ++j) {
      Vec sum = broadcast(epsilon);
      for (int64_t k = 0; k < n; ++k) sum += m[j * n + k];
      divide_by(m + j * n, 1, n, sum);
    }
    columns();
  }
}

inline Vec sigmoid(Vec x) {
  return 1.0f / (1.0f + exponential(-x));
}

// Up to kLanes tokens from `first` on; lanes without a token repeat the first one.
inline __attribute__((always_inline)) void mix_lanes(const MixJob& job, int64_t first,
                                                     int64_t tokens, int64_t n) {
  const int64_t coefficients = n * (n + 2);
  Vec m[kMostCoefficients];
  const float* mu = job.mu + first * coefficients;
  for (int64_t i = 0; i < coefficients; ++i) {
    Vec v = broadcast(mu[i]);
    for (int64_t t = 1; t < tokens; ++t) v[t] = mu[t * coefficients + i];
    m[i] = v * job.scale[i < n ? 0 : i < 2 * n ? 1 : 2] + job.base[i];
  }
  for (int64_t s = 0; s < n; ++s) {
    m[s] = sigmoid(m[s]) + job.epsilon;
    m[n + s] = 2.0f * sigmoid(m[n + s]);
  }
  sinkhorn(m + 2 * n, n, job.epsilon, job.rounds);
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t token = first + t;
    for (int64_t s = 0; s < n; ++s) {
      job.pre[token * n + s] = m[s][t];
      job.post[token * n + s] = m[n + s][t];
    }
    for (int64_t i = 0; i < n * n; ++i) job.comb[token * n * n + i] = m[2 * n + i][t];
  }
}

void mix(const MixJob& job) {
  for (int64_t t = 0; t < job.tokens; t += kLanes) {
    const int64_t tokens = job.tokens - t < kLanes ? job.tokens - t : kLanes;
    if (job.streams == 4)  // the published number: loops of known length stay in registers
      mix_lanes(job, t, tokens, 4);
    else
      mix_lanes(job, t, tokens, job.streams);
  }
}

}  // namespace

const StreamKernels kStreams = {mix};

}  // namespace hadal::cpu::HADAL_CPU_ISA
