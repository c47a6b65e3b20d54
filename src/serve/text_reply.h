// SPDX-License-Identifier: MIT
// One answer on its way from the worker to the client, and into the ledger.
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
  int64_t picture_tokens = 0;  // of the prompt
  std::vector<HttpHeader> headers;
};

class TextReply : public GenerationSink, public std::enable_shared_from_this<TextReply> {
 public:
  TextReply(Api& api, TextReplyParts parts, ReplyReader reader);

  // The worker has taken the request: from here on there is a stream, and someone to cancel.
  void start(const std::shared_ptr<Generation>& generation);
  // The server ends; the client is told so.
  void cut();
  // Its client has enough: the answer ends with what is written.
  void stop();
  // … enough of its thinking.  False: it does not think, or not any more.
  bool end_reasoning();
  // Whether it is the answer `id` to a key (none: empty).
  bool is(const std::string& id, const std::string& key_id) const;

  void prefill(int64_t done, int64_t all) override;
  Flow token(const GeneratedToken& token) override;
  void ended(const GenerationEnd& end) override;

 private:
  using Clock = std::chrono::steady_clock;

  void tell(const std::vector<ReplyEvent>& events);
  void say(std::string bytes);
  void watch_reasoning();
  void conclude(ReplyEnd end, const std::optional<Bill>& bill);
  std::optional<ApiError> error_of(const GenerationEnd& end) const;
  std::optional<LedgerEntry> entry_of(const GenerationEnd& end) const;
  void measure(const ReplyEnd& end);

  Api& api_;
  TextReplyParts parts_;
  ReplyReader reader_;
  WholeReply whole_;
  const Clock::time_point came_ = Clock::now();
  std::optional<Clock::time_point> last_token_;
  double first_token_seconds_ = -1;

  std::atomic<bool> stopped_{false}, reasons_{false}, enough_reasoning_{false};
  std::mutex mutex_;  // start() and the worker's thread may meet
  bool started_ = false, cut_ = false, over_ = false;
  std::string early_;  // what was to be said before the stream began
  std::weak_ptr<Generation> generation_;
};

}  // namespace hadal
