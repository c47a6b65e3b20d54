// SPDX-License-Identifier: MIT
// Text after text.
#include "serve/embedding_reply.h"

#include <ctime>
#include <utility>

#include "serve/embedding_codec.h"
#include "serve/json_reply.h"

namespace hadal {

ApiStatus EmbeddingReply::start() {
  parts_.exchange->watch(
      [self = weak_from_this()] {
        if (const auto reply = self.lock()) reply->cut();
      },
      [](bool) {});
  TRY_STATUS(submit_next());
  return Ok{};
}

void EmbeddingReply::cut() {
  std::shared_ptr<Generation> generation;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    generation = generation_.lock();
  }
  if (generation) generation->cancel();
}

ApiStatus EmbeddingReply::submit_next() {
  GenerationRequest request;
  request.owner = parts_.owner;
  request.partition = parts_.partition;
  request.prompt = parts_.texts[vectors_.size()];
  request.max_tokens = 1;
  request.embeds = true;
  request.deadline = parts_.deadline;
  const Submission made = api_.model_.worker.submit(std::move(request), shared_from_this());
  if (made.state != Submitted::yes) return Api::queue_error(made.state);
  bool gone = false;
  {
    const std::lock_guard lock(mutex_);
    generation_ = made.generation;
    gone = gone_;
  }
  if (gone) made.generation->cancel();
  return Ok{};
}

void EmbeddingReply::prefill(int64_t done, int64_t all) {
  parts_.exchange->comment("prefill " + std::to_string(done) + "/" + std::to_string(all));
}

void EmbeddingReply::embedded(std::vector<float> mean) {
  vectors_.push_back(std::move(mean));
}

void EmbeddingReply::ended(const GenerationEnd& end) {
  sum_.miss += end.miss;
  sum_.queue_seconds += end.queue_seconds;
  sum_.prefill_seconds += end.prefill_seconds;
  if (end.finish == GenerationFinish::deadline)
    return finish(ApiError{.status = 504, .message = "the answer took longer than a request may"});
  if (end.finish == GenerationFinish::cancelled) return finish(shutting_down());
  if (vectors_.size() == parts_.texts.size()) return finish(std::nullopt);
  if (const ApiStatus next = submit_next(); !next) finish(next.error());
}

// What was read is charged, whatever comes of it.
void EmbeddingReply::finish(std::optional<ApiError> error) {
  std::optional<LedgerEntry> entry;
  if (parts_.key)
    entry = LedgerEntry{.request = parts_.exchange->request().id,
                        .key = parts_.key->number,
                        .time = std::time(nullptr),
                        .what = api_.model_.id,
                        .usage = {.miss = sum_.miss}};
  api_.bookkeeper_.add(std::move(entry),
                       [self = shared_from_this(), error = std::move(error)](
                           const std::optional<Bill>&) { self->conclude(error); });
}

void EmbeddingReply::conclude(const std::optional<ApiError>& error) {
  api_.metrics_.finished(
      {.finish = error ? "abort" : "stop",
       .generation = sum_,
       .whole_seconds = std::chrono::duration<double>(Clock::now() - came_).count()});
  if (parts_.key) api_.limiter_.leave(parts_.key->number, parts_.key->limits, 0, Clock::now());
  if (error) {
    parts_.exchange->reply(error_reply(*error, ErrorFamily::openai, parts_.exchange->request().id));
  } else {
    reply_json(*parts_.exchange, embedding_json(api_.model_.id, parts_.base64, vectors_, sum_.miss),
               parts_.headers);
  }
  api_.forget(*this);
}

}  // namespace hadal
