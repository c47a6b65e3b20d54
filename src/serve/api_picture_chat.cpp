// SPDX-License-Identifier: MIT
// The API: pictures in chats.
#include <algorithm>

#include "serve/api.h"
#include "serve/description.h"
#include "serve/json_reply.h"
#include "serve/picture_chat.h"
#include "serve/picture_reply.h"
#include "serve/picture_response.h"
#include "serve/pictures.h"
#include "serve/random_id.h"

namespace hadal {

// The last user message says what is drawn, as images/generations would have it.
ApiStatus Api::draw_in_chat(const Asked& asked, const OrderedJson& body, ChatArt art) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  TRY(PictureChatCall call, read_picture_chat(body, pictures->artist().limits(), art));
  TRY_STATUS(check_picture_model(call.model));
  TRY_STATUS(check_order(pictures->artist(), call.order));
  ReplyFacts facts{.id = make_id("chatcmpl-"),
                   .model = model_.id,
                   .fingerprint = model_.fingerprint,
                   .created = std::time(nullptr),
                   .stream_usage = call.stream_usage,
                   .answers = call.order.count,
                   .secret = {}};
  if (art == ChatArt::clip) return film_in_chat(asked, std::move(call), facts);
  return answer_picture(asked, call.user,
                        {.exchange = asked.exchange,
                         .key = asked.key,
                         .writer = make_picture_chat_writer(std::move(facts)),
                         .order = std::move(call.order),
                         .stream = call.stream,
                         .headers = ignored_headers(call.ignored)});
}

// A clip takes its time: the answer is the job's name.
ApiStatus Api::film_in_chat(const Asked& asked, PictureChatCall call, const ReplyFacts& facts) {
  TRY(const VideoJob made, add_video(asked, std::move(call.order), call.user, {}));
  std::vector<HttpHeader> headers = ignored_headers(call.ignored);
  Exchange& exchange = *asked.exchange;
  if (!call.stream) {
    exchange.reply(
        {.status = 200, .body = clip_chat_whole(facts, made.id), .headers = std::move(headers)});
    return Ok{};
  }
  exchange.begin_stream(std::move(headers));
  exchange.write(clip_chat_stream(facts, made.id));
  exchange.end();
  return Ok{};
}

// The tool {"type": "image_generation"}.
ApiStatus Api::draw_in_response(const Asked& asked, const OrderedJson& body) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  TRY(PictureResponseCall call, read_picture_response(body, pictures->artist().limits()));
  TRY_STATUS(check_picture_model(call.image.model));
  TRY_STATUS(check_order(pictures->artist(), call.image.order));
  ReplyFacts facts{.id = make_id("resp_"),
                   .model = model_.id,
                   .fingerprint = model_.fingerprint,
                   .created = std::time(nullptr),
                   .secret = {}};
  std::unique_ptr<PictureWriter> writer = make_picture_response_writer(std::move(facts), call);
  return answer_picture(asked, call.image.user,
                        {.exchange = asked.exchange,
                         .key = asked.key,
                         .writer = std::move(writer),
                         .order = std::move(call.image.order),
                         .stream = call.image.stream,
                         .headers = ignored_headers(call.image.ignored)});
}

ApiStatus Api::answer_conversation(const Asked& asked, const OrderedJson& body, ChatCall call,
                                   ChatJob job) {
  if (describes()) {
    if (shows_picture(call)) return look_in_chat(asked, body, call, job);
    TRY_STATUS(leave_out_described(call));
  }
  job.call = std::make_shared<const ChatCall>(std::move(call));
  return answer_chat(asked, job);
}

ApiStatus Api::look_in_chat(const Asked& asked, const OrderedJson& body, const ChatCall& call,
                            const ChatJob& job) {
  TRY(ShownPicture shown, read_described(call));
  TRY_STATUS(check_balance(asked));
  CompletionCall completion;
  static_cast<TextCall&>(completion) = call;
  const std::vector<std::string> aside = not_heeded(body, call);
  completion.ignored.insert(completion.ignored.end(), aside.begin(), aside.end());
  const auto look = [this, asked, job, shown = std::move(shown), completion]() -> ApiStatus {
    Result<std::vector<int64_t>> prompt = pictures_->artist().looking_at(shown.bytes, shown.part);
    if (!prompt) return bad_field(shown.where, prompt.error().message);
    return describe_in_chat(asked, job, completion, prompt.take());
  };
  return in_turn(asked, call.user, job.family, look);
}

ApiStatus Api::describe_in_chat(const Asked& asked, const ChatJob& job, CompletionCall completion,
                                std::vector<int64_t> prompt) {
  // Planned by its length: cells are ids beyond those that a request may name.
  completion.prompts.emplace_back(std::vector<int64_t>(prompt.size()));
  TRY(std::vector<ReplyPlan> plans, plan_completion(model_, completion));
  ReplyPlan& plan = plans.front();
  plan.generation.prompt = std::move(prompt);
  plan.picture_tokens = std::count_if(plan.generation.prompt.begin(), plan.generation.prompt.end(),
                                      [this](int64_t id) { return id >= model_.worker.vocab(); });
  return answer_plans(asked, completion, std::move(plans), job);
}

}  // namespace hadal
