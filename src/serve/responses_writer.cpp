// SPDX-License-Identifier: MIT
// OpenAI's responses, out: items that are added, grow and are done, under rising numbers.
#include <optional>

#include "serve/custom_input.h"
#include "serve/random_id.h"
#include "serve/reply_writer.h"
#include "serve/sealed_text.h"

namespace hadal {
namespace {

using Kind = ReplyEvent::Kind;

OrderedJson text_part(const std::string& text) {
  return {{"type", "output_text"}, {"text", text}, {"annotations", OrderedJson::array()}};
}

OrderedJson message_item(const std::string& id, const std::string& text, std::string_view status) {
  OrderedJson item = {{"id", id}, {"type", "message"}, {"status", status}, {"role", "assistant"}};
  item["content"] = OrderedJson::array();
  if (status != "in_progress") item["content"].push_back(text_part(text));
  return item;
}

OrderedJson summary_part(const std::string& text) {
  return {{"type", "summary_text"}, {"text", text}};
}

// A summary does not take the place of what was thought, which comes back with the next request.
OrderedJson reasoning_item(const std::string& id, const std::string& text, std::string_view status,
                           bool summary) {
  OrderedJson item = {{"id", id},
                      {"type", "reasoning"},
                      {"status", status},
                      {"summary", OrderedJson::array()},
                      {"content", OrderedJson::array()}};
  if (status == "in_progress") return item;
  item["content"].push_back({{"type", "reasoning_text"}, {"text", text}});
  if (summary) item["summary"].push_back(summary_part(text));
  return item;
}

OrderedJson call_item(const std::string& id, const ReplyCall& call, std::string_view status) {
  return {{"id", id},           {"type", "function_call"}, {"status", status},
          {"call_id", call.id}, {"name", call.name},       {"arguments", call.arguments}};
}

OrderedJson custom_item(const std::string& id, const ReplyCall& call, const std::string& input,
                        std::string_view status) {
  return {{"id", id},           {"type", "custom_tool_call"}, {"status", status},
          {"call_id", call.id}, {"name", call.name},          {"input", input}};
}

class ResponsesWriter : public ReplyWriter {
 public:
  ResponsesWriter(ReplyFacts facts, ResponseManner manner)
      : facts_(std::move(facts)), manner_(std::move(manner)) {}

  std::string begin() override {
    const OrderedJson response = body("in_progress");
    std::string text = event("response.created", {{"response", response}});
    text += event("response.in_progress", {{"response", response}});
    return text;
  }

  std::string add(const ReplyEvent& happened, const std::vector<TokenLogprob>&) override {
    switch (happened.kind) {
      case Kind::reasoning:
        return grow(Open::reasoning, happened.text);
      case Kind::content:
        return happened.text.empty() ? "" : grow(Open::message, happened.text);
      case Kind::call_begin: {
        std::string text = close("completed");
        open_ = Open::call;
        call_ = {happened.call_id, happened.text, {}};
        if (!manner_.free_text.contains(call_.name)) {
          item_id_ = make_id("fc_");
          return text + added(call_item(item_id_, call_, "in_progress"));
        }
        item_id_ = make_id("ctc_");
        input_.emplace();
        return text + added(custom_item(item_id_, call_, "", "in_progress"));
      }
      case Kind::call_arguments:
        if (input_) return more_input(input_->add(happened.text));
        call_.arguments += happened.text;
        return event("response.function_call_arguments.delta", place({{"delta", happened.text}}));
      case Kind::call_end:
        return close("completed");
      case Kind::call_cancelled:
        return close("incomplete");
    }
    CHECK(false, "no such event");
  }

  std::string end(const ReplyEnd& end) override {
    const bool cut = end.finish == ReplyFinish::length;
    std::string text = close(cut ? "incomplete" : "completed");
    return text +
           event(cut ? "response.incomplete" : "response.completed", {{"response", finished(end)}});
  }

  std::string failed(const ApiError& error) override {
    OrderedJson response = body("failed");
    response["error"] = {{"code", "server_error"}, {"message", error.message}};
    return event("response.failed", {{"response", std::move(response)}});
  }

  std::string whole(const std::vector<WholeReply>& replies, const ReplyEnd& end) override {
    const WholeReply& reply = replies.front();
    const std::string_view status = end.finish == ReplyFinish::length ? "incomplete" : "completed";
    if (!reply.reasoning.empty())
      items_.push_back(thought_item(make_id("rs_"), reply.reasoning, status));
    if (!reply.content.empty() || reply.calls.empty())
      items_.push_back(message_item(make_id("msg_"), reply.content, status));
    for (const ReplyCall& call : reply.calls) {
      if (!manner_.free_text.contains(call.name)) {
        items_.push_back(call_item(make_id("fc_"), call, "completed"));
        continue;
      }
      CustomInput input;
      input.add(call.arguments);
      input.finish();
      items_.push_back(custom_item(make_id("ctc_"), call, input.text(), "completed"));
    }
    return dump_json(finished(end));
  }

 private:
  enum class Open { nothing, reasoning, message, call };

