// SPDX-License-Identifier: MIT
// How an answer is told: the same events, in the words of each API, as a stream or whole.
//
//   exchange->write(writer.begin());                        // a stream
//   exchange->write(writer.add(event, logprobs)); …
//   exchange->write(writer.end(end));
//
//   exchange->reply({.body = writer.whole(answer, end)});   // not a stream
//
// A writer serves one answer and one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "serve/api_error.h"
#include "serve/money.h"
#include "serve/text_call.h"

namespace hadal {

struct TokenLogprob {
  std::string bytes;
  float logprob = 0;
  std::vector<std::pair<std::string, float>> likeliest;
  bool reasoning = false;
};

struct ReplyEvent {
  enum class Kind { reasoning, content, call_begin, call_arguments, call_end, call_cancelled };
  Kind kind = Kind::content;
  std::string text;     // call_begin: the tool's name
  std::string call_id;  // call_begin
};

enum class ReplyFinish { stop, stop_string, length, tool_calls };

struct ReplyEnd {
  ReplyFinish finish = ReplyFinish::stop;
  std::string stop_string;  // that ended it
  GenerationEnd generation;
  int64_t reasoning = 0;  // tokens
  int64_t pictures = 0;   // tokens of the prompt that pictures take
  std::string currency;   // empty: nobody pays
  Money cost = 0;
};

struct ReplyCall {
  std::string id, name, arguments;
};

// An answer put together.
struct WholeReply {
  std::string reasoning, content;
  std::vector<ReplyCall> calls;
  std::vector<TokenLogprob> logprobs;

  void add(const ReplyEvent& event);
};

// What stands in every part of a reply.
struct ReplyFacts {
  std::string id;  // with the prefix of its API
  std::string model;
  std::string fingerprint;
  int64_t created = 0;
  bool stream_usage = false;
  bool logprobs = false;
  int64_t prompt_tokens = 0;
  std::string secret;  // for signatures
};

class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  virtual std::string begin() = 0;
  virtual std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>& logprobs) = 0;
  virtual std::string end(const ReplyEnd& end) = 0;
  // In the middle of a stream.
  virtual std::string failed(const ApiError& error) = 0;
  virtual std::string whole(const WholeReply& reply, const ReplyEnd& end) = 0;
};

std::unique_ptr<ReplyWriter> make_chat_writer(ReplyFacts facts);
// `echoed` stands before the answer's text.
std::unique_ptr<ReplyWriter> make_completion_writer(ReplyFacts facts, std::string echoed);
std::unique_ptr<ReplyWriter> make_messages_writer(ReplyFacts facts);
std::unique_ptr<ReplyWriter> make_responses_writer(ReplyFacts facts, OrderedJson echoed);

// One server-sent event; without a name only its data.
std::string sse(const OrderedJson& data, std::string_view event = {});
std::string dump_json(const OrderedJson& value);

// OpenAI's usage, as chat and completions tell it.
OrderedJson openai_usage(const ReplyEnd& end);
OrderedJson llama_timings(const ReplyEnd& end);
std::string_view openai_finish(ReplyFinish finish);

}  // namespace hadal
