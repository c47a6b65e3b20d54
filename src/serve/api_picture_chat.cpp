// SPDX-License-Identifier: MIT
// The API: pictures in chats.
#include "serve/api.h"
#include "serve/chat_codec.h"
#include "serve/json_reply.h"
#include "serve/picture_chat.h"
#include "serve/picture_reply.h"
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
  TRY(const VideoJob made, add_video(asked, std::move(call.order), call.user));
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

// A model that was taught to say what a picture shows reads nothing else: the picture becomes the
// prompt, and words beside and before it are named as ignored.
ApiStatus Api::look_in_chat(const Asked& asked, OrderedJson body) {
  OrderedJson& messages = body.at("messages");
  const std::string where = "messages[" + std::to_string(messages.size() - 1) + "]";
  TRY(const ShownMessage shown, read_shown_message(messages.back(), where));
  if (shown.pictures.size() != 1)
    return bad_field(where + ".content", shown.pictures.size(),
                     " pictures, expected one: the model describes one at a time");
  const bool alone = messages.size() == 1 && shown.text.empty();
  messages = OrderedJson::array({{{"role", "user"}, {"content", ""}}});
  TRY(ChatCall call, read_chat_call(body));
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, &call.thinking));
  Result<std::vector<int64_t>> prompt = pictures_->artist().looking_at(shown.pictures.front());
  if (!prompt) return bad_field(where + ".content", prompt.error().message);
  CompletionCall completion;
  static_cast<TextCall&>(completion) = call;
  // Planned by its length: cells are ids beyond those that a request may name.
  completion.prompt = std::vector<int64_t>(prompt->size());
  if (!alone) completion.ignored.emplace_back("messages");
  TRY(ReplyPlan plan, plan_completion(model_, completion));
  plan.generation.prompt = prompt.take();
  ReplyFacts facts = facts_for(call, plan, make_id("chatcmpl-"));
  return answer_text(asked, {.plan = std::move(plan),
                             .user = call.user,
                             .stream = call.stream,
                             .call_prefix = "call_",
                             .family = ErrorFamily::openai,
                             .writer = make_chat_writer,
                             .facts = std::move(facts)});
}

}  // namespace hadal
