// SPDX-License-Identifier: MIT
// Chat completions, out (api.openai.com's chat.completion and chat.completion.chunk, with
// DeepSeek's reasoning_content).
#include "serve/reply_writer.h"

namespace hadal {
namespace {

using Kind = ReplyEvent::Kind;

OrderedJson bytes_of(const std::string& text) {
  OrderedJson bytes = OrderedJson::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

OrderedJson logprob_json(const std::string& bytes, float logprob) {
  return {{"token", bytes}, {"logprob", logprob}, {"bytes", bytes_of(bytes)}};
}

OrderedJson logprobs_json(const std::vector<TokenLogprob>& tokens) {
  OrderedJson content = OrderedJson::array(), reasoning = OrderedJson::array();
  for (const TokenLogprob& token : tokens) {
    OrderedJson entry = logprob_json(token.bytes, *token.logprob);
    entry["top_logprobs"] = OrderedJson::array();
    for (const auto& [bytes, logprob] : token.likeliest)
      entry["top_logprobs"].push_back(logprob_json(bytes, logprob));
    (token.reasoning ? reasoning : content).push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"reasoning_content", std::move(reasoning)}};
}

// What was thought before a call comes back with it, even if it was nothing.
OrderedJson message_of(const WholeReply& reply, bool thinks) {
  OrderedJson message = {{"role", "assistant"}};
  const bool no_content = reply.content.empty() && !reply.calls.empty();
  message["content"] = no_content ? OrderedJson() : OrderedJson(reply.content);
  if (!reply.reasoning.empty() || (thinks && !reply.calls.empty()))
    message["reasoning_content"] = reply.reasoning;
  for (const ReplyCall& call : reply.calls)
    message["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  return message;
}

class ChatWriter : public ReplyWriter {
 public:
  explicit ChatWriter(ReplyFacts facts)
      : facts_(std::move(facts)), calls_(static_cast<size_t>(facts_.answers)) {}

  std::string begin() override {
    OrderedJson first = {{"role", "assistant"}, {"content", ""}};
    if (facts_.thinks) first["reasoning_content"] = "";
    std::string text;
    for (choice_ = 0; choice_ < facts_.answers; ++choice_) text += part(first, nullptr, nullptr);
    return text;
  }

  std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>& logprobs) override {
    const OrderedJson log =
        facts_.logprobs && !logprobs.empty() ? logprobs_json(logprobs) : OrderedJson();
    choice_ = event.choice;
    switch (event.kind) {
      case Kind::reasoning:
        return part({{"reasoning_content", event.text}}, log, nullptr);
      case Kind::content:
        return event.text.empty() && log.is_null() ? ""
                                                   : part({{"content", event.text}}, log, nullptr);
      case Kind::call_begin:
        ++calls_[static_cast<size_t>(choice_)];
        return call_part({{"id", event.call_id},
                          {"type", "function"},
                          {"function", {{"name", event.text}, {"arguments", ""}}}},
                         log);
      case Kind::call_arguments:
        return call_part({{"function", {{"arguments", event.text}}}}, log);
      case Kind::call_end:
      case Kind::call_cancelled:  // what was sent cannot be taken back; its source follows as text
        return "";
    }
    CHECK(false, "no such event");
  }

  std::string end_of_choice(const ReplyEnd& end) override {
    choice_ = end.choice;
    return part(OrderedJson::object(), nullptr, openai_finish(end.finish));
  }

  std::string end(const ReplyEnd& end) override {
    choice_ = end.choice;
    OrderedJson last = chunk(OrderedJson::object(), nullptr, openai_finish(end.finish));
    last["timings"] = llama_timings(end);
    std::string text = sse(last);
    if (facts_.stream_usage) {
      OrderedJson usage = head("chat.completion.chunk");
      usage["choices"] = OrderedJson::array();
      usage["usage"] = openai_usage(end);
      text += sse(usage);
    }
    return text + "data: [DONE]\n\n";
  }

  std::string failed(const ApiError& error) override {
    return "data: " + error_body(error, ErrorFamily::openai, {}) + "\n\n";
  }

  std::string whole(const std::vector<WholeReply>& replies, const ReplyEnd& end) override {
    OrderedJson body = head("chat.completion");
    body["choices"] = OrderedJson::array();
    for (const WholeReply& reply : replies)
      body["choices"].push_back(
          {{"index", body["choices"].size()},
           {"message", message_of(reply, facts_.thinks)},
           {"logprobs", facts_.logprobs ? logprobs_json(reply.logprobs) : OrderedJson()},
           {"finish_reason", openai_finish(reply.finish)}});
    body["usage"] = openai_usage(end);
    body["timings"] = llama_timings(end);
    return dump_json(body);
  }

 private:
  OrderedJson head(std::string_view object) const {
    return {{"id", facts_.id},
            {"object", object},
            {"created", facts_.created},
            {"model", facts_.model},
            {"system_fingerprint", facts_.fingerprint}};
  }
  OrderedJson chunk(OrderedJson delta, OrderedJson logprobs, OrderedJson finish) const {
    OrderedJson body = head("chat.completion.chunk");
    body["choices"] = {{{"index", choice_},
                        {"delta", std::move(delta)},
                        {"logprobs", std::move(logprobs)},
                        {"finish_reason", std::move(finish)}}};
    if (facts_.stream_usage) body["usage"] = nullptr;
    return body;
  }
  std::string part(OrderedJson delta, OrderedJson logprobs, OrderedJson finish) const {
    return sse(chunk(std::move(delta), std::move(logprobs), std::move(finish)));
  }
  std::string call_part(const OrderedJson& call, const OrderedJson& logprobs) const {
    OrderedJson indexed = {{"index", calls_[static_cast<size_t>(choice_)] - 1}};
    indexed.update(call);
    return part({{"tool_calls", OrderedJson::array({std::move(indexed)})}}, logprobs, nullptr);
  }

  ReplyFacts facts_;
  int64_t choice_ = 0;          // that is being told
  std::vector<int64_t> calls_;  // of each
};

}  // namespace

std::unique_ptr<ReplyWriter> make_chat_writer(ReplyFacts facts) {
  return std::make_unique<ChatWriter>(std::move(facts));
}

}  // namespace hadal
