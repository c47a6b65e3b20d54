// SPDX-License-Identifier: MIT
// Forms, compiled and kept.
#include "serve/answer_forms.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "grammar/ebnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"

namespace hadal {
namespace {

// Each holds up to 16 MiB of masks at a vocabulary of 129,280.
constexpr size_t kMostKept = 16;

Result<Grammar> choice_grammar(const OrderedJson& words) {
  Grammar grammar;
  std::vector<NodeId> ways;
  for (const OrderedJson& word : words) {
    if (!word.is_string() || word.get_ref<const std::string&>().empty())
      return fail("expected strings that are not empty");
    ways.push_back(grammar.literal(word.get_ref<const std::string&>()));
  }
  if (ways.empty()) return fail("expected at least one string");
  const RuleId root = grammar.add_rule("root");
  grammar.define(root, grammar.choice(std::move(ways)));
  return grammar;
}

Result<Grammar> read_form(const AskedForm& form) {
  switch (form.kind) {
    case AskedForm::Kind::json_schema:
      return json_schema_grammar(form.json);
    case AskedForm::Kind::regex:
      return regex_grammar(form.text);
    case AskedForm::Kind::grammar:
      return ebnf_grammar(form.text);
    case AskedForm::Kind::choice:
      return choice_grammar(form.json);
    case AskedForm::Kind::json_object:
    case AskedForm::Kind::free:
      break;
  }
  return json_object_grammar();
}

std::string key_of(const AskedForm& form) {
  const std::string kind = std::to_string(static_cast<int>(form.kind));
  return kind + ":" + (form.json.is_null() ? form.text : form.json.dump());
}

}  // namespace

Result<std::shared_ptr<AnswerForms>> AnswerForms::make(const Tokenizer& tokenizer, int64_t vocab) {
  std::vector<VocabularyToken> tokens;
  for (int32_t id = 0; id < std::min(tokenizer.vocab_size(), vocab); ++id)
    tokens.push_back({std::string(tokenizer.token_bytes(id)), tokenizer.is_added(id)});
  TRY(Vocabulary vocabulary, Vocabulary::make(std::move(tokens), vocab));
  return std::shared_ptr<AnswerForms>(
      new AnswerForms(std::make_shared<const Vocabulary>(std::move(vocabulary))));
}

AnswerForms::AnswerForms(std::shared_ptr<const Vocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)) {}

Result<std::shared_ptr<const TokenGrammar>> AnswerForms::compile(const AskedForm& form) {
  const std::string key = key_of(form);
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const auto& kept) { return kept.first == key; });
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->second;
    }
  }
  const Result<Grammar> rules = read_form(form);
  if (!rules) return rules.error();
  TRY(auto grammar, TokenGrammar::make(*rules, vocabulary_));
  const std::lock_guard lock(mutex_);
  kept_.emplace_front(key, grammar);
  if (kept_.size() > kMostKept) kept_.pop_back();
  return grammar;
}

}  // namespace hadal
