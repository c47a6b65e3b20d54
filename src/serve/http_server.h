// SPDX-License-Identifier: MIT
// The HTTP server: sockets, limits and time on the one side, a handler on the other.
//
//   TRY(std::unique_ptr<HttpServer> server, HttpServer::start(options, handler));
//   std::puts(server->url().c_str());
//   …
//   server->drain();                 // every answer is the last of its connection
//   server->stop();                  // at once
//
// One thread moves all bytes; a few others call the handler, so that reading a large prompt's JSON
// keeps nobody from his stream.  After stop() the handler is not called again; exchanges that are
// still held must go before the server does.  Any thread may call.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "serve/exchange.h"
#include "serve/http_message.h"

namespace hadal {

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Looks at a header before its body is read; an answer ends the connection.  Brief: everybody
  // waits.  Any error reply of the server itself has its body from error_body().
  virtual std::optional<HttpReply> refuse(const HttpRequest& head) = 0;
  // How long the body of a request may be; asked once refuse() has let it pass.  Brief.
  virtual int64_t body_limit(const HttpRequest& head, const HttpLimits& limits) const;
  virtual void handle(std::shared_ptr<Exchange> exchange) = 0;
  virtual std::string error_body(const HttpRequest& head, int status,
                                 const std::string& message) = 0;
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // of this machine, as digits
  uint16_t port = 0;                  // 0: any that is free
  std::string certificate, key;       // PEM files; both empty: no TLS
  HttpLimits limits;
  int64_t handler_threads = 2;
  // Called with a line for each request, from the server's thread; no line says what was asked.
  std::function<void(const std::string& line)> log;
};

// What is counted, for metrics.
struct HttpCounts {
  std::atomic<int64_t> connections{0}, accepted{0}, refused{0};
  std::atomic<int64_t> requests{0}, answering{0};
  std::atomic<int64_t> slow_readers{0}, gone_clients{0}, bad_requests{0}, timeouts{0};
  std::atomic<int64_t> body_bytes{0};    // of requests that are being read or prepared
  std::atomic<int64_t> answer_bytes{0};  // that were not taken by their readers yet
};

bool is_loopback(const std::string& address);

class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler& handler);
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;
  virtual std::string url() const = 0;  // "http://127.0.0.1:8080"
  virtual const HttpCounts& counts() const = 0;
  // Every answer is the last of its connection from now on; new connections are still taken, so
  // that the handler can say why it refuses.
  virtual void drain() = 0;
  virtual void stop() = 0;
};

}  // namespace hadal
