// SPDX-License-Identifier: MIT
// Completions, in and out.
#include "serve/completion_codec.h"

#include <algorithm>

#include "serve/reply_writer.h"
#include "text/utf8.h"

namespace hadal {
namespace {

// Asked about with a vocabulary once the model is known; here only that they are ids at all.
constexpr int64_t kAnyVocab = int64_t{1} << 31;
// Of one request: as evaluations send them, and few enough to be over within its time.
constexpr int64_t kMostChoices = 128;
// Several times what an answer has.
constexpr size_t kMostWanted = 64;

ApiResult<TextPrompt> read_prompt(const OrderedJson& value, const std::string& where) {
  if (value.is_string()) return TextPrompt(value.get<std::string>());
  if (!value.is_array() || value.empty())
    return bad_field(where, "found ", json_kind(value), ", expected a string or token ids");
  TRY(std::vector<int64_t> ids, read_ids(value, where, kAnyVocab));
  return TextPrompt(std::move(ids));
}

// One prompt, or an array of them.
ApiStatus read_prompts(const OrderedJson& value, CompletionCall& call) {
  const bool several = value.is_array() && !value.empty() && !value[0].is_number();
  if (!several) {
    TRY(TextPrompt prompt, read_prompt(value, "prompt"));
    call.prompts.push_back(std::move(prompt));
    return Ok{};
  }
  if (static_cast<int64_t>(value.size()) * call.answers > kMostChoices)
    return bad_field("prompt", value.size(), " prompts with n of ", call.answers,
                     ", expected at most ", kMostChoices, " answers");
  for (size_t i = 0; i < value.size(); ++i) {
    TRY(TextPrompt prompt, read_prompt(value[i], "prompt[" + std::to_string(i) + "]"));
    call.prompts.push_back(std::move(prompt));
  }
  return Ok{};
}

// Where /infill names what else is open in the editor: file after file, before the prompt, each
// under its name as DeepSeek's code models were shown repositories.  No tokenizer of theirs has the
// tokens that llama.cpp would part files with.
ApiStatus read_extra(JsonFields& fields, std::string& prefix, std::vector<std::string>& ignored) {
  TRY(const OrderedJson* const extra, fields.array("input_extra"));
  if (!extra) return Ok{};
  std::string before;
  for (size_t i = 0; i < extra->size(); ++i) {
    const std::string where = "input_extra[" + std::to_string(i) + "]";
    if (!(*extra)[i].is_object()) return bad_field(where, "expected an object");
    JsonFields file((*extra)[i], where);
    TRY(const std::string text, file.needed_text("text"));
    TRY(const std::optional<std::string> name, file.text("filename"));
    if (name && !name->empty()) before += "#" + *name + "\n";
    before += text + "\n";
    file.tell_unread(ignored);
  }
  prefix.insert(0, before);
  return Ok{};
}

// llama.cpp's response_fields: paths of what the answer is to hold.
ApiStatus read_wanted(JsonFields& fields, InfillCall& call) {
  TRY(const OrderedJson* const wanted, fields.array("response_fields"));
  if (!wanted) return Ok{};
  if (wanted->size() > kMostWanted)
    return bad_field("response_fields", wanted->size(), " paths, expected at most ", kMostWanted);
  for (size_t i = 0; i < wanted->size(); ++i) {
    if (!(*wanted)[i].is_string())
      return bad_field("response_fields[" + std::to_string(i) + "]", "found ",
                       json_kind((*wanted)[i]), ", expected a string");
    call.wanted.push_back((*wanted)[i].get<std::string>());
  }
  return Ok{};
}

// A token's characters: those that begin in it.
int64_t characters_of(const std::string& bytes) {
  return std::count_if(bytes.begin(), bytes.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

class CompletionWriter : public ReplyWriter {
 public:
  explicit CompletionWriter(ReplyFacts facts)
      : facts_(std::move(facts)), offsets_(static_cast<size_t>(facts_.answers)) {}

  std::string begin() override { return ""; }
  std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>& logprobs) override {
    const bool log = facts_.logprobs && !logprobs.empty();
    if (event.text.empty() && !log) return "";
    int64_t& offset = offsets_[static_cast<size_t>(event.choice)];
    return sse(
        chunk(event.choice, event.text, log ? log_json(logprobs, offset) : OrderedJson(), nullptr));
  }
  std::string end_of_choice(const ReplyEnd& end) override {
    return sse(chunk(end.choice, "", {}, openai_finish(end.finish)));
  }
  std::string end(const ReplyEnd& end) override {
    OrderedJson last = chunk(end.choice, "", {}, openai_finish(end.finish));
    last["timings"] = llama_timings(end);
    std::string text = sse(last);
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
  std::string whole(const std::vector<WholeReply>& replies, const ReplyEnd& end) override {
    OrderedJson body = head();
    body["choices"] = OrderedJson::array();
    for (const WholeReply& reply : replies) {
      int64_t offset = 0;
      body["choices"].push_back(
          {{"text", reply.content},
           {"index", body["choices"].size()},
           {"logprobs", facts_.logprobs ? log_json(reply.logprobs, offset) : OrderedJson()},
           {"finish_reason", openai_finish(reply.finish)}});
    }
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
  OrderedJson chunk(int64_t choice, const std::string& text, OrderedJson logprobs,
                    OrderedJson finish) const {
    OrderedJson body = head();
    body["choices"] = {{{"text", text},
                        {"index", choice},
                        {"logprobs", std::move(logprobs)},
                        {"finish_reason", std::move(finish)}}};
    if (facts_.stream_usage) body["usage"] = nullptr;
    return body;
  }
  // `offset`: where the first of them stands in its text, in characters; moved behind the last.
  static OrderedJson log_json(const std::vector<TokenLogprob>& tokens, int64_t& offset) {
    OrderedJson log = {{"tokens", OrderedJson::array()},
                       {"token_logprobs", OrderedJson::array()},
                       {"top_logprobs", OrderedJson::array()},
                       {"text_offset", OrderedJson::array()}};
    for (const TokenLogprob& token : tokens) {
      log["tokens"].push_back(token.bytes);
      log["token_logprobs"].push_back(token.logprob ? OrderedJson(*token.logprob) : OrderedJson());
      OrderedJson top = OrderedJson::object();
      for (const auto& [bytes, logprob] : token.likeliest) top[utf8_for_display(bytes)] = logprob;
      log["top_logprobs"].push_back(token.logprob ? std::move(top) : OrderedJson());
      log["text_offset"].push_back(offset);
      offset += characters_of(token.bytes);
    }
    return log;
  }

  ReplyFacts facts_;
  std::vector<int64_t> offsets_;  // where each text goes on, in characters
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
  TRY_STATUS(read_prompts(fields.any("prompt"), call));
  TRY(call.suffix, fields.text("suffix"));
  TRY(const std::optional<bool> echo, fields.flag("echo"));
  call.echo = echo.value_or(false);
  // Who wants the prompt told may want nothing else.
  TRY(call.max_tokens, fields.integer("max_tokens", call.echo ? 0 : 1, kMostTokens));
  TRY(const std::optional<int64_t> logprobs, fields.integer("logprobs", 0, 20));
  call.logprobs = logprobs.has_value();
  call.top_logprobs = logprobs.value_or(0);
  if (call.echo && call.logprobs && call.suffix)
    return bad_field("echo", "the logprobs of a prompt around a gap are not told");
  for (const TextPrompt& prompt : call.prompts)
    if (call.suffix && !std::holds_alternative<std::string>(prompt))
      return bad_field("suffix", "needs a prompt of text");
  TRY_STATUS(read_format(fields, "response_format", call));
  fields.tell_unread(call.ignored);
  return call;
}

ApiResult<InfillCall> read_infill_call(const OrderedJson& body) {
  JsonFields fields(body, "");
  InfillCall call;
  TRY_STATUS(read_openai(fields, call));
  if (call.answers > 1) return bad_field("n", "is ", call.answers, ", a gap is filled in one way");
  if (call.stream_usage) call.ignored.emplace_back("stream_options.include_usage");
  TRY(std::string prefix, fields.needed_text("input_prefix"));
  TRY(const std::optional<std::string> prompt, fields.text("prompt"));
  TRY_STATUS(read_extra(fields, prefix, call.ignored));
  call.prompts.emplace_back(prefix + prompt.value_or(""));
  TRY(call.suffix, fields.needed_text("input_suffix"));
  TRY(const std::optional<int64_t> tokens, fields.integer("max_tokens", 1, kMostTokens));
  TRY(const std::optional<int64_t> predict, fields.integer("n_predict", -1, kMostTokens));
  call.max_tokens = tokens;
  // 0: what stands around the gap is read, so that the next request finds it in the cache.
  if (!tokens && predict.value_or(-1) >= 0) call.max_tokens = predict;
  TRY_STATUS(read_wanted(fields, call));
  TRY(const std::optional<bool> cached, fields.flag("cache_prompt"));
  if (!cached.value_or(true)) call.ignored.emplace_back("cache_prompt");
  fields.tell_unread(call.ignored);
  return call;
}

std::unique_ptr<ReplyWriter> make_completion_writer(ReplyFacts facts) {
  return std::make_unique<CompletionWriter>(std::move(facts));
}

}  // namespace hadal
