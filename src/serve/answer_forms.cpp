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

// A key is a whole request's forms; what is larger is compiled each time.
constexpr size_t kLongestKey = size_t{1} << 20;

Result<NodeId> add_choice(Grammar& grammar, const OrderedJson& words) {
  std::vector<NodeId> ways;
  for (const OrderedJson& word : words) {
    if (!word.is_string() || word.get_ref<const std::string&>().empty())
      return fail("expected strings that are not empty");
    ways.push_back(grammar.literal(word.get_ref<const std::string&>()));
  }
  if (ways.empty()) return fail("expected at least one string");
  return grammar.choice(std::move(ways));
}

Result<NodeId> add_form(Grammar& grammar, const AskedForm& form) {
  switch (form.kind) {
    case AskedForm::Kind::json_schema:
      return add_json_schema(grammar, form.json, {});
    case AskedForm::Kind::json_object:
      return add_json_schema(grammar, {{"type", "object"}}, {});
    case AskedForm::Kind::regex:
      return add_regex(grammar, form.text, {});
    case AskedForm::Kind::choice:
      return add_choice(grammar, form.json);
    case AskedForm::Kind::grammar:
      return fail("a grammar cannot stand beside tools");
    case AskedForm::Kind::free:
      break;
  }
  CHECK(false, "a free form has no grammar");
}

Result<Grammar> read_forms(const AskedForm& form, const CallForm& calls) {
  // A grammar of the request's has a root of its own.
  if (calls.tools.empty() && form.kind == AskedForm::Kind::grammar) return ebnf_grammar(form.text);
  Grammar grammar;
  const RuleId root = grammar.add_rule("root");
  std::vector<NodeId> ways;
  if (form.kind != AskedForm::Kind::free) {
    TRY(const NodeId way, add_form(grammar, form));
    ways.push_back(way);
  }
  if (!calls.tools.empty()) {
    TRY(const NodeId way, add_calls(grammar, calls));
    ways.push_back(way);
  }
  grammar.define(root, grammar.choice(std::move(ways)));
  return grammar;
}

std::string key_of(const AskedForm& form, const CallForm& calls) {
  OrderedJson key = {static_cast<int>(form.kind), form.text, form.json};
  for (const CallTool& tool : calls.tools)
    key.push_back({tool.name, tool.parameters, tool.strict, tool.field});
  key.push_back({static_cast<int>(calls.dialect), calls.marker, calls.one_call,
                 static_cast<int>(calls.begin)});
  return key.dump();
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

Result<std::shared_ptr<const TokenGrammar>> AnswerForms::compile(const AskedForm& form,
                                                                 const CallForm& calls) {
  const std::string key = key_of(form, calls);
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const auto& kept) { return kept.first == key; });
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->second;
    }
  }
  TRY(const Grammar rules, read_forms(form, calls));
  TRY(auto grammar, TokenGrammar::make(rules, vocabulary_));
  if (key.size() > kLongestKey) return grammar;
  const std::lock_guard lock(mutex_);
  kept_.emplace_front(key, grammar);
  if (kept_.size() > kMostKept) kept_.pop_back();
  return grammar;
}

}  // namespace hadal
