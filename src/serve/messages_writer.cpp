// SPDX-License-Identifier: MIT
// Anthropic's messages, out: blocks that begin, grow and end, one after the other.
#include <utility>

#include "serve/api_key.h"
#include "serve/reply_writer.h"

namespace hadal {
namespace {

using Kind = ReplyEvent::Kind;

class MessagesWriter : public ReplyWriter {
 public:
  explicit MessagesWriter(ReplyFacts facts) : facts_(std::move(facts)) {}

  std::string begin() override {
    OrderedJson message = head();
    message["content"] = OrderedJson::array();
    message["stop_reason"] = nullptr;
    message["stop_sequence"] = nullptr;
    // How much of it is cached is known once it is read: see message_delta.
    message["usage"] = {{"input_tokens", facts_.prompt_tokens},
                        {"cache_creation_input_tokens", 0},
                        {"cache_read_input_tokens", 0},
                        {"output_tokens", 0}};
    return sse({{"type", "message_start"}, {"message", std::move(message)}}, "message_start");
  }

  std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>&) override {
    switch (event.kind) {
      case Kind::reasoning:
        thought_ += event.text;
        return in_block(Open::thinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}},
                        {{"type", "thinking_delta"}, {"thinking", event.text}});
      case Kind::content:
        if (event.text.empty()) return "";
        return in_block(Open::text, {{"type", "text"}, {"text", ""}},
                        {{"type", "text_delta"}, {"text", event.text}});
      case Kind::call_begin: {
        std::string text = close();
        open_ = Open::call;
        return text + start({{"type", "tool_use"},
                             {"id", event.call_id},
                             {"name", event.text},
                             {"input", OrderedJson::object()}});
      }
      case Kind::call_arguments:
        return delta({{"type", "input_json_delta"}, {"partial_json", event.text}});
      case Kind::call_end:
      case Kind::call_cancelled:
        return close();
    }
    CHECK(false, "no such event");
  }

  std::string end(const ReplyEnd& end) override {
    std::string text = close();
    text += sse({{"type", "message_delta"},
                 {"delta", {{"stop_reason", stop_reason(end)}, {"stop_sequence", stopped_by(end)}}},
                 {"usage", usage(end)}},
                "message_delta");
    return text + sse({{"type", "message_stop"}}, "message_stop");
  }

  std::string failed(const ApiError& error) override {
    return "event: error\ndata: " + error_body(error, ErrorFamily::anthropic, facts_.request_id) +
           "\n\n";
  }

  std::string whole(const std::vector<WholeReply>& replies, const ReplyEnd& end) override {
    const WholeReply& reply = replies.front();
    OrderedJson body = head();
    body["content"] = OrderedJson::array();
    if (!reply.reasoning.empty())
      body["content"].push_back({{"type", "thinking"},
                                 {"thinking", reply.reasoning},
                                 {"signature", signature_of(reply.reasoning, facts_.secret)}});
    if (!reply.content.empty())
      body["content"].push_back({{"type", "text"}, {"text", reply.content}});
    for (const ReplyCall& call : reply.calls)
      body["content"].push_back(
          {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", input_of(call)}});
    body["stop_reason"] = stop_reason(end);
    body["stop_sequence"] = stopped_by(end);
    body["usage"] = usage(end);
    return dump_json(body);
  }

 private:
  enum class Open { nothing, thinking, text, call };

  OrderedJson head() const {
    return {{"id", facts_.id}, {"type", "message"}, {"role", "assistant"}, {"model", facts_.model}};
  }
  static OrderedJson usage(const ReplyEnd& end) {
    // What is read into the cache is charged as input, so nothing is named a cache write.
    return {{"input_tokens", end.generation.miss},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", end.generation.hit},
            {"output_tokens", end.generation.output},
            {"output_tokens_details", {{"thinking_tokens", end.reasoning}}}};
  }
  static std::string_view stop_reason(const ReplyEnd& end) {
    switch (end.finish) {
      case ReplyFinish::stop:
        return "end_turn";
      case ReplyFinish::stop_string:
        return "stop_sequence";
      case ReplyFinish::tool_calls:
        return "tool_use";
      case ReplyFinish::length:
        return end.generation.finish == GenerationFinish::context ? "model_context_window_exceeded"
                                                                  : "max_tokens";
    }
    CHECK(false, "no such finish");
  }
  static OrderedJson stopped_by(const ReplyEnd& end) {
    return end.finish == ReplyFinish::stop_string ? OrderedJson(end.stop_string) : OrderedJson();
  }
  // Arguments that are no object are told as the text they are.
  static OrderedJson input_of(const ReplyCall& call) {
    auto parsed = parse_ordered_json(call.arguments, "arguments", {});
    if (parsed && parsed->is_object()) return parsed.take();
    return {{"arguments", call.arguments}};
  }

  std::string start(OrderedJson block) const {
    return sse({{"type", "content_block_start"}, {"index", index_}, {"content_block", block}},
               "content_block_start");
  }
  std::string delta(OrderedJson change) const {
    return sse({{"type", "content_block_delta"}, {"index", index_}, {"delta", change}},
               "content_block_delta");
  }
  std::string in_block(Open kind, OrderedJson block, OrderedJson change) {
    std::string text;
    if (open_ != kind) {
      text = close();
      open_ = kind;
      text += start(std::move(block));
    }
    return text + delta(std::move(change));
  }
  std::string close() {
    if (open_ == Open::nothing) return "";
    std::string text;
    if (open_ == Open::thinking)
      text = delta({{"type", "signature_delta"},
                    {"signature", signature_of(std::exchange(thought_, {}), facts_.secret)}});
    text += sse({{"type", "content_block_stop"}, {"index", index_}}, "content_block_stop");
    ++index_;
    open_ = Open::nothing;
    return text;
  }

  ReplyFacts facts_;
  Open open_ = Open::nothing;
  int64_t index_ = 0;
  std::string thought_;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_messages_writer(ReplyFacts facts) {
  return std::make_unique<MessagesWriter>(std::move(facts));
}

}  // namespace hadal
