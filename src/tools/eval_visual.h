// SPDX-License-Identifier: MIT
// `hadal eval visual`: what is drawn and read, judged by pixels.
//
//   hadal eval visual --model models/nano --count 300 --set shapes --set motion
//
// Every score stands beside the one that the tokenizer alone allows: the same scenes, drawn by
// the program, encoded and decoded.  The judges (scenes/) give the drawn scenes 100 %.
#pragma once

#include "tools/command.h"

namespace CLI {
class App;
}

namespace hadal {

void add_visual_eval(CLI::App& eval, Command& chosen);

}  // namespace hadal
