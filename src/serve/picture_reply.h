// SPDX-License-Identifier: MIT
// One request for pictures, or for a clip that is waited for, on its way through the queue, into
// the ledger, and to the client.
//
// As with text: the bookkeeper writes the entry, and only then the client hears the last of it.
// Charged is what is delivered: pictures that are finished, and nothing if the client went, the
// server ends, or the time is over.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/api.h"
#include "serve/exchange.h"
#include "serve/image_codec.h"
#include "serve/picture_queue.h"

namespace hadal {

struct PictureReplyParts {
  std::shared_ptr<Exchange> exchange;
  std::optional<KeyRecord> key;
  std::unique_ptr<PictureWriter> writer;
  ArtOrder order;
  bool stream = false;
  bool json = true;  // false: a bare file, before which no empty lines may stand
  ErrorFamily family = ErrorFamily::openai;
  std::vector<HttpHeader> headers;
};

// What a finished order is charged as.
Usage usage_of(const ArtOrder& order, const Artwork& work);

class PictureReply : public PictureJob, public std::enable_shared_from_this<PictureReply> {
 public:
  PictureReply(Api& api, PictureReplyParts parts);

  // Into the queue; once it is taken there is a stream, and someone to cancel.
  Pushed enqueue(PictureQueue& queue, const std::string& owner);

  std::optional<ArtOrder> begin() override;
  void progress(double part) override;
  void preview(int64_t picture, int64_t number, std::string png) override;
  double part() const { return part_; }  // painted, of its first picture
  // Whether it answers this key (none: empty).
  bool is_for(const std::string& key_id) const {
    return (parts_.key ? parts_.key->id : "") == key_id;
  }
  void ended(ArtEnd end) override;

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<ApiError> error_of(const ArtEnd& end) const;
  std::optional<LedgerEntry> entry_of(const ArtEnd& end) const;
  void conclude(const ArtEnd& end, const std::optional<Bill>& bill);

  Api& api_;
  PictureReplyParts parts_;
  const Clock::time_point deadline_;
  std::atomic<double> part_{0};
  std::mutex mutex_;  // enqueue() and the queue's thread may meet
};

}  // namespace hadal
