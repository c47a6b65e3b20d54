// SPDX-License-Identifier: MIT
// What one request is answered, on its way from the worker to the client, and into the ledger.
//
//   const auto reply = std::make_shared<TextReply>(api, std::move(parts));
//   if (reply->start() != Submitted::yes) …                  // the queue is full
//
// A request may want several answers, to each of several prompts.  A prompt is read once: its other
// answers begin when the first one has read it, and find it in the prefix cache; it is told and
// charged once, too.
//
// The worker's thread brings tokens; they become events, then the words of the request's API, and
// go to the exchange.  At the end the bookkeeper writes the entry, and only then the client hears
// the last of it: who has been answered has been charged, whenever the process is killed.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/api.h"
#include "serve/exchange.h"
#include "serve/reply_reader.h"

namespace hadal {

struct TextReplyParts {
  std::string id;  // as its client knows it
  std::shared_ptr<Exchange> exchange;
  std::optional<KeyRecord> key;
  std::unique_ptr<ReplyWriter> writer;
  ErrorFamily family = ErrorFamily::openai;
  bool stream = false;
  std::vector<ReplyPlan> plans;  // one a prompt; at least one
  int64_t answers = 1;           // to each
  std::string call_prefix;
  std::vector<HttpHeader> headers;
};

class TextReply : public std::enable_shared_from_this<TextReply> {
 public:
  TextReply(Api& api, TextReplyParts parts);
  ~TextReply();

  // To the worker.  Once it has taken the first there is a stream, and someone to cancel; unless it
  // has, nothing will come of it.
  Submitted start();
  // The server ends; the client is told so.
  void cut();
  // Its client has enough: the answers end with what is written.
  void stop();
  // … enough of its thinking.  False: it does not think, or not any more.
  bool end_reasoning();
  // Whether it is the answer `id` to a key (none: empty).
  bool is(const std::string& id, const std::string& key_id) const;

 private:
  using Clock = std::chrono::steady_clock;
  class Sink;
  struct Choice;

  ReplyPlan& plan_of(size_t choice) {
    return parts_.plans[choice / static_cast<size_t>(parts_.answers)];
  }
  // The first to its prompt.
  bool leads(size_t choice) const { return choice % static_cast<size_t>(parts_.answers) == 0; }
  std::optional<size_t> take_next();
  std::optional<Submitted> submit_next();
  void go_on();
  void cancel_all();
  void leave();
  void pause(bool behind);

  // Of one of its answers; called by its sink.
  void prefill(size_t choice, int64_t done, int64_t all);
  void prompt_token(size_t choice, const GeneratedToken& token);
  Flow token(size_t choice, const GeneratedToken& token);
  void ended(size_t choice, const GenerationEnd& end);

  void tell(size_t choice, std::vector<ReplyEvent> events);
  std::string words_of(size_t choice, ReplyEvent event, const std::vector<TokenLogprob>& logprobs);
  void echo(size_t choice);
  void say(std::string bytes);
  void watch_reasoning(Choice& choice);
  void book();
  void conclude(ReplyEnd end, const std::optional<Bill>& bill);
  ReplyEnd whole_end() const;
  std::optional<ApiError> error() const;
  std::optional<ApiError> error_of(const GenerationEnd& end) const;
  std::optional<LedgerEntry> entry_of(const GenerationEnd& end) const;
  void measure(const Choice& choice);
  std::string last_words(const ReplyEnd& end);
  std::string whole_words(const ReplyEnd& end);

  Api& api_;
  TextReplyParts parts_;
  std::vector<std::unique_ptr<Choice>> choices_;
  std::vector<std::vector<TokenLogprob>> prompt_logprobs_;  // of the plans that tell them
  const Clock::time_point came_ = Clock::now();

  std::atomic<bool> stopped_{false}, enough_reasoning_{false};
  std::mutex mutex_;  // start() and the worker's thread may meet
  bool started_ = false, cut_ = false, gone_ = false, behind_ = false, over_ = false;
  bool concluding_ = false;
  Submitted refused_ = Submitted::yes;  // why the last was not begun that was to be
  int64_t running_ = 0;                 // answers that the worker has
  std::string early_;                   // what was to be said before the stream began
};

}  // namespace hadal
