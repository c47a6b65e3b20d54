// SPDX-License-Identifier: MIT
// Options that hold an answer to a form: --json-schema, --regex, --grammar.
#pragma once

#include <memory>
#include <string>

#include "grammar/token_constraint.h"
#include "tools/open_model.h"

namespace hadal {

struct FormChoice {
  std::string schema_file, regex, grammar_file;
  bool asked() const { return !schema_file.empty() || !regex.empty() || !grammar_file.empty(); }
};

void add_form_options(CLI::App& command, FormChoice& choice);

// Null if nothing was asked for.  `thinks`: the form begins where thinking has ended.
Result<std::shared_ptr<TokenConstraint>> form_constraint(const FormChoice& choice,
                                                         const OpenModel& open, bool thinks);

}  // namespace hadal
