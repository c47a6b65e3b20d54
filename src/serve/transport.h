// SPDX-License-Identifier: MIT
// A connection's bytes, over TCP or TLS alike; inside the room only.
//
// At most one read and one write at a time; handlers run on the server's thread.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace hadal {

// Whether it went well, and how many bytes.
using TransportHandler = std::function<void(bool well, size_t bytes)>;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual void handshake(TransportHandler handler) = 0;
  virtual void read(std::span<char> into, TransportHandler handler) = 0;
  virtual void write(const std::string& bytes, TransportHandler handler) = 0;  // all of them
  virtual void end_writing() = 0;  // the other side sees the end after what was written
  virtual void close() = 0;
};

std::unique_ptr<Transport> make_plain_transport(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Transport> make_tls_transport(boost::asio::ip::tcp::socket socket,
                                              boost::asio::ssl::context& context);

}  // namespace hadal
