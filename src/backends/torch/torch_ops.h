// SPDX-License-Identifier: MIT
// The verbs as ATen calls, with gradients: training, and inference on any device of libtorch.
//
//   TRY(std::unique_ptr<Ops> ops, make_torch_ops("cpu"));
//   Tensor loss_input = model.forward(...);       // records gradients where leaves ask for them
//
// "cpu", "cuda", "cuda:1", or a vendor's plug-in under its own name ("npu", "mlu").  Leaf
// parameters made with wrap() pass through prepare() untouched; anything else is dequantised to
// f32 on the device.  Arguments in host memory (plans, ids) are carried to the device on the fly.
//
// Always true: with a fixed number of threads the same input gives the same bits, forward and
// backward.  One thread at a time per Ops.  Exceptions of libtorch (out of memory) leave the
// verbs; callers in train catch them at the top.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "ops/ops.h"

namespace hadal {

struct TorchOptions {
  // Hand-written loops with hand-written gradients, on the CPU in f32.  Off: ATen alone.
  bool fused = true;
  // Computes in f64, so that gradients can be held against finite differences.
  bool double_precision = false;
};

Result<std::unique_ptr<Ops>> make_torch_ops(const std::string& device,
                                            const TorchOptions& options = {});

}  // namespace hadal
