// SPDX-License-Identifier: MIT
// An exchange: one request and the way its answer goes out, whole or as a stream.
//
//   exchange->reply({.status = 404, .body = "{…}"});
//
//   exchange->watch([generation] { generation->cancel(); },                // the client went away
//                   [generation](bool behind) { generation->pause(behind); });
//   exchange->begin_stream({});
//   exchange->write("data: {…}\n\n");
//   exchange->end();
//
// Any thread may call; nothing waits for the network.  After the client has gone everything is
// quietly dropped.  A handler that lets go of an exchange without an answer answers 500.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "serve/http_message.h"

namespace hadal {

class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const HttpRequest& request() const = 0;

  // The whole answer.
  virtual void reply(HttpReply reply) = 0;
  // A reply may take long: empty lines are sent before it, which JSON allows, so that nobody in
  // between takes the silence for death.  The status is then 200 whatever comes, and the headers
  // are these, not those of the reply.
  virtual void expect_long_wait(std::vector<HttpHeader> headers) = 0;

  // Server-sent events, with the headers that keep proxies from collecting them.
  virtual void begin_stream(std::vector<HttpHeader> headers) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void end() = 0;
  // What the comment says that breaks a long silence; clients ignore it, people like it.
  virtual void comment(std::string text) = 0;

  // `gone` is called at most once; `behind` whenever the reader falls behind or has caught up.
  // Both on the server's thread: they must be brief.
  virtual void watch(std::function<void()> gone, std::function<void(bool behind)> behind) = 0;
  // For the line of the access log: "key=1f6a0c9be2d4".
  virtual void note(std::string text) = 0;
};

}  // namespace hadal
