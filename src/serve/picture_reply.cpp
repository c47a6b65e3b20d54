// SPDX-License-Identifier: MIT
// One request for pictures on its way.
#include "serve/picture_reply.h"

#include <cmath>
#include <ctime>
#include <utility>

#include "serve/pictures.h"

namespace hadal {

Usage usage_of(const ArtOrder& order, const Artwork& work) {
  const int64_t files = static_cast<int64_t>(work.files.size());
  if (order.is_still()) return {.images = files};
  const int64_t painted = order.frames - (order.extends ? 1 : 0);
  const double ms = 1000 * static_cast<double>(painted) / order.fps;
  return {.video_ms = files * static_cast<int64_t>(std::ceil(ms))};
}

PictureReply::PictureReply(Api& api, PictureReplyParts parts)
    : api_(api), parts_(std::move(parts)), deadline_(Clock::now() + api.options_.request_time) {}

Pushed PictureReply::enqueue(PictureQueue& queue, const std::string& owner) {
  // Whatever the queue's thread has to say waits until the stream has begun.
  const std::lock_guard lock(mutex_);
  const Pushed pushed = queue.push(owner, shared_from_this());
  if (pushed != Pushed::yes) return pushed;
  Exchange& exchange = *parts_.exchange;
  exchange.watch(
      [&queue, self = weak_from_this()] {
        if (const std::shared_ptr<PictureReply> there = self.lock()) queue.cancel(*there);
      },
      nullptr);
  if (parts_.stream) {
    exchange.begin_stream(parts_.headers);
    if (std::string first = parts_.writer->begin(); !first.empty())
      exchange.write(std::move(first));
  } else if (parts_.json) {
    exchange.expect_long_wait(parts_.headers);
  }
  exchange.comment("queued");
  return pushed;
}

std::optional<ArtOrder> PictureReply::begin() {
  if (Clock::now() < deadline_) return parts_.order;
  stop();
  return std::nullopt;
}

void PictureReply::progress(double part) {
  if (Clock::now() >= deadline_) stop();
  part_ = part;
  parts_.exchange->comment("painted " + std::to_string(std::lround(100 * part)) + " %");
}

void PictureReply::preview(int64_t picture, int64_t number, std::string png) {
  const std::lock_guard lock(mutex_);
  if (parts_.stream) parts_.exchange->write(parts_.writer->preview(picture, number, png));
}

void PictureReply::ended(ArtEnd end) {
  const std::optional<LedgerEntry> entry = entry_of(end);
  // A function must be copied, a work need not be.
  const auto kept = std::make_shared<ArtEnd>(std::move(end));
  api_.bookkeeper_.add(entry, [self = shared_from_this(), kept](const std::optional<Bill>& bill) {
    self->conclude(*kept, bill);
  });
}

std::optional<LedgerEntry> PictureReply::entry_of(const ArtEnd& end) const {
  if (!parts_.key || end.kind != ArtEnd::Kind::made) return std::nullopt;
  return LedgerEntry{.request = parts_.exchange->request().id,
                     .key = parts_.key->number,
                     .time = std::time(nullptr),
                     .what = api_.model_.id,
                     .usage = usage_of(parts_.order, end.work)};
}

std::optional<ApiError> PictureReply::error_of(const ArtEnd& end) const {
  if (end.kind == ArtEnd::Kind::made) return std::nullopt;
  if (end.kind == ArtEnd::Kind::failed) return ApiStatus(end.error).error();
  if (Clock::now() >= deadline_)
    return ApiError{.status = 504, .message = "the picture took longer than a request may"};
  return shutting_down();
}

// On the bookkeeper's thread.
void PictureReply::conclude(const ArtEnd& end, const std::optional<Bill>& bill) {
  if (parts_.key)
    api_.limiter_.leave(parts_.key->number, parts_.key->limits, end.work.output_cells,
                        Clock::now());
  const std::optional<ApiError> error = error_of(end);
  Exchange& exchange = *parts_.exchange;
  {
    const std::lock_guard lock(mutex_);
    if (parts_.stream) {
      exchange.write(error ? parts_.writer->failed(*error) : parts_.writer->end(end.work, bill));
      exchange.end();
    } else {
      HttpReply reply = error ? error_reply(*error, parts_.family, exchange.request().id)
                              : parts_.writer->whole(end.work, bill);
      reply.headers.insert(reply.headers.end(), parts_.headers.begin(), parts_.headers.end());
      exchange.reply(std::move(reply));
    }
  }
  api_.pictures_->forget(*this);
}

}  // namespace hadal
