// SPDX-License-Identifier: MIT
// Completions, in and out.
#include "serve/completion_codec.h"

#include "serve/reply_writer.h"
#include "text/utf8.h"

namespace hadal {
namespace {

// Asked about with a vocabulary once the model is known; here only that they are ids at all.
constexpr int64_t kAnyVocab = int64_t{1} << 31;

ApiStatus read_prompt(const OrderedJson& value, const std::string& where, CompletionCall& call) {
  if (value.is_string()) {
    call.prompt = value.get<std::string>();
    return Ok{};
  }
  if (!value.is_array() || value.empty())
    return bad_field(where, "found ", json_kind(value), ", expected a string or token ids");
  if (value[0].is_string() || value[0].is_array()) {
    if (value.size() > 1)
      return bad_field(where, value.size(), " prompts, but a request has one answer here");
    return read_prompt(value[0], where + "[0]", call);
  }
  TRY(std::vector<int64_t> ids, read_ids(value, where, kAnyVocab));
  call.prompt = std::move(ids);
  return Ok{};
}

// Where /infill names what else is open in the editor: file after file, before the prompt.
ApiStatus read_extra(JsonFields& fields, std::string& prefix) {
  TRY(const OrderedJson* const extra, fields.array("input_extra"));
  if (!extra) return Ok{};
  std::string before;
  for (size_t i = 0; i < extra->size(); ++i) {
    const std::string where = "input_extra[" + std::to_string(i) + "]";
    if (!(*extra)[i].is_object()) return bad_field(where, "expected an object");
    JsonFields file((*extra)[i], where);
    TRY(const std::string text, file.needed_text("text"));
    before += text + "\n";
  }
  prefix.insert(0, before);
  return Ok{};
}

class CompletionWriter : public ReplyWriter {
 public:
  CompletionWriter(ReplyFacts facts, std::string echoed)
      : facts_(std::move(facts)), echoed_(std::move(echoed)) {}

  std::string begin() override {
    if (echoed_.empty()) return "";
    offset_ += static_cast<int64_t>(echoed_.size());
    return part(echoed_, {}, nullptr);
  }
  std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>& logprobs) override {
    const bool log = facts_.logprobs && !logprobs.empty();
    if (event.text.empty() && !log) return "";
    return part(event.text, log ? log_json(logprobs) : OrderedJson(), nullptr);
  }
  std::string end(const ReplyEnd& end) override {
    std::string text = part("", {}, openai_finish(end.finish));
    if (facts_.stream_usage) {
      OrderedJson usage = head();
      usage["choices"] = OrderedJson::array();
      usage["usage"] = openai_usage(end);
      text += sse(usage);
    }
    return text + "data: [DONE]\n\n";
  }
  std::string failed(const ApiError& error) override {
    return "data: " + error_body(error, ErrorFamily::openai, {}) + "\n\n";
  }
  std::string whole(const WholeReply& reply, const ReplyEnd& end) override {
    offset_ += static_cast<int64_t>(echoed_.size());
    OrderedJson body = head();
    body["choices"] = {{{"text", echoed_ + reply.content},
                        {"index", 0},
                        {"logprobs", facts_.logprobs ? log_json(reply.logprobs) : OrderedJson()},
                        {"finish_reason", openai_finish(end.finish)}}};
    body["usage"] = openai_usage(end);
    body["timings"] = llama_timings(end);
    return dump_json(body);
  }

