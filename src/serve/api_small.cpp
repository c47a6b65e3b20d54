// SPDX-License-Identifier: MIT
// The API: answers that need no generation.
#include <algorithm>
#include <ctime>

#include "serve/api.h"
#include "serve/completion_codec.h"
#include "serve/description.h"
#include "serve/embedding_codec.h"
#include "serve/embedding_reply.h"
#include "serve/file_store.h"
#include "serve/json_reply.h"
#include "serve/messages_codec.h"
#include "serve/model_card.h"
#include "serve/pictures.h"
#include "serve/responses_codec.h"
#include "serve/web_page.h"
#include "text/utf8.h"

namespace hadal {
namespace {

// Gifts are used up first.
OrderedJson balance_json(const Balance& balance) {
  const Money spent = balance.granted + balance.topped_up - balance.total;
  const Money granted_left = std::max<Money>(0, balance.granted - spent);
  return {{"currency", balance.currency},
          {"total_balance", money_text(balance.total)},
          {"granted_balance", money_text(granted_left)},
          {"topped_up_balance", money_text(balance.total - granted_left)}};
}

}  // namespace

// What a conversation is for the model, without an answer to it.
ApiStatus Api::tell_prompt(const Asked& asked, ChatCall call, ErrorFamily family,
                           PromptTeller tell) {
  if (describes()) {
    if (shows_picture(call)) return tell_cells(asked, call, family, tell);
    TRY_STATUS(leave_out_described(call));
  }
  const auto kept = std::make_shared<const ChatCall>(std::move(call));
  return look_first(
      asked, kept, family, [this, asked, kept, tell](const SeenPictures& seen) -> ApiStatus {
        TRY(const Prompt prompt, chat_prompt(model_, *kept, seen));
        TRY(const SeenIds read, chat_ids(model_, prompt, seen));
        reply_json(*asked.exchange, tell(prompt, read), ignored_headers(kept->ignored));
        return Ok{};
      });
}

// Of a picture that would be described.  Its cells have no text.
ApiStatus Api::tell_cells(const Asked& asked, const ChatCall& call, ErrorFamily family,
                          PromptTeller tell) {
  TRY(ShownPicture shown, read_described(call));
  const auto look = [this, asked, shown = std::move(shown), ignored = call.ignored,
                     tell]() -> ApiStatus {
    Result<std::vector<int64_t>> ids = pictures_->artist().looking_at(shown.bytes, shown.part);
    if (!ids) return bad_field(shown.where, ids.error().message);
    reply_json(*asked.exchange, tell({}, {.ids = ids.take(), .given = {}, .positions = 0}),
               ignored_headers(ignored));
    return Ok{};
  };
  return in_turn(asked, call.user, family, look);
}

ApiStatus Api::count_tokens(const Asked& asked) {
  TRY(const OrderedJson body, read_conversation(asked));
  TRY(ChatCall call, read_messages_call(body, MessagesFor::count, reading()));
  TRY_STATUS(choose_model(model_, NamesOf::anthropic, call, &call.thinking));
  return tell_prompt(asked, std::move(call), ErrorFamily::anthropic,
                     [](const Prompt&, const SeenIds& read) {
                       return OrderedJson{{"input_tokens", read.ids.size()}};
                     });
}

ApiStatus Api::response_tokens(const Asked& asked) {
  TRY(const OrderedJson body, read_conversation(asked));
  TRY(ResponsesCall call, read_responses_call(body, reading()));
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, &call.thinking));
  return tell_prompt(
      asked, std::move(call), ErrorFamily::openai, [](const Prompt&, const SeenIds& read) {
        return OrderedJson{{"object", "response.input_tokens"}, {"input_tokens", read.ids.size()}};
      });
}

ApiStatus Api::embeddings(const Asked& asked) {
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  TRY(EmbeddingCall call, read_embedding_call(body));
  TRY_STATUS(choose_model(model_, NamesOf::openai, call.common, nullptr));
  TRY(std::vector<std::vector<int64_t>> texts, embedding_ids(model_, call));
  int64_t tokens = 0;
  for (const std::vector<int64_t>& text : texts) tokens += static_cast<int64_t>(text.size());
  TRY_STATUS(admit(asked, tokens));
  const auto reply = std::make_shared<EmbeddingReply>(
      *this,
      EmbeddingReplyParts{.exchange = asked.exchange,
                          .key = asked.key,
                          .owner = asked.key ? asked.key->id : call.common.user,
                          .partition = partition_of(asked, call.common.user, ""),
                          .texts = std::move(texts),
                          .base64 = call.base64,
                          .deadline = std::chrono::steady_clock::now() + options_.request_time,
                          .headers = ignored_headers(call.common.ignored)});
  {
    const std::lock_guard lock(mutex_);
    embeddings_.insert(reply.get());
  }
  ApiStatus begun = reply->start();
  if (begun) return begun;
  forget(*reply);
  leave(asked);
  metrics_.refused("queue");
  return begun;
}

ApiStatus Api::tokenize(const Asked& asked) {
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  JsonFields fields(body, "");
  TRY(const std::string content, fields.needed_text("content"));
  TRY(const std::optional<bool> special, fields.flag("add_special"));
  TRY(const std::optional<bool> pieces, fields.flag("with_pieces"));
  std::vector<int32_t> ids = model_.tokenizer.encode(content);
  if (special.value_or(false) && model_.tokenizer.bos())
    ids.insert(ids.begin(), *model_.tokenizer.bos());
  OrderedJson tokens = OrderedJson::array();
  for (const int32_t id : ids) {
    if (pieces.value_or(false))
      tokens.push_back(
          {{"id", id}, {"piece", utf8_for_display(std::string(model_.tokenizer.token_bytes(id)))}});
    else
      tokens.push_back(id);
  }
  reply_json(*asked.exchange, {{"tokens", std::move(tokens)}, {"count", ids.size()}},
             ignored_headers(fields.unread()));
  return Ok{};
}

