// SPDX-License-Identifier: MIT
// The HTTP server: listening, threads, and the clock that every connection is held to.
#include "serve/http_server.h"

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "serve/connection.h"

namespace hadal {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Clock = std::chrono::steady_clock;

// How often limits of time are looked at: none of them is shorter than seconds outside of tests.
constexpr std::chrono::milliseconds kTick{100};
// What the system may hold for a reader; left to itself it grows to megabytes, and a reader that
// is behind would be noticed late.
constexpr int kSendBuffer = 128 << 10;
// Connections over the limit that are told so; further ones are closed at once.
constexpr int64_t kMostRefusals = 64;

Result<std::unique_ptr<asio::ssl::context>> tls_context(const HttpServerOptions& options) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  ErrorCode error;
  context->use_certificate_chain_file(options.certificate, error);
  if (error) return fail(options.certificate, ": no PEM certificate: ", error.message());
  context->use_private_key_file(options.key, asio::ssl::context::pem, error);
  if (error) return fail(options.key, ": no key of that certificate: ", error.message());
  return context;
}

class Server : public HttpServer, public ConnectionHost {
 public:
  Server(HttpServerOptions options, HttpHandler& handler)
      : options_(std::move(options)),
        handler_(handler),
        acceptor_(io_),
        timer_(io_),
        workers_(static_cast<size_t>(options_.handler_threads)) {}

  ~Server() override { stop(); }

  Status listen();
  void run();

  uint16_t port() const override { return endpoint_.port(); }
  std::string url() const override;
  const HttpCounts& counts() const override { return counts_; }
  void drain() override;
  void stop() override;

 private:
  void accept();
  void tick();

  const HttpLimits& limits() const override { return options_.limits; }
  HttpHandler& handler() override { return handler_; }
  HttpCounts& counts() override { return counts_; }
  bool draining() const override { return draining_; }
  asio::any_io_executor executor() override { return io_.get_executor(); }
  void dispatch(std::shared_ptr<Exchange> exchange) override {
    asio::post(workers_, [this, exchange = std::move(exchange)] { handler_.handle(exchange); });
  }
  void log(const std::string& line) override {
    if (options_.log) options_.log(line);
  }
  void forget(const Connection& connection) override;

  HttpServerOptions options_;
  HttpHandler& handler_;
  HttpCounts counts_;
  asio::io_context io_{1};
  std::unique_ptr<asio::ssl::context> tls_;
  tcp::acceptor acceptor_;
  tcp::endpoint endpoint_;
  asio::steady_timer timer_;
  std::set<std::shared_ptr<Connection>> connections_;
  std::atomic<bool> draining_{false};
  asio::thread_pool workers_;
  std::thread thread_;
};

Status Server::listen() {
  ErrorCode error;
  const asio::ip::address address = asio::ip::make_address(options_.address, error);
  if (error) return fail("\"", options_.address, "\" is no address, expected one like 127.0.0.1");
  const tcp::endpoint wanted(address, options_.port);
  if (!options_.certificate.empty() || !options_.key.empty()) {
    TRY(tls_, tls_context(options_));
  }
  acceptor_.open(wanted.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(wanted, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail_machine(options_.address, " port ", options_.port, ": ", error.message());
  endpoint_ = acceptor_.local_endpoint();
  return Ok{};
}

void Server::run() {
  accept();
  tick();
  thread_ = std::thread([this] { io_.run(); });
}

std::string Server::url() const {
  const std::string address = endpoint_.address().to_string();
  const bool v6 = endpoint_.address().is_v6();
  return (tls_ ? "https://" : "http://") + (v6 ? "[" + address + "]" : address) + ":" +
         std::to_string(port());
}

void Server::accept() {
  acceptor_.async_accept([this](const ErrorCode& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    ErrorCode ignored;
    const tcp::endpoint peer = socket.remote_endpoint(ignored);
    const int64_t open = static_cast<int64_t>(connections_.size());
    const int64_t most = options_.limits.connections;
    if (!error) ++(open < most ? counts_.accepted : counts_.refused);
    if (!error && open < most + kMostRefusals) {
      socket.set_option(tcp::no_delay(true), ignored);
      socket.set_option(asio::socket_base::send_buffer_size(kSendBuffer), ignored);
      auto transport = tls_ ? make_tls_transport(std::move(socket), *tls_)
                            : make_plain_transport(std::move(socket));
      const auto connection = std::make_shared<Connection>(
          *this, std::move(transport), peer.address().to_string(),
          open < most ? Connection::Room::enough : Connection::Room::none);
      connections_.insert(connection);
      counts_.connections = static_cast<int64_t>(connections_.size());
      connection->begin();
    }
    accept();
  });
}

void Server::tick() {
  timer_.expires_after(kTick);
  timer_.async_wait([this](const ErrorCode& error) {
    if (error) return;
    const Clock::time_point now = Clock::now();
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const std::shared_ptr<Connection>& connection : all) connection->tick(now);
    tick();
  });
}

void Server::forget(const Connection& connection) {
  std::erase_if(connections_, [&](const auto& one) { return one.get() == &connection; });
  counts_.connections = static_cast<int64_t>(connections_.size());
}

void Server::drain() {
  draining_ = true;
  asio::post(io_, [this] {
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const std::shared_ptr<Connection>& connection : all) connection->end_when_idle();
  });
}

void Server::stop() {
  if (!thread_.joinable()) return;
  asio::post(io_, [this] {
    ErrorCode ignored;
    acceptor_.close(ignored);
    timer_.cancel();
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const std::shared_ptr<Connection>& connection : all) connection->close();
    io_.stop();
  });
  thread_.join();
  workers_.join();
}

}  // namespace

int64_t HttpHandler::body_limit(const HttpRequest&, const HttpLimits& limits) const {
  return limits.body_bytes;
}

bool is_loopback(const std::string& address) {
  ErrorCode error;
  const asio::ip::address read = asio::ip::make_address(address, error);
  return !error && read.is_loopback();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options,
                                                      HttpHandler& handler) {
  auto server = std::make_unique<Server>(std::move(options), handler);
  TRY_STATUS(server->listen());
  server->run();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace hadal
