// SPDX-License-Identifier: MIT
// The vectors of one request: its texts go to the worker one after the other, then into the ledger,
// and the answer out.
//
//   const auto reply = std::make_shared<EmbeddingReply>(api, std::move(parts));
//   TRY_STATUS(reply->start());
//
// Held by its generation until it is answered.  Called from the worker's and the server's threads.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/api.h"
#include "serve/exchange.h"

namespace hadal {

struct EmbeddingReplyParts {
  std::shared_ptr<Exchange> exchange;
  std::optional<KeyRecord> key;
  std::string owner, partition;
  std::vector<std::vector<int64_t>> texts;  // ids; at least one
  bool base64 = false;
  std::chrono::steady_clock::time_point deadline;
  std::vector<HttpHeader> headers;
};

class EmbeddingReply : public GenerationSink, public std::enable_shared_from_this<EmbeddingReply> {
 public:
  EmbeddingReply(Api& api, EmbeddingReplyParts parts) : api_(api), parts_(std::move(parts)) {}

  // Why it could not be begun; then nothing more will come of it.
  ApiStatus start();
  // The server ends; the client is told so.
  void cut();

  void prefill(int64_t done, int64_t all) override;
  Flow token(const GeneratedToken&) override { return Flow::stop; }
  void embedded(std::vector<float> mean) override;
  void ended(const GenerationEnd& end) override;

 private:
  using Clock = std::chrono::steady_clock;

  ApiStatus submit_next();
  void finish(std::optional<ApiError> error);
  void conclude(const std::optional<ApiError>& error);

  Api& api_;
  EmbeddingReplyParts parts_;
  const Clock::time_point came_ = Clock::now();
  std::vector<std::vector<float>> vectors_;  // of the worker's thread
  GenerationEnd sum_;                        // of all texts
  std::mutex mutex_;                         // over the rest
  bool gone_ = false;
  std::weak_ptr<Generation> generation_;
};

}  // namespace hadal
