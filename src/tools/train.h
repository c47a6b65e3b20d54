// SPDX-License-Identifier: MIT
// `hadal train CONFIG.json`: trains a model until its last step; resumes where it was stopped.
#pragma once

#include "tools/command.h"

namespace hadal {

void add_train(CLI::App& program, Command& chosen);

}  // namespace hadal
