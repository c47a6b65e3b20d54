// SPDX-License-Identifier: MIT
// From options to a constraint.
#include "tools/form_option.h"

#include <CLI/CLI.hpp>

#include <utility>
#include <vector>

#include "base/file.h"
#include "serve/answer_forms.h"

namespace hadal {
namespace {

constexpr int64_t kLongestFile = 4 << 20;  // what a grammar or schema can hold fits many times over

Result<AskedForm> read_choice(const FormChoice& choice) {
  const int given = (choice.schema_file.empty() ? 0 : 1) + (choice.regex.empty() ? 0 : 1) +
                    (choice.grammar_file.empty() ? 0 : 1);
  if (given > 1) return fail("--json-schema, --regex and --grammar: expected one of them");
  AskedForm form;
  if (!choice.regex.empty()) {
    form.kind = AskedForm::Kind::regex;
    form.text = choice.regex;
  } else if (!choice.grammar_file.empty()) {
    form.kind = AskedForm::Kind::grammar;
    TRY(form.text, read_file(choice.grammar_file, kLongestFile));
  } else {
    form.kind = AskedForm::Kind::json_schema;
    TRY(const std::string text, read_file(choice.schema_file, kLongestFile));
    TRY(form.json, parse_ordered_json(text, choice.schema_file, {}));
  }
  return form;
}

}  // namespace

void add_form_options(CLI::App& command, FormChoice& choice) {
  command.add_option("--json-schema", choice.schema_file,
                     "A file: the answer is JSON that fits this schema");
  command.add_option("--regex", choice.regex, "The answer matches this regular expression");
  command.add_option("--grammar", choice.grammar_file,
                     "A file: the answer matches this grammar (EBNF; its rule root)");
}

Result<std::shared_ptr<TokenConstraint>> form_constraint(const FormChoice& choice,
                                                         const OpenModel& open, bool thinks) {
  if (!choice.asked()) return std::shared_ptr<TokenConstraint>();
  TRY(const AskedForm form, read_choice(choice));
  TRY(const auto forms, AnswerForms::make(*open.tokenizer, open.config().vocab));
  TRY(const auto grammar, forms->compile(form));
  std::vector<Gate> gates;
  if (thinks) {
    const std::optional<int32_t> end = open.tokenizer->id_of(kThinkEnd);
    if (!end) return fail("--think: this tokenizer has no token that ends thinking");
    gates.push_back({.token = *end, .after_text = ""});
  }
  return std::shared_ptr<TokenConstraint>(
      make_constraint(grammar, {.end_ids = open.end_ids(), .gates = std::move(gates)}));
}

}  // namespace hadal
