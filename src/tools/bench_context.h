// SPDX-License-Identifier: MIT
// `hadal bench context`: what a step costs against the length of the context, without reading it.
//
//   hadal bench context --config presets/deepseek-v4.1-flash.json --layers 12 --experts 8
//
// Caches are filled with random rows in the formats they have, index keys each its own, so that
// every entry is scored and what is chosen lies all over the context; then tokens are decoded and
// chunks of a prompt are read at the end of it.  A model is a checkpoint's (--model) or a published
// shape with random weights (--config), of all widths and as many layers as the machine can hold.
//
//   step        milliseconds of one decoded token, the best of --rounds; and of processor time,
//               which a busy machine disturbs less
//   of first    the same against the first context of the list
//   chunk       milliseconds a token of a prompt, read --chunk at a time, all layers
//   cache       bytes of its rows, and what the process holds in memory
#pragma once

#include "tools/command.h"

namespace hadal {

// After add_bench.
void add_bench_context(CLI::App& program, Command& chosen);

}  // namespace hadal
