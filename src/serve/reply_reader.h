// SPDX-License-Identifier: MIT
// Tokens to the events of an answer: whole characters, reasoning apart from content, tool calls,
// up to a stop string.
//
//   ReplyReader reader(tokenizer, form, "call_");
//   for (const ReplyEvent& event : reader.add(token)) …
//   if (reader.stopped()) …                                     // no more tokens are wanted
//   for (const ReplyEvent& event : reader.finish()) …
//
// Stop strings look at the content, not at reasoning or the arguments of calls.  One answer, one
// reader, one thread; the tokenizer must outlive it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/stop_strings.h"
#include "serve/reply_plan.h"
#include "serve/reply_writer.h"
#include "text/completion.h"
#include "text/stream_decoder.h"

namespace hadal {

class ReplyReader {
 public:
  ReplyReader(const Tokenizer& tokenizer, const ReplyForm& form, std::string call_prefix);

  std::vector<ReplyEvent> add(const GeneratedToken& token);
  std::vector<ReplyEvent> finish();
  // Whether it thinks, and there is a token that would end that.
  bool reasons() const { return reasoning_ && think_end_; }
  std::optional<int32_t> think_end() const { return think_end_; }
  bool stopped() const { return stops_.found() || enough_calls_; }

  // Of tokens since the last time, if they are wanted.
  std::vector<TokenLogprob> take_logprobs();
  // What the end of the generation means for this answer.
  ReplyEnd end_of(const GenerationEnd& generation) const;
  bool malformed() const { return malformed_; }

 private:
  std::vector<ReplyEvent> read(std::string_view text, bool last);
  void add_event(const CompletionEvent& event, std::vector<ReplyEvent>& events);
  void add_content(const std::string& text, std::vector<ReplyEvent>& events);
  std::string found_stop() const;

  const Tokenizer& tokenizer_;
  ReplyForm form_;
  std::string call_prefix_;
  StreamDecoder decoder_;
  std::optional<CompletionReader> reader_;
  StopStrings stops_;
  std::optional<int32_t> think_end_;
  bool reasoning_ = false;  // the next token belongs to the reasoning
  int64_t reasoning_tokens_ = 0;
  int64_t calls_ = 0;
  bool enough_calls_ = false, malformed_ = false;
  // To know which stop string it was: what was read and how much of it was shown.
  std::string content_;
  size_t shown_ = 0;
  std::vector<TokenLogprob> logprobs_;
};

}  // namespace hadal
