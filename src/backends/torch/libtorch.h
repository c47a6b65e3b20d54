// SPDX-License-Identifier: MIT
// The one door to libtorch's headers: tensors, autograd functions, factories that record gradients.
//
//   #include "backends/torch/libtorch.h"
//   at::Tensor x = torch::zeros({2, 3});
//
// libtorch's logging also defines CHECK and DCHECK; behind this door the names mean what
// base/result.h says, whichever of the two is included first.  <torch/torch.h> is left outside: it
// costs twenty seconds a file and adds only modules and data loaders.
#pragma once

#pragma push_macro("CHECK")
#pragma push_macro("DCHECK")
#undef CHECK
#undef DCHECK

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/generated/variable_factories.h>

#undef CHECK
#undef DCHECK
#pragma pop_macro("CHECK")
#pragma pop_macro("DCHECK")
