// SPDX-License-Identifier: MIT
// at::parallel_for, behind the same door as libtorch.h: without OpenMP it is a plain loop.
#pragma once

#include "backends/torch/libtorch.h"

#pragma push_macro("CHECK")
#pragma push_macro("DCHECK")
#undef CHECK
#undef DCHECK
#include <ATen/Parallel.h>
#undef CHECK
#undef DCHECK
#pragma pop_macro("CHECK")
#pragma pop_macro("DCHECK")
