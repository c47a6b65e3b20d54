// SPDX-License-Identifier: MIT
// The exchange of a connection.
#include "serve/posted_exchange.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace hadal {

PostedExchange::PostedExchange(boost::asio::any_io_executor executor,
                               std::weak_ptr<Connection> connection, int64_t serial,
                               HttpRequest request)
    : executor_(std::move(executor)),
      connection_(std::move(connection)),
      serial_(serial),
      request_(std::move(request)) {}

template <typename Work>
void PostedExchange::post(Work work) {
  boost::asio::post(executor_, [connection = connection_, work = std::move(work)]() mutable {
    if (const std::shared_ptr<Connection> there = connection.lock()) work(*there);
  });
}

PostedExchange::~PostedExchange() {
  post([serial = serial_](Connection& c) { c.abandon(serial); });
}

void PostedExchange::reply(HttpReply reply) {
  post([serial = serial_, reply = std::move(reply)](Connection& c) { c.answer(serial, reply); });
}

void PostedExchange::expect_long_wait(std::vector<HttpHeader> headers) {
  post([serial = serial_, headers = std::move(headers)](Connection& c) mutable {
    c.expect_long_wait(serial, std::move(headers));
  });
}

void PostedExchange::begin_stream(std::vector<HttpHeader> headers) {
  post([serial = serial_, headers = std::move(headers)](Connection& c) {
    c.begin_stream(serial, headers);
  });
}

void PostedExchange::write(std::string bytes) {
  post([serial = serial_, bytes = std::move(bytes)](Connection& c) mutable {
    c.stream(serial, std::move(bytes));
  });
}

void PostedExchange::end() {
  post([serial = serial_](Connection& c) { c.end_stream(serial); });
}

void PostedExchange::comment(std::string text) {
  post([serial = serial_, text = std::move(text)](Connection& c) mutable {
    c.set_comment(serial, std::move(text));
  });
}

void PostedExchange::watch(std::function<void()> gone, std::function<void(bool behind)> behind) {
  boost::asio::post(executor_, [connection = connection_, serial = serial_, gone = std::move(gone),
                                behind = std::move(behind)]() mutable {
    const std::shared_ptr<Connection> there = connection.lock();
    if (there)
      there->watch(serial, std::move(gone), std::move(behind));
    else if (gone)
      gone();
  });
}

void PostedExchange::note(std::string text) {
  post([serial = serial_, text = std::move(text)](Connection& c) mutable {
    c.set_note(serial, std::move(text));
  });
}

}  // namespace hadal