ApiStatus Api::detokenize(const Asked& asked) {
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  JsonFields fields(body, "");
  TRY(const OrderedJson* const tokens, fields.array("tokens"));
  if (!tokens) return bad_field("tokens", "is missing, expected token ids");
  TRY(const std::vector<int64_t> ids, read_ids(*tokens, "tokens", model_.worker.vocab()));
  const std::string text = model_.tokenizer.decode(std::vector<int32_t>(ids.begin(), ids.end()));
  reply_json(*asked.exchange, {{"content", utf8_for_display(text)}},
             ignored_headers(fields.unread()));
  return Ok{};
}

// The same request, read in the same way, would be answered from this prompt.
ApiStatus Api::apply_template(const Asked& asked) {
  TRY(OrderedJson body, read_conversation(asked));
  TRY_STATUS(open_extra(body));
  TRY(ChatCall call, read_chat(body));
  return tell_prompt(asked, std::move(call), ErrorFamily::openai,
                     [](const Prompt& prompt, const SeenIds& read) {
                       return OrderedJson{{"prompt", prompt.render()}, {"tokens", read.ids}};
                     });
}

Senses Api::senses() const {
  const bool draws = pictures_ != nullptr;
  return {.looks = sees() == Sees::pictures || (draws && pictures_->artist().looks()),
          .draws = draws,
          .films = draws && pictures_->videos()};
}

ApiResult<OrderedJson> Api::card() const {
  TRY(const std::vector<Price> prices, accounts_.prices());
  return model_card(model_, senses(), prices, std::time(nullptr));
}

ApiStatus Api::models(const Asked& asked) {
  TRY(OrderedJson only, card());
  reply_json(*asked.exchange,
             {{"object", "list"}, {"data", OrderedJson::array({std::move(only)})}});
  return Ok{};
}

ApiStatus Api::one_model(const Asked& asked) {
  const std::string& path = asked.exchange->request().path;
  TextCall call;
  call.model = path.substr(path.find("/models/") + 8);
  TRY_STATUS(choose_model(model_, NamesOf::openai, call, nullptr));
  TRY(const OrderedJson only, card());
  reply_json(*asked.exchange, only);
  return Ok{};
}

ApiStatus Api::balance(const Asked& asked) {
  OrderedJson infos = OrderedJson::array();
  bool available = true;
  if (asked.key) {
    TRY(const Balance balance, accounts_.balance(*asked.key));
    TRY(available, accounts_.may_spend(*asked.key));
    infos.push_back(balance_json(balance));
  }
  reply_json(*asked.exchange, {{"is_available", available}, {"balance_infos", std::move(infos)}});
  return Ok{};
}

// What llama.cpp's clients ask a server for when they begin.
ApiStatus Api::props(const Asked& asked) {
  reply_json(*asked.exchange, {{"default_generation_settings",
                                {{"n_ctx", model_.worker.context()},
                                 {"params",
                                  {{"temperature", model_.temperature},
                                   {"top_p", model_.top_p},
                                   {"n_predict", model_.default_output}}}}},
                               {"total_slots", model_.worker.gauges().slots},
                               {"model_alias", model_.id},
                               {"modalities", {{"vision", senses().looks}, {"audio", false}}},
                               {"build_info", "hadal"},
                               {"fingerprint", model_.fingerprint}});
  return Ok{};
}

ApiStatus Api::slots(const Asked& asked) {
  OrderedJson list = OrderedJson::array();
  for (const SlotGauge& slot : model_.worker.gauges().each_slot)
    list.push_back({{"id", list.size()},
                    {"n_ctx", model_.worker.context()},
                    {"is_processing", slot.busy},
                    {"n_cached", slot.tokens}});
  reply_json(*asked.exchange, list);
  return Ok{};
}

ApiStatus Api::live(const Asked& asked) {
  reply_json(*asked.exchange, {{"status", "ok"}});
  return Ok{};
}

ApiStatus Api::health(const Asked& asked) {
  if (!draining_) {
    reply_json(*asked.exchange, {{"status", "ok"}});
    return Ok{};
  }
  reply_json(
      *asked.exchange,
      {{"error", {{"code", 503}, {"message", "Shutting down"}, {"type", "unavailable_error"}}}},
      {{"Retry-After", std::to_string(kRestartSeconds)}}, 503);
  return Ok{};
}

ApiStatus Api::metrics_page(const Asked& asked) {
  static const HttpCounts kNone;
  MetricsNow now{
      .worker = model_.worker.gauges(), .http = counts_ ? *counts_ : kNone, .draining = draining_};
  if (pictures_) now.pictures = pictures_->queue().gauges();
  if (options_.files) {
    TRY(now.files, options_.files->gauges());
  }
  asked.exchange->reply(
      {.status = 200, .body = metrics_.text(now), .type = std::string(kMetricsType)});
  return Ok{};
}

ApiStatus Api::page(const Asked& asked) {
  asked.exchange->reply(web_reply(asked.exchange->request()));
  return Ok{};
}

}  // namespace hadal
