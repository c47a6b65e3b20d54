// SPDX-License-Identifier: MIT
// The exchange of a connection: every call is posted to the server's thread; inside the room only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>

#include "serve/connection.h"
#include "serve/exchange.h"

namespace hadal {

class PostedExchange : public Exchange {
 public:
  PostedExchange(boost::asio::any_io_executor executor, std::weak_ptr<Connection> connection,
                 int64_t serial, HttpRequest request);
  ~PostedExchange() override;

  const HttpRequest& request() const override { return request_; }
  void reply(HttpReply reply) override;
  void expect_long_wait(std::vector<HttpHeader> headers) override;
  void begin_stream(std::vector<HttpHeader> headers) override;
  void write(std::string bytes) override;
  void end() override;
  void comment(std::string text) override;
  void watch(std::function<void()> gone, std::function<void(bool behind)> behind) override;
  void note(std::string text) override;

 private:
  template <typename Work>
  void post(Work work);

  boost::asio::any_io_executor executor_;
  std::weak_ptr<Connection> connection_;
  int64_t serial_;
  HttpRequest request_;
};

}  // namespace hadal
