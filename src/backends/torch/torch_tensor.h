// SPDX-License-Identifier: MIT
// Tensors of libtorch behind hadal::Tensor, and the way between the two.
//
//   Tensor weight = wrap(leaf);                  // leaf.requires_grad() is kept
//   at::Tensor loss = unwrap(model_output).mean();
//
// A TorchStorage holds one dense at::Tensor, the root.  Slices and new shapes of a hadal::Tensor
// are arithmetic on offset and shape; unwrap() repeats them as ATen views, so that gradients flow
// through them.  On the CPU the storage has a host address, for reading: what is written there is
// not seen by autograd.
// f64 (gradient tests) travels under the label f32 and has no host address.
#pragma once

#include "backends/torch/libtorch.h"
#include "base/tensor.h"

namespace hadal {

class TorchStorage final : public Storage {
 public:
  explicit TorchStorage(at::Tensor root) : root_(std::move(root)) {}
  void* host_address() override;

  const at::Tensor& root() const { return root_; }
  // write_rows is functional underneath: the pool gets a new root, which remembers the old one.
  void replace(at::Tensor root) { root_ = std::move(root); }

 private:
  at::Tensor root_;
};

// The storage of a tensor that came from wrap(), else null.
TorchStorage* torch_storage(const Tensor& tensor);

Tensor wrap(const at::Tensor& tensor);

// The tensor as ATen sees it.  Host memory of other rooms is borrowed, not copied; it is kept
// alive for as long as autograd needs it, and must not change meanwhile.
at::Tensor unwrap(const Tensor& tensor);

}  // namespace hadal
