// SPDX-License-Identifier: MIT
// A connection's bytes, over TCP or TLS.
#include "serve/transport.h"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

namespace hadal {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

auto plainly(TransportHandler handler) {
  return [handler = std::move(handler)](const ErrorCode& error, size_t bytes) {
    handler(!error, bytes);
  };
}

void close_socket(tcp::socket& socket) {
  ErrorCode ignored;  // it may be closed already
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(tcp::socket socket) : socket_(std::move(socket)) {}

  void handshake(TransportHandler handler) override {
    asio::post(socket_.get_executor(), [handler = std::move(handler)] { handler(true, 0); });
  }
  void read(std::span<char> into, TransportHandler handler) override {
    socket_.async_read_some(asio::buffer(into.data(), into.size()), plainly(std::move(handler)));
  }
  void write(const std::string& bytes, TransportHandler handler) override {
    asio::async_write(socket_, asio::buffer(bytes), plainly(std::move(handler)));
  }
  void end_writing() override {
    ErrorCode ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override { close_socket(socket_); }

 private:
  tcp::socket socket_;
};

class TlsTransport : public Transport {
 public:
  TlsTransport(tcp::socket socket, asio::ssl::context& context)
      : stream_(std::move(socket), context) {}

  void handshake(TransportHandler handler) override {
    stream_.async_handshake(
        asio::ssl::stream_base::server,
        [handler = std::move(handler)](const ErrorCode& error) { handler(!error, 0); });
  }
  void read(std::span<char> into, TransportHandler handler) override {
    stream_.async_read_some(asio::buffer(into.data(), into.size()), plainly(std::move(handler)));
  }
  void write(const std::string& bytes, TransportHandler handler) override {
    asio::async_write(stream_, asio::buffer(bytes), plainly(std::move(handler)));
  }
  // The length of every answer is known from HTTP, so nobody can cut one unseen even where
  // TLS's own farewell does not arrive.
  void end_writing() override {
    ErrorCode ignored;
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override { close_socket(stream_.next_layer()); }

 private:
  asio::ssl::stream<tcp::socket> stream_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

std::unique_ptr<Transport> make_tls_transport(tcp::socket socket, asio::ssl::context& context) {
  return std::make_unique<TlsTransport>(std::move(socket), context);
}

}  // namespace hadal
