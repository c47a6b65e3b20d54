// SPDX-License-Identifier: MIT
// The loops of kernels.h for whatever the compiler was told to aim at.
#define HADAL_KERNELS_NAME any
#include "backends/torch/kernel_table.h"
