// SPDX-License-Identifier: MIT
// The loops of kernels.h for x86-64-v4.
#define HADAL_KERNELS_NAME v4
#include "backends/torch/kernel_table.h"
