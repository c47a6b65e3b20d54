// SPDX-License-Identifier: MIT
// One answer on its way.
#include "serve/text_reply.h"

#include <ctime>
#include <utility>

namespace hadal {

TextReply::TextReply(Api& api, TextReplyParts parts, ReplyReader reader)
    : api_(api), parts_(std::move(parts)), reader_(std::move(reader)) {
  // Before the worker can say anything: the writer knows the order of what it is told.
  if (parts_.stream) early_ = parts_.writer->begin();
  reasons_ = reader_.reasons();
}

void TextReply::start(const std::shared_ptr<Generation>& generation) {
  const std::lock_guard lock(mutex_);
  generation_ = generation;
  Exchange& exchange = *parts_.exchange;
  exchange.watch([generation] { generation->cancel(); },
                 [generation](bool behind) { generation->pause(behind); });
  if (parts_.stream) {
    exchange.begin_stream(parts_.headers);
    exchange.write(std::exchange(early_, {}));
    if (over_) exchange.end();
  } else if (!over_) {
    exchange.expect_long_wait();
  }
  started_ = true;
  if (cut_ || stopped_) generation->cancel();
}

void TextReply::cut() {
  std::shared_ptr<Generation> generation;
  {
    const std::lock_guard lock(mutex_);
    cut_ = true;
    generation = generation_.lock();
  }
  if (generation) generation->cancel();
}

void TextReply::stop() {
  std::shared_ptr<Generation> generation;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    generation = generation_.lock();
  }
  if (generation) generation->cancel();
}

bool TextReply::end_reasoning() {
  if (!reasons_) return false;
  enough_reasoning_ = true;
  return true;
}

// The end of thinking is a token like any other; that it comes next is all that is asked for.
void TextReply::watch_reasoning() {
  reasons_ = reader_.reasons();
  if (!reasons_ || !enough_reasoning_) return;
  const std::lock_guard lock(mutex_);
  if (const std::shared_ptr<Generation> generation = generation_.lock())
    generation->insist(*reader_.think_end());
}

bool TextReply::is(const std::string& id, const std::string& key_id) const {
  return parts_.id == id && (parts_.key ? parts_.key->id : "") == key_id;
}

void TextReply::prefill(int64_t done, int64_t all) {
  parts_.exchange->comment("prefill " + std::to_string(done) + "/" + std::to_string(all));
}

Flow TextReply::token(const GeneratedToken& token) {
  const Clock::time_point now = Clock::now();
  const auto seconds = [](Clock::duration passed) {
    return std::chrono::duration<double>(passed).count();
  };
  if (last_token_)
    api_.metrics_.between_tokens(seconds(now - *last_token_));
  else
    first_token_seconds_ = seconds(now - came_);
  last_token_ = now;
  tell(reader_.add(token));
  watch_reasoning();
  return reader_.stopped() ? Flow::stop : Flow::go_on;
}

void TextReply::tell(const std::vector<ReplyEvent>& events) {
  std::string bytes;
  for (const ReplyEvent& event : events) {
    std::vector<TokenLogprob> logprobs = reader_.take_logprobs();
    if (parts_.stream) {
      bytes += parts_.writer->add(event, logprobs);
    } else {
      whole_.add(event);
      whole_.logprobs.insert(whole_.logprobs.end(), logprobs.begin(), logprobs.end());
    }
  }
  if (!bytes.empty()) say(std::move(bytes));
}

void TextReply::say(std::string bytes) {
  const std::lock_guard lock(mutex_);
  if (started_)
    parts_.exchange->write(std::move(bytes));
  else
    early_ += bytes;
}

void TextReply::ended(const GenerationEnd& end) {
  tell(reader_.finish());
  // Tokens whose text never came out still have their probabilities told.
  if (std::vector<TokenLogprob> rest = reader_.take_logprobs(); !rest.empty()) {
    const ReplyEvent nothing{ReplyEvent::Kind::content, {}, {}};
    if (parts_.stream)
      say(parts_.writer->add(nothing, rest));
    else
      whole_.logprobs.insert(whole_.logprobs.end(), rest.begin(), rest.end());
  }
  ReplyEnd reply_end = reader_.end_of(end);
  reply_end.pictures = parts_.picture_tokens;
  api_.bookkeeper_.add(entry_of(end),
                       [self = shared_from_this(), reply_end](const std::optional<Bill>& bill) {
                         self->conclude(reply_end, bill);
                       });
}

std::optional<LedgerEntry> TextReply::entry_of(const GenerationEnd& end) const {
  if (!parts_.key) return std::nullopt;
  return LedgerEntry{.request = parts_.exchange->request().id,
                     .key = parts_.key->number,
                     .time = std::time(nullptr),
                     .what = api_.model_.id,
                     .usage = {.hit = end.hit, .miss = end.miss, .output = end.output}};
}

std::optional<ApiError> TextReply::error_of(const GenerationEnd& end) const {
  if (end.finish == GenerationFinish::deadline)
    return ApiError{.status = 504, .message = "the answer took longer than a request may"};
  if (end.finish == GenerationFinish::cancelled && !stopped_)
    return ApiError{.status = 503, .message = "the server is shutting down", .wait_seconds = 10};
  return std::nullopt;
}

void TextReply::measure(const ReplyEnd& end) {
  const bool cut = error_of(end.generation).has_value();
  const std::chrono::duration<double> whole = Clock::now() - came_;
  api_.metrics_.finished({.finish = cut ? "abort" : std::string(openai_finish(end.finish)),
                          .generation = end.generation,
                          .first_token_seconds = first_token_seconds_,
                          .whole_seconds = whole.count(),
                          .malformed_call = reader_.malformed()});
}

// On the bookkeeper's thread.
void TextReply::conclude(ReplyEnd end, const std::optional<Bill>& bill) {
  measure(end);
  if (bill) {
    end.currency = bill->currency;
    end.cost = bill->amount;
  }
  if (parts_.key)
    api_.limiter_.leave(parts_.key->number, parts_.key->limits, end.generation.output,
                        Clock::now());
  const std::optional<ApiError> error = error_of(end.generation);
  Exchange& exchange = *parts_.exchange;
  if (!parts_.stream) {
    HttpReply reply = error ? error_reply(*error, parts_.family, exchange.request().id)
                            : HttpReply{.status = 200, .body = parts_.writer->whole(whole_, end)};
    reply.headers.insert(reply.headers.end(), parts_.headers.begin(), parts_.headers.end());
    const std::lock_guard lock(mutex_);
    over_ = true;
    exchange.reply(std::move(reply));
  } else {
    say(error ? parts_.writer->failed(*error) : parts_.writer->end(end));
    const std::lock_guard lock(mutex_);
    over_ = true;
    if (started_) exchange.end();
  }
  api_.forget(*this);
}

}  // namespace hadal
