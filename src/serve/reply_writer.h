// SPDX-License-Identifier: MIT
// How an answer is told: the same events, in the words of each API, as a stream or whole.
//
//   exchange->write(writer.begin());                        // a stream
//   exchange->write(writer.add(event, logprobs)); …
//   exchange->write(writer.end(end));
//
//   exchange->reply({.body = writer.whole(answers, end)});  // not a stream
//
// A writer serves one request and one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serve/api_error.h"
#include "serve/money.h"
#include "serve/text_call.h"

namespace hadal {

struct TokenLogprob {
  std::string bytes;
  std::optional<float> logprob = 0;  // none: nothing stands before it
  std::vector<std::pair<std::string, float>> likeliest;
  bool reasoning = false;
};

struct ReplyEvent {
  enum class Kind { reasoning, content, call_begin, call_arguments, call_end, call_cancelled };
  Kind kind = Kind::content;
  std::string text;     // call_begin: the tool's name
  std::string call_id;  // call_begin
  int64_t choice = 0;   // of which answer, where a request wants several
};

enum class ReplyFinish { stop, stop_string, length, tool_calls };

struct ReplyEnd {
  ReplyFinish finish = ReplyFinish::stop;
  std::string stop_string;  // that ended it
  int64_t choice = 0;       // of which answer
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
  ReplyFinish finish = ReplyFinish::stop;

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
  bool thinks = false;
  int64_t answers = 1;          // that are told side by side
  int64_t prompt_tokens = 0;    // of all prompts
  std::string secret;           // for signatures
  std::string request_id = {};  // as the reply's headers name it
};

class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  virtual std::string begin() = 0;
  virtual std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>& logprobs) = 0;
  // One of several answers ends, and others go on.
  virtual std::string end_of_choice(const ReplyEnd&) { return {}; }
  // All of them have ended; `end.choice` is the last, the counts are of all together.
  virtual std::string end(const ReplyEnd& end) = 0;
  // In the middle of a stream.
  virtual std::string failed(const ApiError& error) = 0;
  // Requires: as many as were asked for.
  virtual std::string whole(const std::vector<WholeReply>& replies, const ReplyEnd& end) = 0;
};

std::unique_ptr<ReplyWriter> make_chat_writer(ReplyFacts facts);
std::unique_ptr<ReplyWriter> make_completion_writer(ReplyFacts facts);
std::unique_ptr<ReplyWriter> make_messages_writer(ReplyFacts facts);
// `wanted`: paths of the fields that the answer's end is to have, "timings/prompt_n"; empty: all.
std::unique_ptr<ReplyWriter> make_infill_writer(ReplyFacts facts, std::vector<std::string> wanted);

// How one of OpenAI's responses was asked for.
struct ResponseManner {
  OrderedJson echoed;               // fields that it repeats
  std::set<std::string> free_text;  // names of tools that are called with a text, not arguments
  bool summary = false;             // what was thought streams as its own summary
  bool sealed = false;              // it is told sealed as well, to come back with the next request
};
std::unique_ptr<ReplyWriter> make_responses_writer(ReplyFacts facts, ResponseManner manner);

// One server-sent event; without a name only its data.
std::string sse(const OrderedJson& data, std::string_view event = {});
std::string dump_json(const OrderedJson& value);

// OpenAI's usage, as chat and completions tell it.
OrderedJson openai_usage(const ReplyEnd& end);
OrderedJson llama_timings(const ReplyEnd& end);
std::string_view openai_finish(ReplyFinish finish);

}  // namespace hadal
