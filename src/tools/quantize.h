// SPDX-License-Identifier: MIT
// `hadal quantize`: a checkpoint's matrices in four or eight bits, in the published layout.
//
//   hadal quantize models/nano -o /tmp/nano-4bit --recipe 4bit
//
// OUT appears when it is whole: until then everything is in OUT.partial, which is no model, and
// from which the same command goes on after Ctrl-C, a crash or a full disk.
#pragma once

#include "tools/command.h"

namespace CLI {
class App;
}

namespace hadal {

void add_quantize(CLI::App& program, Command& chosen);

}  // namespace hadal
