// SPDX-License-Identifier: MIT
// `hadal chat`: a conversation in the terminal, or one turn a line from a pipe.
//
// The cache is kept between turns, so only what is new is read.  Ctrl-C stops an answer; at the
// prompt, twice leaves.  Answers go to stdout; prompt, reasoning, speed and hints to stderr.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_chat(CLI::App& program, Command& chosen);

}  // namespace hadal
