// SPDX-License-Identifier: MIT
// From what a request says to what is generated.
#include "serve/reply_plan.h"

#include <algorithm>
#include <cstring>

#include "serve/random_id.h"
#include "text/chat.h"

namespace hadal {
namespace {

uint64_t random_seed() {
  const std::string bytes = random_bytes(sizeof(uint32_t));
  uint32_t seed = 0;
  std::memcpy(&seed, bytes.data(), sizeof seed);
  return seed;
}

bool thinks(const ServedModel& model, const ChatCall& call) {
  return call.thinking.value_or(model.thinks);
}

std::string effort_for(Dialect dialect, const std::string& effort) {
  const bool numbered = !effort.empty() && effort.front() >= '0' && effort.front() <= '9';
  if (dialect == Dialect::v41) return effort;
  const int64_t number = numbered ? std::stoll(effort) : 0;
  const std::string word = !numbered      ? effort
                           : number <= 50 ? "low"
                           : number <= 90 ? "high"
                                          : "max";
  return dialect == Dialect::v4_april && word == "low" ? "" : word;
}

ApiStatus check_length(const ServedModel& model, const std::vector<int64_t>& ids) {
  const int64_t count = static_cast<int64_t>(ids.size()), context = model.worker.context();
  if (count == 0) return ApiError{.message = "the prompt has no tokens, expected at least 1"};
  if (count < context) return Ok{};
  return ApiError{.message = "the prompt has " + std::to_string(count) +
                             " tokens, the context of " + std::to_string(context) +
                             " must hold them and an answer",
                  .code = "context_length_exceeded"};
}

ApiResult<ReplyPlan> plan_common(const ServedModel& model, const TextCall& call,
                                 std::vector<int64_t> ids) {
  TRY_STATUS(check_length(model, ids));
  ReplyPlan plan;
  GenerationRequest& generation = plan.generation;
  const int64_t room = model.worker.context() - static_cast<int64_t>(ids.size());
  generation.max_tokens = std::min(call.max_tokens.value_or(model.default_output), room);
  generation.prompt = std::move(ids);
  generation.sampler = {.temperature = call.temperature.value_or(model.temperature),
                        .top_k = call.top_k,
                        .top_p = call.top_p.value_or(model.top_p),
                        .min_p = call.min_p,
                        .seed = call.seed ? *call.seed : random_seed()};
  TRY_STATUS(check(generation.sampler));
  generation.penalties = call.penalties;
  generation.end_ids = model.end_ids;
  generation.likeliest = call.logprobs ? call.top_logprobs : 0;
  plan.form.stops = call.stops;
  plan.form.logprobs = call.logprobs;
  plan.ignored = call.ignored;
  return plan;
}

// Why a form cannot be held; what is wrong with a tool names the tool itself.
ApiError refusal(const std::string& field, const CallForm& calls, const std::string& message) {
  for (const CallTool& tool : calls.tools)
    if (message.starts_with(tool.field)) return {.message = message, .param = tool.field};
  return bad_field(field, message);
}

// What the answer is held to.
struct Held {
  AskedForm form = {};
  CallForm calls = {};
  std::string field = {};         // that asks for it
  std::vector<Gate> before = {};  // what is passed first
};

ApiStatus hold(const ServedModel& model, Held held, ReplyPlan& plan) {
  if (!model.forms) return bad_field(held.field, "this model's answers cannot be held to a form");
  const auto grammar = model.forms->compile(held.form, held.calls);
  if (!grammar) return refusal(held.field, held.calls, grammar.error().message);
  plan.held = {.grammar = *grammar,
               .options = {.end_ids = model.end_ids, .gates = std::move(held.before)}};
  return Ok{};
}

// The form of a chat's answer begins where thinking has ended.  Beside tools the answer has the
// form or calls them; where they are free to be called, text is free up to the call.
ApiStatus hold_chat(const ServedModel& model, const ChatCall& call, bool thinking,
                    ReplyPlan& plan) {
  const bool has_form = call.form.kind != AskedForm::Kind::free;
  if (!has_form && !call.tools.held()) return Ok{};
  Held held{.form = call.form, .field = has_form ? call.form.field : "tools"};
  if (call.continues) return bad_field(held.field, "cannot be held in an answer that was begun");
  if (thinking) {
    const std::optional<int32_t> end = model.tokenizer.id_of(kThinkEnd);
    if (!end) return bad_field(held.field, "needs an end of thinking that is one token");
    held.before.push_back({.token = *end, .after_text = ""});
  }
  if (call.tools.tools.empty()) return hold(model, std::move(held), plan);
  const std::optional<int32_t> marker = model.tokenizer.id_of(kDsml);
  if (!marker) return bad_field(held.field, "calls need a marker that is one token");
  // Who demands one tool wants it called once, as at OpenAI's service.
  const bool demands_one =
      call.tools.required && call.tools.restricted && call.tools.tools.size() == 1;
  held.calls = {.dialect = model.dialect,
                .marker = *marker,
                .tools = call.tools.tools,
                .one_call = call.one_call || demands_one};
  if (call.tools.required) {
    held.form = {};
  } else if (!has_form) {
    held.calls.begin = CallForm::Begin::behind_marker;
    held.before.push_back({.token = *marker, .after_text = std::string(kBeforeCalls)});
  }
  return hold(model, std::move(held), plan);
}

// DeepSeek's rule: a thinking model is sampled as it was trained, whatever is asked.
void sample_as_trained(const ChatCall& call, ReplyPlan& plan) {
  GenerationRequest& generation = plan.generation;
  if (call.temperature) plan.ignored.push_back("temperature");
  if (call.penalties.presence != 0) plan.ignored.push_back("presence_penalty");
  if (call.penalties.frequency != 0) plan.ignored.push_back("frequency_penalty");
  generation.sampler.temperature = 1;
  generation.sampler.top_p = std::max(generation.sampler.top_p, 0.95);
  generation.penalties = {};
}

ApiResult<std::vector<int64_t>> completion_ids(const ServedModel& model, const CompletionCall& call,
                                               size_t which) {
  const TextPrompt& asked = call.prompts[which];
  if (const auto* ids = std::get_if<std::vector<int64_t>>(&asked)) {
    const std::string where =
        call.prompts.size() > 1 ? "prompt[" + std::to_string(which) + "]" : "prompt";
    for (size_t i = 0; i < ids->size(); ++i)
      if ((*ids)[i] >= model.worker.vocab())
        return bad_field(where + "[" + std::to_string(i) + "]", "found ", (*ids)[i],
                         ", expected a token id below ", model.worker.vocab());
    return *ids;
  }
  const std::string& text = std::get<std::string>(asked);
  Prompt prompt;
  if (model.tokenizer.bos()) prompt.control(kBos);
  if (call.suffix) {
    if (!model.tokenizer.id_of(kFimHole))
      return bad_field("suffix", "the model's tokenizer has no tokens to fill in with");
    prompt.control(kFimBegin).text(text).control(kFimHole).text(*call.suffix).control(kFimEnd);
  } else {
    prompt.text(text);
  }
  TRY(const std::vector<int32_t> ids, encode_prompt(model.tokenizer, prompt));
  return std::vector<int64_t>(ids.begin(), ids.end());
}

std::string echo_of(const ServedModel& model, const TextPrompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
  const auto& ids = std::get<std::vector<int64_t>>(prompt);
  return model.tokenizer.decode(std::vector<int32_t>(ids.begin(), ids.end()));
}

// … with the probabilities of its tokens, if those are asked for.
ApiStatus tell_prompt(const ServedModel& model, const CompletionCall& call, size_t which,
                      ReplyPlan& plan) {
  // Every token is an entry of the reply, with up to twenty others; and every one of them takes a
  // product with the whole vocabulary.
  constexpr size_t kMostTold = 8192;
  const size_t tokens = plan.generation.prompt.size();
  if (!call.logprobs) return Ok{};
  if (tokens > kMostTold)
    return bad_field("echo", "the prompt has ", tokens, " tokens, with logprobs at most ",
                     kMostTold);
  plan.generation.tells_prompt = true;
  // What was put before a text is not a part of it.
  const bool text = std::holds_alternative<std::string>(call.prompts[which]);
  plan.told_from = text && model.tokenizer.bos() ? 1 : 0;
  return Ok{};
}

}  // namespace

ApiResult<Prompt> chat_prompt(const ServedModel& model, const ChatCall& call,
                              const SeenPictures& seen) {
  std::vector<Message> messages = call.messages;
  show_frames(seen, messages);
  // V4.1 knows no developer; OpenAI's newer clients call the system so.
  if (model.dialect == Dialect::v41)
    for (Message& message : messages)
      if (message.role == Role::developer) message.role = Role::system;
  // The schema stands in the prompt too, as DeepSeek's encoding says it.
  if (call.form.kind == AskedForm::Kind::json_schema) {
    if (messages.empty() || messages.front().role != Role::system)
      messages.insert(messages.begin(), text_message(Role::system, ""));
    messages.front().response_format = python_json(call.form.json);
  }
  const bool thinking = thinks(model, call);
  TRY(Prompt prompt,
      write_chat(messages, {.dialect = model.dialect,
                            .thinking = thinking,
                            .effort = thinking ? effort_for(model.dialect, call.effort) : ""}));
  return prompt;
}

ApiResult<SeenIds> chat_ids(const ServedModel& model, const Prompt& prompt,
                            const SeenPictures& seen) {
  TRY(const std::vector<int32_t> ids, encode_prompt(model.tokenizer, prompt));
  if (!model.viewer) return SeenIds{{ids.begin(), ids.end()}, {}, 0};
  return expand_pictures({ids.begin(), ids.end()}, prompt.images, seen,
                         model.viewer->placeholder());
}

ApiResult<ReplyPlan> plan_chat(const ServedModel& model, const ChatCall& call,
                               const SeenPictures& seen) {
  TRY(const Prompt prompt, chat_prompt(model, call, seen));
  TRY(SeenIds ids, chat_ids(model, prompt, seen));
  TRY(ReplyPlan plan, plan_common(model, call, std::move(ids.ids)));
  plan.generation.given = std::move(ids.given);
  plan.picture_tokens = ids.positions;
  const bool thinking = thinks(model, call);
  if (thinking) sample_as_trained(call, plan);
  // A beginning that is continued has its reasoning behind it.
  plan.form.chat =
      CompletionOptions{.dialect = model.dialect, .thinking = thinking && !call.continues};
  plan.form.one_call = call.one_call;
  TRY_STATUS(hold_chat(model, call, thinking, plan));
  return plan;
}

ApiResult<std::vector<ReplyPlan>> plan_completion(const ServedModel& model,
                                                  const CompletionCall& call) {
  std::vector<ReplyPlan> plans;
  for (size_t i = 0; i < call.prompts.size(); ++i) {
    TRY(std::vector<int64_t> ids, completion_ids(model, call, i));
    TRY(ReplyPlan plan, plan_common(model, call, std::move(ids)));
    if (call.form.kind != AskedForm::Kind::free)
      TRY_STATUS(hold(model, {.form = call.form, .field = call.form.field}, plan));
    if (call.echo) {
      plan.echoed = echo_of(model, call.prompts[i]);
      TRY_STATUS(tell_prompt(model, call, i, plan));
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

GenerationRequest generation_of(const ReplyPlan& plan, int64_t answer) {
  GenerationRequest generation = plan.generation;
  generation.sampler.seed += static_cast<uint64_t>(answer);
  if (answer > 0) generation.tells_prompt = false;  // it is read once
  if (plan.held) generation.constraint = make_constraint(plan.held->grammar, plan.held->options);
  return generation;
}

ApiStatus choose_model(const ServedModel& model, NamesOf names, TextCall& call,
                       std::optional<bool>* thinking) {
  const std::string asked = call.model;
  call.model = model.id;
  if (asked.empty() || asked == model.id) return Ok{};
  if (asked == "deepseek-chat" || asked == "deepseek-reasoner") {
    if (thinking && !*thinking) *thinking = asked == "deepseek-reasoner";
    return Ok{};
  }
  if (asked == "deepseek-v4-flash" || asked == "deepseek-v4-pro") return Ok{};
  if (names == NamesOf::anthropic && asked.starts_with("claude")) return Ok{};
  return ApiError{
      .status = names == NamesOf::anthropic ? 400 : 404,
      .message = "model: \"" + asked.substr(0, 80) + "\" is not served here; " + model.id + " is",
      .param = "model",
      .code = "model_not_found"};
}

}  // namespace hadal