  OrderedJson body(std::string_view status) const {
    OrderedJson response = {
        {"id", facts_.id},       {"object", "response"}, {"created_at", facts_.created},
        {"status", status},      {"error", nullptr},     {"incomplete_details", nullptr},
        {"model", facts_.model}, {"output", items_},     {"previous_response_id", nullptr},
        {"store", false},        {"usage", nullptr}};
    response.update(manner_.echoed);
    return response;
  }
  OrderedJson finished(const ReplyEnd& end) const {
    const bool cut = end.finish == ReplyFinish::length;
    OrderedJson response = body(cut ? "incomplete" : "completed");
    if (cut) response["incomplete_details"] = {{"reason", "max_output_tokens"}};
    const GenerationEnd& run = end.generation;
    response["usage"] = {{"input_tokens", run.hit + run.miss},
                         {"input_tokens_details", {{"cached_tokens", run.hit}}},
                         {"output_tokens", run.output},
                         {"output_tokens_details", {{"reasoning_tokens", end.reasoning}}},
                         {"total_tokens", run.hit + run.miss + run.output}};
    return response;
  }

  std::string event(std::string_view type, OrderedJson fields) {
    OrderedJson data = {{"type", type}, {"sequence_number", sequence_++}};
    data.update(fields);
    return sse(data, type);
  }
  OrderedJson place(OrderedJson fields) const {
    OrderedJson placed = {{"item_id", item_id_}, {"output_index", items_.size()}};
    if (open_ != Open::call) placed[summarises() ? "summary_index" : "content_index"] = 0;
    placed.update(fields);
    return placed;
  }
  std::string added(const OrderedJson& item) {
    return event("response.output_item.added", {{"output_index", items_.size()}, {"item", item}});
  }

  OrderedJson thought_item(const std::string& id, const std::string& text,
                           std::string_view status) const {
    OrderedJson item = reasoning_item(id, text, status, manner_.summary);
    if (manner_.sealed) item["encrypted_content"] = seal_text(text, facts_.secret);
    return item;
  }

  bool summarises() const { return open_ == Open::reasoning && manner_.summary; }

  // Text of a reasoning or message item, which is begun if another one is open.
  std::string grow(Open kind, const std::string& more) {
    std::string text;
    const bool message = kind == Open::message;
    if (open_ != kind) {
      text = close("completed");
      open_ = kind;
      text_.clear();
      item_id_ = make_id(message ? "msg_" : "rs_");
      text += added(message ? message_item(item_id_, "", "in_progress")
                            : reasoning_item(item_id_, "", "in_progress", false));
      if (message) text += event("response.content_part.added", place({{"part", text_part("")}}));
      if (summarises())
        text += event("response.reasoning_summary_part.added", place({{"part", summary_part("")}}));
    }
    text_ += more;
    return text + event(message        ? "response.output_text.delta"
                        : summarises() ? "response.reasoning_summary_text.delta"
                                       : "response.reasoning_text.delta",
                        place({{"delta", more}}));
  }

  std::string more_input(const std::string& more) {
    return more.empty() ? ""
                        : event("response.custom_tool_call_input.delta", place({{"delta", more}}));
  }

  std::string close(std::string_view status) {
    std::string text;
    OrderedJson item;
    switch (open_) {
      case Open::nothing:
        return "";
      case Open::reasoning:
        if (summarises()) {
          text = event("response.reasoning_summary_text.done", place({{"text", text_}}));
          text +=
              event("response.reasoning_summary_part.done", place({{"part", summary_part(text_)}}));
        } else {
          text = event("response.reasoning_text.done", place({{"text", text_}}));
        }
        item = thought_item(item_id_, text_, status);
        break;
      case Open::message:
        text = event("response.output_text.done", place({{"text", text_}}));
        text += event("response.content_part.done", place({{"part", text_part(text_)}}));
        item = message_item(item_id_, text_, status);
        break;
      case Open::call:
        if (input_) {
          text = more_input(input_->finish());
          text += event("response.custom_tool_call_input.done", place({{"input", input_->text()}}));
          item = custom_item(item_id_, call_, input_->text(), status);
          input_.reset();
          break;
        }
        text =
            event("response.function_call_arguments.done", place({{"arguments", call_.arguments}}));
        item = call_item(item_id_, call_, status);
        break;
    }
    text += event("response.output_item.done", {{"output_index", items_.size()}, {"item", item}});
    items_.push_back(std::move(item));
    open_ = Open::nothing;
    return text;
  }

  ReplyFacts facts_;
  const ResponseManner manner_;
  OrderedJson items_ = OrderedJson::array();
  Open open_ = Open::nothing;
  std::string item_id_, text_;
  ReplyCall call_;
  std::optional<CustomInput> input_;  // of a call that is open, to a tool that takes free text
  int64_t sequence_ = 0;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_responses_writer(ReplyFacts facts, ResponseManner manner) {
  return std::make_unique<ResponsesWriter>(std::move(facts), std::move(manner));
}

}  // namespace hadal
