// SPDX-License-Identifier: MIT
// One table of loops; each kernels_*.cpp includes this once, with HADAL_KERNELS_NAME set.
#include "backends/torch/kernels.h"

namespace hadal {
namespace {

#include "backends/torch/kernel_vectors.h"

#include "backends/torch/kernel_attend.h"
#include "backends/torch/kernel_dense.h"
#include "backends/torch/kernel_score.h"
#include "backends/torch/kernel_streams.h"

}  // namespace

#define HADAL_KERNELS_JOIN(name) kernels_##name
#define HADAL_KERNELS_TABLE(name) HADAL_KERNELS_JOIN(name)
#define HADAL_KERNELS_QUOTE(name) #name
#define HADAL_KERNELS_TEXT(name) HADAL_KERNELS_QUOTE(name)

extern const Kernels HADAL_KERNELS_TABLE(HADAL_KERNELS_NAME);
const Kernels HADAL_KERNELS_TABLE(HADAL_KERNELS_NAME) = {
    HADAL_KERNELS_TEXT(HADAL_KERNELS_NAME),
    norm,
    norm_back,
    turn,
    swiglu,
    swiglu_back,
    hidden,
    hidden_back,
    gather_rows,
    attend,
    attend_back,
    seen_back,
    score,
    score_back,
    score_keys_back,
    mix,
    mix_back,
    narrow,
    narrow_back,
    widen,
    widen_back,
    engram,
    engram_back,
};

}  // namespace hadal
