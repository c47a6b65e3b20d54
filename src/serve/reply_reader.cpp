// SPDX-License-Identifier: MIT
// Tokens to the events of an answer.
#include "serve/reply_reader.h"

#include <utility>

#include "serve/random_id.h"
#include "text/prompt.h"

namespace hadal {
namespace {

// Control tokens that a conversation's reader looks for, whatever the file flags them as.
bool is_marker_token(std::string_view token) {
  return token == kThink || token == kThinkEnd || token == kDsml;
}

bool knows_markers(const Tokenizer& tokenizer) {
  return tokenizer.id_of(kThinkEnd) && tokenizer.id_of(kDsml) && tokenizer.eos();
}

}  // namespace

ReplyReader::ReplyReader(const Tokenizer& tokenizer, const ReplyForm& form, std::string call_prefix)
    : tokenizer_(tokenizer),
      form_(form),
      call_prefix_(std::move(call_prefix)),
      decoder_(tokenizer),
      stops_(form.stops),
      think_end_(tokenizer.id_of(kThinkEnd)) {
  if (!form.chat) return;
  CompletionOptions chat = *form.chat;
  chat.knows_control = knows_markers(tokenizer);
  reader_.emplace(chat);
  reasoning_ = chat.thinking;
}

std::vector<ReplyEvent> ReplyReader::add(const GeneratedToken& token) {
  const int32_t id = static_cast<int32_t>(token.sample.id);
  if (reasoning_) ++reasoning_tokens_;
  if (token.ends) return {};
  const std::string_view bytes = tokenizer_.token_bytes(id);
  const bool special = tokenizer_.is_special(id);
  if (form_.logprobs && !special) {
    TokenLogprob entry{std::string(bytes), token.sample.logprob, {}, reasoning_};
    for (const Sample& other : token.likeliest)
      entry.likeliest.emplace_back(tokenizer_.token_bytes(static_cast<int32_t>(other.id)),
                                   other.logprob);
    logprobs_.push_back(std::move(entry));
  }
  if (think_end_ && id == *think_end_) reasoning_ = false;
  const bool marker = is_marker_token(bytes) && tokenizer_.is_added(id);
  if (special && !(reader_ && marker)) return {};
  const std::string text = decoder_.add(id);
  if (!reader_ || !marker) return read(text, false);
  // What was held back of an unfinished character stands before the control token.
  std::vector<ReplyEvent> events = read(text.substr(0, text.size() - bytes.size()), false);
  for (const CompletionEvent& event : reader_->add_control(bytes)) add_event(event, events);
  return events;
}

std::vector<ReplyEvent> ReplyReader::finish() {
  return read(decoder_.flush(), true);
}

std::vector<ReplyEvent> ReplyReader::read(std::string_view text, bool last) {
  std::vector<ReplyEvent> events;
  if (reader_) {
    for (const CompletionEvent& event : reader_->add(text)) add_event(event, events);
    if (last)
      for (const CompletionEvent& event : reader_->finish()) add_event(event, events);
  } else {
    add_content(std::string(text), events);
  }
  if (!last) return events;
  const std::string rest = stops_.flush();
  if (!rest.empty()) events.push_back({ReplyEvent::Kind::content, rest, {}});
  return events;
}

void ReplyReader::add_content(const std::string& text, std::vector<ReplyEvent>& events) {
  if (text.empty() || stops_.found()) return;
  content_ += text;
  const std::string shown = stops_.add(text);
  shown_ += shown.size();
  if (!shown.empty()) events.push_back({ReplyEvent::Kind::content, shown, {}});
}

void ReplyReader::add_event(const CompletionEvent& event, std::vector<ReplyEvent>& events) {
  using From = CompletionEvent::Kind;
  using To = ReplyEvent::Kind;
  if (stopped()) return;
  switch (event.kind) {
    case From::reasoning:
      events.push_back({To::reasoning, event.text, {}});
      break;
    case From::content:
      add_content(event.text, events);
      break;
    case From::call_begin: {
      // What was held back for a stop string stands before the call.
      const std::string held = stops_.flush();
      shown_ += held.size();
      if (!held.empty()) events.push_back({To::content, held, {}});
      events.push_back({To::call_begin, event.text, make_id(call_prefix_)});
      break;
    }
    case From::call_arguments:
      events.push_back({To::call_arguments, event.text, {}});
      break;
    case From::call_end:
      events.push_back({To::call_end, {}, {}});
      ++calls_;
      enough_calls_ = form_.one_call;
      break;
    case From::call_cancelled:
      events.push_back({To::call_cancelled, {}, {}});
      malformed_ = true;
      break;
    case From::end_of_turn:
      break;
  }
}

std::vector<TokenLogprob> ReplyReader::take_logprobs() {
  return std::exchange(logprobs_, {});
}

// The shortest that stands where the answer was cut: it was complete first.
std::string ReplyReader::found_stop() const {
  std::string found;
  for (const std::string& stop : form_.stops)
    if (!stop.empty() && content_.compare(shown_, stop.size(), stop) == 0 &&
        (found.empty() || stop.size() < found.size()))
      found = stop;
  return found;
}

ReplyEnd ReplyReader::end_of(const GenerationEnd& generation) const {
  ReplyEnd end;
  end.generation = generation;
  end.reasoning = reasoning_tokens_;
  if (stops_.found()) {
    end.finish = ReplyFinish::stop_string;
    end.stop_string = found_stop();
  } else if (generation.finish == GenerationFinish::length ||
             generation.finish == GenerationFinish::context) {
    end.finish = ReplyFinish::length;
  } else if (calls_ > 0) {
    end.finish = ReplyFinish::tool_calls;
  }
  return end;
}

}  // namespace hadal
