// SPDX-License-Identifier: MIT
// The best entries of each row of scores, on the host: a few are picked without sorting all.
// f32; no gradients.
#pragma once

#include "backends/torch/libtorch.h"

namespace hadal {

// As the verbs pick and candidates of ops.h.
at::Tensor pick_on_host(const at::Tensor& scores_TN, const at::Tensor& first_T, int64_t limit);
at::Tensor candidates_on_host(const at::Tensor& scores_TN, const at::Tensor& count_T, int64_t block,
                              int64_t keep);

}  // namespace hadal
