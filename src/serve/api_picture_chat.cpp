// SPDX-License-Identifier: MIT
// The API: pictures in chats.
#include <algorithm>

#include "serve/api.h"
#include "serve/chat_codec.h"
#include "serve/json_reply.h"
#include "serve/picture_chat.h"
#include "serve/picture_reply.h"
#include "serve/picture_response.h"
#include "serve/pictures.h"
#include "serve/random_id.h"

namespace hadal {
namespace {

// What is said of tools and of thinking beside a picture changes nothing in its description.
std::vector<std::string> not_heeded(const OrderedJson& body, const ChatCall& call) {
  std::vector<std::string> names;
  if (!call.tools.tools.empty()) names = {"tools", "tool_choice", "parallel_tool_calls"};
  if (call.thinking.value_or(false))
    names.insert(names.end(), {"thinking", "reasoning_effort", "chat_template_kwargs"});
  std::erase_if(names, [&](const std::string& name) {
    return !body.contains(name) || body.at(name).is_null();
  });
  return names;
}

}  // namespace

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

// A model that was taught to say what a picture shows does nothing else with it: words beside it
// that ask for more are refused, and what was said before is named as ignored.
ApiStatus Api::look_in_chat(const Asked& asked, OrderedJson body) {
  OrderedJson& messages = body.at("messages");
  const std::string where = "messages[" + std::to_string(messages.size() - 1) + "]";
  TRY(ShownMessage shown, read_shown_message(messages.back(), where));
  const size_t count = shown.pictures.size() + shown.clips.size();
  if (count != 1)
    return bad_field(where + ".content", count,
                     " pictures and clips, expected one: the model describes one at a time");
  if (!asks_for_description(shown.text))
    return bad_field(where + ".content",
                     "the model says what a picture shows, and cannot answer other questions about "
                     "it; send the picture alone, or ask it to describe the picture");
  const bool alone = messages.size() == 1;
  messages = OrderedJson::array({{{"role", "user"}, {"content", ""}}});
  TRY(ChatCall call, read_chat_call(body, Sees::text));
  if (call.tools.required)
    return bad_field("tool_choice", "no tool is called by a model that says what a picture shows");
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, &call.thinking));
  CompletionCall completion;
  static_cast<TextCall&>(completion) = call;
  const std::vector<std::string> aside = not_heeded(body, call);
  completion.ignored.insert(completion.ignored.end(), aside.begin(), aside.end());
  if (!alone) completion.ignored.emplace_back("messages");
  completion.ignored.insert(completion.ignored.end(), shown.ignored.begin(), shown.ignored.end());
  TRY_STATUS(check_balance(asked));
  const auto look = [this, asked, shown = std::move(shown), where, completion]() -> ApiStatus {
    const bool clip = !shown.clips.empty();
    Result<std::vector<int64_t>> prompt =
        pictures_->artist().looking_at(clip ? shown.clips.front().bytes : shown.pictures.front(),
                                       clip ? shown.clips.front().part : std::nullopt);
    if (prompt) return describe_in_chat(asked, completion, prompt.take());
    return bad_field(clip ? shown.clips.front().where : where + ".content", prompt.error().message);
  };
  return in_turn(asked, call.user, ErrorFamily::openai, look);
}

ApiStatus Api::describe_in_chat(const Asked& asked, CompletionCall completion,
                                std::vector<int64_t> prompt) {
  // Planned by its length: cells are ids beyond those that a request may name.
  completion.prompts.emplace_back(std::vector<int64_t>(prompt.size()));
  TRY(std::vector<ReplyPlan> plans, plan_completion(model_, completion));
  ReplyPlan& plan = plans.front();
  plan.generation.prompt = std::move(prompt);
  plan.picture_tokens = std::count_if(plan.generation.prompt.begin(), plan.generation.prompt.end(),
                                      [this](int64_t id) { return id >= model_.worker.vocab(); });
  ReplyFacts facts = facts_for(completion, plans, make_id("chatcmpl-"));
  return answer_text(asked, {.plans = std::move(plans),
                             .answers = completion.answers,
                             .user = completion.user,
                             .cache_salt = completion.cache_salt,
                             .stream = completion.stream,
                             .call_prefix = "call_",
                             .family = ErrorFamily::openai,
                             .writer = make_chat_writer,
                             .facts = std::move(facts)});
}

}  // namespace hadal
