// SPDX-License-Identifier: MIT
// `hadal bench`: how fast a model reads and writes on this machine, and against what bound.
//
//   prefill     tokens a second of prompts, all layers for all tokens, as a share of the peak of
//               int8 products (f32 where there are none)
//   shortcut    the same prompt where layers of V4.1's decoder half skip what the last token
//               cannot see (model-spec §1.3); V4 has no such layers
//   decode at   tokens a second, one after the other, behind so many, as a share of read
//               bandwidth / (active bytes of weights + bytes of cache that are read)
//
// `hadal bench ops` does it for single products.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_bench(CLI::App& program, Command& chosen);

}  // namespace hadal
