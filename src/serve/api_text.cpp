// SPDX-License-Identifier: MIT
// The API: answers that the model writes.
#include "serve/api.h"
#include "serve/chat_codec.h"
#include "serve/completion_codec.h"
#include "serve/file_parts.h"
#include "serve/json_reply.h"
#include "serve/messages_codec.h"
#include "serve/picture_chat.h"
#include "serve/picture_response.h"
#include "serve/pictures.h"
#include "serve/random_id.h"
#include "serve/responses_codec.h"
#include "serve/text_reply.h"

namespace hadal {

ReplyFacts Api::facts_for(const TextCall& call, const std::vector<ReplyPlan>& plans,
                          const std::string& id) const {
  int64_t tokens = 0;
  for (const ReplyPlan& plan : plans) tokens += static_cast<int64_t>(plan.generation.prompt.size());
  return {.id = id,
          .model = model_.id,
          .fingerprint = model_.fingerprint,
          .created = std::time(nullptr),
          .stream_usage = call.stream_usage,
          .logprobs = call.logprobs,
          .thinks = plans.front().form.chat && plans.front().form.chat->thinking,
          .answers = call.answers * static_cast<int64_t>(plans.size()),
          .prompt_tokens = tokens,
          .secret = accounts_.secret()};
}

ApiResult<OrderedJson> Api::read_conversation(const Asked& asked) {
  TRY(OrderedJson body, parse_body(asked.exchange->request().body));
  TRY_STATUS(open_file_parts(body, file_reader(asked)));
  return body;
}

bool Api::describes() const {
  return pictures_ && pictures_->artist().looks() && sees() == Sees::text;
}

ApiResult<ChatCall> Api::read_chat(const OrderedJson& body) {
  TRY(ChatCall call, read_chat_call(body, reading().sees));
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, &call.thinking));
  if (options_.strict_reasoning && call.thinking.value_or(model_.thinks))
    TRY_STATUS(check_reasoning_returned(body));
  return call;
}

ApiStatus Api::chat_completions(const Asked& asked) {
  TRY(OrderedJson body, read_conversation(asked));
  TRY_STATUS(open_extra(body));
  const ChatArts possible{.pictures = pictures_ != nullptr,
                          .clips = pictures_ && pictures_->videos()};
  TRY(const ChatArt art, read_modalities(body, possible));
  if (art != ChatArt::none) return draw_in_chat(asked, body, art);
  TRY(ChatCall call, read_chat(body));
  return answer_conversation(
      asked, body, std::move(call),
      {.id_prefix = "chatcmpl-", .call_prefix = "call_", .writer = make_chat_writer});
}

ApiStatus Api::answer_chat(const Asked& asked, const ChatJob& job) {
  return look_first(asked, job.call, job.family, [this, asked, job](const SeenPictures& seen) {
    return answer_seen_chat(asked, job, seen);
  });
}

ApiStatus Api::answer_seen_chat(const Asked& asked, const ChatJob& job, const SeenPictures& seen) {
  const ChatCall& call = *job.call;
  TRY(ReplyPlan plan, plan_chat(model_, call, seen));
  std::vector<ReplyPlan> plans;
  plans.push_back(std::move(plan));
  return answer_plans(asked, call, std::move(plans), job);
}

ApiStatus Api::answer_plans(const Asked& asked, const TextCall& call, std::vector<ReplyPlan> plans,
                            const ChatJob& job) {
  ReplyFacts facts = facts_for(call, plans, make_id(job.id_prefix));
  return answer_text(asked, {.plans = std::move(plans),
                             .answers = call.answers,
                             .user = call.user,
                             .cache_salt = call.cache_salt,
                             .stream = call.stream,
                             .call_prefix = job.call_prefix,
                             .family = job.family,
                             .writer = job.writer,
                             .facts = std::move(facts)});
}

ApiStatus Api::complete(const Asked& asked, CompletionCall call, MakeWriter writer) {
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, nullptr));
  TRY(std::vector<ReplyPlan> plans, plan_completion(model_, call));
  return answer_plans(asked, call, std::move(plans),
                      {.id_prefix = "cmpl-", .call_prefix = "call_", .writer = std::move(writer)});
}

ApiStatus Api::completions(const Asked& asked) {
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  TRY(CompletionCall call, read_completion_call(body));
  return complete(asked, std::move(call), make_completion_writer);
}

ApiStatus Api::infill(const Asked& asked) {
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  TRY(const InfillCall call, read_infill_call(body));
  const auto writer = [wanted = call.wanted](ReplyFacts known) {
    return make_infill_writer(std::move(known), wanted);
  };
  return complete(asked, call, writer);
}

