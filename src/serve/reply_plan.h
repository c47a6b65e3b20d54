// SPDX-License-Identifier: MIT
// From what a request says to what is generated: ids, options, and how tokens become an answer.
//
//   TRY(ReplyPlan plan, plan_chat(model, call, seen));   // seen: what it shows (shown_pictures.h)
//
// Stateless; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serve/served_model.h"
#include "serve/shown_pictures.h"
#include "serve/text_call.h"
#include "text/completion.h"
#include "text/prompt.h"

namespace hadal {

// How tokens become an answer.
struct ReplyForm {
  std::optional<CompletionOptions> chat;  // absent: plain text
  std::vector<std::string> stops;
  bool one_call = false;
  bool logprobs = false;
};

// What an answer is held to.
struct HeldForm {
  std::shared_ptr<const TokenGrammar> grammar;
  ConstraintOptions options;
};

// Of one prompt, whatever the number of its answers.
struct ReplyPlan {
  GenerationRequest generation;  // owner and partition are set by who knows the key
  std::optional<HeldForm> held;
  ReplyForm form;
  std::string echoed;     // what a completion repeats before its answer
  int64_t told_from = 0;  // the first token of the prompt that is a part of `echoed`
  std::vector<std::string> ignored;
  int64_t picture_tokens = 0;  // of the prompt
};

ApiResult<ReplyPlan> plan_chat(const ServedModel& model, const ChatCall& call,
                               const SeenPictures& seen);
// One plan for each prompt.
ApiResult<std::vector<ReplyPlan>> plan_completion(const ServedModel& model,
                                                  const CompletionCall& call);

// The prompt's answer of that number, from 0: its seed is the next one, its form its own.
GenerationRequest generation_of(const ReplyPlan& plan, int64_t answer);

// The prompt of a conversation, before it is ids, and as them.
ApiResult<Prompt> chat_prompt(const ServedModel& model, const ChatCall& call,
                              const SeenPictures& seen);
ApiResult<SeenIds> chat_ids(const ServedModel& model, const Prompt& prompt,
                            const SeenPictures& seen);

// Whether the request means this model: by its name, by DeepSeek's names for its models (which may
// switch thinking), or by none.  Anthropic's clients also say "claude-…".
enum class NamesOf { openai, anthropic };
ApiStatus choose_model(const ServedModel& model, NamesOf names, TextCall& call,
                       std::optional<bool>* thinking);

}  // namespace hadal
