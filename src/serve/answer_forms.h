// SPDX-License-Identifier: MIT
// The forms that answers may be held to, compiled for one model's tokens and kept for the next
// request that asks for the same.
//
//   TRY(auto forms, AnswerForms::make(tokenizer, vocab));
//   TRY(auto grammar, forms->compile({.kind = AskedForm::Kind::regex, .text = "yes|no"}));
//   request.constraint = make_constraint(grammar, {.end_ids = ends, .gates = gates});
//
// Any thread.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/result.h"
#include "grammar/token_constraint.h"
#include "serve/call_form.h"
#include "text/bounded_json.h"
#include "text/tokenizer.h"

namespace hadal {

struct AskedForm {
  enum class Kind { free, json_object, json_schema, regex, grammar, choice };
  Kind kind = Kind::free;
  std::string text = {};   // regex, grammar
  OrderedJson json = {};   // json_schema; choice: an array of strings
  std::string field = {};  // what asked for it, for messages
};

class AnswerForms {
 public:
  // `vocab`: as many logits as the model has.
  static Result<std::shared_ptr<AnswerForms>> make(const Tokenizer& tokenizer, int64_t vocab);

  // The answer has the form, or is a block of calls if `calls` offers tools; a free form beside
  // calls stands for nothing but them.  Requires: one of both.
  Result<std::shared_ptr<const TokenGrammar>> compile(const AskedForm& form,
                                                      const CallForm& calls = {});

 private:
  explicit AnswerForms(std::shared_ptr<const Vocabulary> vocabulary);

  const std::shared_ptr<const Vocabulary> vocabulary_;
  std::mutex mutex_;
  // Used last: first.
  std::list<std::pair<std::string, std::shared_ptr<const TokenGrammar>>> kept_;
};

}  // namespace hadal
