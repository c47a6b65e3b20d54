// SPDX-License-Identifier: MIT
// The loops of kernels.h for x86-64-v3.
#define HADAL_KERNELS_NAME v3
#include "backends/torch/kernel_table.h"
