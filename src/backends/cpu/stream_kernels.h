// SPDX-License-Identifier: MIT
// The inner loop over residual streams: blends from coefficients (mHC, model-spec §2.1, §2.2).
//
// stream_kernels.cpp is compiled once per instruction set, as kernels.cpp is, and keeps its rules.
#pragma once

#include <cstdint>

namespace hadal {
enum class InstructionSet : uint8_t;
}  // namespace hadal

namespace hadal::cpu {

constexpr int64_t kMostStreams = 16;

// Of each token: μ of S for `pre`, S for `post`, S·S for `comb`; scales and base as in ops.h.
struct MixJob {
  const float* mu = nullptr;
  int64_t tokens = 0, streams = 0;
  const float* scale = nullptr;  // of the three parts
  const float* base = nullptr;
  float epsilon = 0;
  int64_t rounds = 0;  // of Sinkhorn
  float* pre = nullptr;
  float* post = nullptr;
  float* comb = nullptr;
};

struct StreamKernels {
  void (*mix)(const MixJob& job);
};

namespace portable {
extern const StreamKernels kStreams;
}
namespace avx2 {
extern const StreamKernels kStreams;
}
namespace avx512 {
extern const StreamKernels kStreams;
}
namespace neon {
extern const StreamKernels kStreams;
}

const StreamKernels& stream_kernels_for(InstructionSet set);

}  // namespace hadal::cpu
