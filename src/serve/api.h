// SPDX-License-Identifier: MIT
// The API: which path means what, who may ask, and the answers that need no model.
//
//   Api api(model, accounts, {});
//   TRY(std::unique_ptr<HttpServer> server, HttpServer::start(options, api));
//   api.watch(server->counts());                     // for metrics
//   …
//   api.drain();                                     // new requests: 503; /health says so
//   api.cut();                                       // what still runs ends with an error
//
// Every path is served with and without /v1 and under /beta; Anthropic's also under /anthropic.
// Without any key in the accounts everybody may ask, but only over loopback names: a page in
// somebody's browser that reaches this machine by another name, or from another origin, is refused.
// Any thread.  The model and the accounts must outlive it.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "serve/accounts.h"
#include "serve/api_error.h"
#include "serve/bookkeeper.h"
#include "serve/http_server.h"
#include "serve/limiter.h"
#include "serve/metrics.h"
#include "serve/reply_plan.h"
#include "serve/reply_writer.h"

namespace hadal {

class TextReply;

struct ApiOptions {
  // After which a request is given up: an answer of 32,768 tokens at ten a second.
  std::chrono::seconds request_time{3600};
  // For lines that an operator must see.
  std::function<void(const std::string& line)> log = [](const std::string&) {};
};

class Api : public HttpHandler {
 public:
  Api(const ServedModel& model, Accounts& accounts, ApiOptions options);
  ~Api() override;

  std::optional<HttpReply> refuse(const HttpRequest& head) override;
  void handle(std::shared_ptr<Exchange> exchange) override;
  std::string error_body(const HttpRequest& head, int status, const std::string& message) override;

  void watch(const HttpCounts& counts) { counts_ = &counts; }
  void drain() { draining_ = true; }
  void cut();
  // Answers that the model is still at, or that are not written into the ledger yet.
  int64_t answering() const;

 private:
  friend class TextReply;
  struct Route;
  static const Route* find_route(const std::string& path);

  // The key, or none where none is needed.
  ApiResult<std::optional<KeyRecord>> authorise(const HttpRequest& head);
  ApiStatus check_origin(const HttpRequest& head) const;
  ApiStatus serve(const std::shared_ptr<Exchange>& exchange, const Route& route);

  // The answers; each is named by its path.  api_text.cpp and api_small.cpp.
  struct Asked {
    std::shared_ptr<Exchange> exchange;
    std::optional<KeyRecord> key;
  };
  ApiStatus chat_completions(const Asked& asked);
  ApiStatus completions(const Asked& asked);
  ApiStatus infill(const Asked& asked);
  ApiStatus messages(const Asked& asked);
  ApiStatus count_tokens(const Asked& asked);
  ApiStatus responses(const Asked& asked);
  ApiStatus response_tokens(const Asked& asked);
  ApiStatus embeddings(const Asked& asked);
  ApiStatus tokenize(const Asked& asked);
  ApiStatus detokenize(const Asked& asked);
  ApiStatus apply_template(const Asked& asked);
  ApiStatus models(const Asked& asked);
  ApiStatus one_model(const Asked& asked);
  ApiStatus balance(const Asked& asked);
  ApiStatus live(const Asked& asked);
  ApiStatus health(const Asked& asked);
  ApiStatus metrics_page(const Asked& asked);
  ApiStatus page(const Asked& asked);

  struct TextJob {
    ReplyPlan plan;
    std::string user;
    bool stream = false;
    std::string call_prefix;
    ErrorFamily family = ErrorFamily::openai;
    std::function<std::unique_ptr<ReplyWriter>(ReplyFacts facts)> writer;
    ReplyFacts facts;
  };
  ReplyFacts facts_for(const TextCall& call, const ReplyPlan& plan, const std::string& id) const;
  ApiStatus complete(const Asked& asked, CompletionCall call);
  ApiStatus answer_text(const Asked& asked, TextJob job);
  ApiStatus admit(const Asked& asked, int64_t tokens);
  void forget(const TextReply& reply);

  const ServedModel& model_;
  Accounts& accounts_;
  ApiOptions options_;
  const HttpCounts* counts_ = nullptr;
  std::atomic<bool> draining_{false};
  Limiter limiter_;
  Metrics metrics_;
  mutable std::mutex mutex_;
  std::set<TextReply*> replies_;  // each is held by its generation until it forgets itself
  Bookkeeper bookkeeper_;
};

}  // namespace hadal
