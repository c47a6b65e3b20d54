// SPDX-License-Identifier: MIT
// `hadal train` in a build without libtorch: says so.
#include <CLI/CLI.hpp>

#include "tools/train.h"

namespace hadal {

void add_train(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("train", "Train a model (not in this build)");
  command->allow_extras();
  command->callback([&chosen] {
    chosen = []() -> Result<int> {
      return fail("train: this build has no libtorch; ./run train builds one that has");
    };
  });
}

}  // namespace hadal
