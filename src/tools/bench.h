// SPDX-License-Identifier: MIT
// `hadal bench`: how fast a model reads and writes on this machine, and against what limit.
//
//   prefill     tokens a second of a prompt, all layers for all tokens
//   shortcut    the same prompt where layers of V4.1's decoder half skip what the last token
//               cannot see (model-spec §1.3); V4 has no such layers
//   decode      tokens a second, one after the other
//   bandwidth   bytes a second that all threads read from memory, measured in the same run;
//               decode is shown as a share of bandwidth / active bytes
#pragma once

#include "tools/command.h"

namespace hadal {

void add_bench(CLI::App& program, Command& chosen);

}  // namespace hadal
