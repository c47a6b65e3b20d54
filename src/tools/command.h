// SPDX-License-Identifier: MIT
// A sub-command of the program: it adds itself to the command line, and is run when it is named.
//
//   void add_inspect(CLI::App& program, Command& chosen);   // in inspect.h
//
//   void add_inspect(CLI::App& program, Command& chosen) {  // in inspect.cpp
//     CLI::App* command = program.add_subcommand("inspect", "What a checkpoint is made of");
//     auto options = std::make_shared<InspectOptions>();
//     command->add_option("--model", options->folder, "Folder of the checkpoint");
//     command->callback([options, &chosen] { chosen = [options] { return inspect(*options); }; });
//   }
//
// The command is run after the whole line was parsed.  Its result is the exit code; an Error is
// printed by main() as one line, and its Blame is the exit code.
#pragma once

#include <functional>

#include "base/result.h"

namespace CLI {
class App;
}

namespace hadal {

using Command = std::function<Result<int>()>;

}  // namespace hadal