 private:
  OrderedJson head() const {
    return {{"id", facts_.id},
            {"object", "text_completion"},
            {"created", facts_.created},
            {"model", facts_.model},
            {"system_fingerprint", facts_.fingerprint}};
  }
  std::string part(const std::string& text, OrderedJson logprobs, OrderedJson finish) const {
    OrderedJson body = head();
    body["choices"] = {{{"text", text},
                        {"index", 0},
                        {"logprobs", std::move(logprobs)},
                        {"finish_reason", std::move(finish)}}};
    if (facts_.stream_usage) body["usage"] = nullptr;
    return sse(body);
  }
  OrderedJson log_json(const std::vector<TokenLogprob>& tokens) {
    OrderedJson log = {{"tokens", OrderedJson::array()},
                       {"token_logprobs", OrderedJson::array()},
                       {"top_logprobs", OrderedJson::array()},
                       {"text_offset", OrderedJson::array()}};
    for (const TokenLogprob& token : tokens) {
      log["tokens"].push_back(token.bytes);
      log["token_logprobs"].push_back(token.logprob);
      OrderedJson top = OrderedJson::object();
      for (const auto& [bytes, logprob] : token.likeliest) top[utf8_for_display(bytes)] = logprob;
      log["top_logprobs"].push_back(std::move(top));
      log["text_offset"].push_back(offset_);
      offset_ += static_cast<int64_t>(token.bytes.size());
    }
    return log;
  }

  ReplyFacts facts_;
  std::string echoed_;
  int64_t offset_ = 0;  // in bytes of the text
};

}  // namespace

ApiResult<std::vector<int64_t>> read_ids(const OrderedJson& array, const std::string& where,
                                         int64_t vocab) {
  std::vector<int64_t> ids;
  ids.reserve(array.size());
  for (size_t i = 0; i < array.size(); ++i) {
    const OrderedJson& id = array[i];
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= static_cast<uint64_t>(vocab))
      return bad_field(where + "[" + std::to_string(i) + "]", "found ",
                       id.is_number() ? id.dump() : json_kind(id), ", expected a token id below ",
                       vocab);
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

ApiResult<CompletionCall> read_completion_call(const OrderedJson& body) {
  JsonFields fields(body, "");
  CompletionCall call;
  TRY_STATUS(read_openai(fields, call));
  if (!fields.has("prompt")) return bad_field("prompt", "is missing");
  TRY_STATUS(read_prompt(fields.any("prompt"), "prompt", call));
  TRY(call.suffix, fields.text("suffix"));
  TRY(call.max_tokens, fields.integer("max_tokens", 1, kMostTokens));
  TRY(const std::optional<bool> echo, fields.flag("echo"));
  call.echo = echo.value_or(false);
  TRY(const std::optional<int64_t> logprobs, fields.integer("logprobs", 0, 20));
  call.logprobs = logprobs.has_value();
  call.top_logprobs = logprobs.value_or(0);
  if (call.echo && call.logprobs) return bad_field("echo", "not supported together with logprobs");
  if (call.suffix && !std::holds_alternative<std::string>(call.prompt))
    return bad_field("suffix", "needs a prompt of text");
  TRY_STATUS(read_format(fields, "response_format", call));
  call.ignored = fields.unread();
  return call;
}

ApiResult<CompletionCall> read_infill_call(const OrderedJson& body) {
  JsonFields fields(body, "");
  CompletionCall call;
  TRY_STATUS(read_openai(fields, call));
  TRY(std::string prefix, fields.needed_text("input_prefix"));
  TRY(const std::optional<std::string> prompt, fields.text("prompt"));
  TRY_STATUS(read_extra(fields, prefix));
  call.prompt = prefix + prompt.value_or("");
  TRY(call.suffix, fields.needed_text("input_suffix"));
  TRY(const std::optional<int64_t> tokens, fields.integer("max_tokens", 1, kMostTokens));
  TRY(const std::optional<int64_t> predict, fields.integer("n_predict", -1, kMostTokens));
  call.max_tokens = tokens;
  if (!tokens && predict.value_or(-1) > 0) call.max_tokens = predict;
  call.ignored = fields.unread();
  return call;
}

std::unique_ptr<ReplyWriter> make_completion_writer(ReplyFacts facts, std::string echoed) {
  return std::make_unique<CompletionWriter>(std::move(facts), std::move(echoed));
}

}  // namespace hadal