ApiStatus Api::messages(const Asked& asked) {
  TRY(const OrderedJson body, read_conversation(asked));
  TRY(ChatCall call, read_messages_call(body, MessagesFor::answer, reading()));
  TRY_STATUS(choose_model(model_, NamesOf::anthropic, call, &call.thinking));
  return answer_conversation(asked, body, std::move(call),
                             {.id_prefix = "msg_",
                              .call_prefix = "toolu_",
                              .family = ErrorFamily::anthropic,
                              .writer = make_messages_writer});
}

ApiStatus Api::responses(const Asked& asked) {
  TRY(const OrderedJson body, read_conversation(asked));
  if (pictures_ && asks_for_picture(body)) return draw_in_response(asked, body);
  TRY(ResponsesCall call, read_responses_call(body, reading()));
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, &call.thinking));
  const ResponseManner manner{call.echoed, call.free_text, call.summary, call.sealed};
  const auto writer = [manner](ReplyFacts known) {
    return make_responses_writer(std::move(known), manner);
  };
  return answer_conversation(asked, body, std::move(call),
                             {.id_prefix = "resp_", .call_prefix = "call_", .writer = writer});
}

// llama.cpp's way to reach into an answer that is being written.
ApiStatus Api::control(const Asked& asked) {
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  JsonFields fields(body, "");
  TRY(const std::string id, fields.needed_text("id"));
  TRY(const std::string action, fields.needed_text("action"));
  if (action != "cancel" && action != "reasoning_end")
    return bad_field("action", "found \"", action.substr(0, 40),
                     "\", expected cancel or reasoning_end");
  bool found = false, done = true;
  {
    // Under the lock no reply can forget itself and die.
    const std::lock_guard lock(mutex_);
    for (TextReply* reply : replies_)
      if (reply->is(id, owner_of(asked))) {
        found = true;
        if (action == "cancel")
          reply->stop();
        else
          done = reply->end_reasoning();
      }
  }
  if (!found)
    return ApiError{.status = 404,
                    .message = "id: no answer of that id is being written",
                    .param = "id",
                    .code = "not_found"};
  if (!done)
    return ApiError{.status = 409,
                    .message = "action: the answer is not thinking, or not any more",
                    .param = "action",
                    .code = "not_reasoning"};
  reply_json(*asked.exchange, {{"id", id}, {"action", action}, {"success", true}},
             ignored_headers(fields.unread()));
  return Ok{};
}

ApiStatus Api::check_balance(const Asked& asked) {
  if (!asked.key) return Ok{};
  TRY(const bool may_spend, accounts_.may_spend(*asked.key));
  if (may_spend) return Ok{};
  metrics_.refused("balance");
  return ApiError{.status = 402, .message = "the balance is used up", .code = "balance"};
}

// Money and limits.  What is admitted must leave the limiter again.
ApiStatus Api::admit(const Asked& asked, int64_t tokens) {
  if (!asked.key) return Ok{};
  TRY_STATUS(check_balance(asked));
  const auto refusal = limiter_.admit(asked.key->number, asked.key->limits, tokens,
                                      std::chrono::steady_clock::now());
  if (!refusal) return Ok{};
  metrics_.refused("rate");
  return ApiError{.status = 429, .message = refusal->what, .wait_seconds = refusal->wait_seconds};
}

ApiError Api::queue_error(Submitted state) {
  if (state == Submitted::owner_full)
    return {.status = 429, .message = "too many of your requests wait", .wait_seconds = 5};
  return {.status = 503, .message = "the queue is full", .wait_seconds = 10};
}

ApiStatus Api::answer_text(const Asked& asked, TextJob job) {
  for (ReplyPlan& plan : job.plans) {
    plan.generation.owner = asked.key ? asked.key->id : job.user;
    plan.generation.partition = partition_of(asked, job.user, job.cache_salt);
    plan.generation.deadline = std::chrono::steady_clock::now() + options_.request_time;
  }
  TRY_STATUS(admit(asked, job.facts.prompt_tokens));

  job.facts.request_id = asked.exchange->request().id;
  std::vector<HttpHeader> headers = ignored_headers(job.plans.front().ignored);
  const auto reply =
      std::make_shared<TextReply>(*this, TextReplyParts{.id = job.facts.id,
                                                        .exchange = asked.exchange,
                                                        .key = asked.key,
                                                        .writer = job.writer(job.facts),
                                                        .family = job.family,
                                                        .stream = job.stream,
                                                        .plans = std::move(job.plans),
                                                        .answers = job.answers,
                                                        .call_prefix = job.call_prefix,
                                                        .headers = std::move(headers)});
  {
    const std::lock_guard lock(mutex_);
    replies_.insert(reply.get());
  }
  const Submitted begun = reply->start();
  if (begun == Submitted::yes) return Ok{};
  forget(*reply);
  leave(asked);
  metrics_.refused("queue");
  return queue_error(begun);
}

}  // namespace hadal
