// SPDX-License-Identifier: MIT
// What the server answers while its model is loaded: a large one takes minutes, and who watches the
// server must be able to tell that from death.
//
//   LoadingDoor door;
//   TRY(std::unique_ptr<HttpServer> server, HttpServer::start(options, door));
//   door.progress(done, all); …                     // from the thread that loads
//   door.open(api);                                 // everything goes there from now on
//
// Until then /live says that the process runs, /health that the model is being loaded and how far
// that is, and everything else is refused with 503 and a Retry-After, with a key or without.  Any
// thread; what is behind the door must outlive the server's last call.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "serve/http_server.h"

namespace hadal {

class LoadingDoor : public HttpHandler {
 public:
  void progress(int64_t done, int64_t all);
  void open(HttpHandler& behind) { behind_ = &behind; }

  std::optional<HttpReply> refuse(const HttpRequest& head) override;
  int64_t body_limit(const HttpRequest& head, const HttpLimits& limits) const override;
  void handle(std::shared_ptr<Exchange> exchange) override;
  std::string error_body(const HttpRequest& head, int status, const std::string& message) override;

 private:
  HttpReply closed(const HttpRequest& head) const;

  std::atomic<HttpHandler*> behind_{nullptr};
  std::atomic<double> part_{0};  // of the model
};

}  // namespace hadal
