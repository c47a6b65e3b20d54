// SPDX-License-Identifier: MIT
// The server over TLS: answers, streams, vanishing clients, and those who do not speak it.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "http_client.h"
#include "scratch.h"
#include "serve/http_server.h"

namespace hadal {
namespace {

template <auto free>
struct Freed {
  template <typename T>
  void operator()(T* one) const {
    free(one);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using TlsSession = std::unique_ptr<SSL, Freed<SSL_free>>;
using File = std::unique_ptr<FILE, Freed<fclose>>;

// A certificate for localhost that signs itself, and its key, as PEM files.
void write_certificate(const std::string& certificate_file, const std::string& key_file) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 86400);
  X509_set_pubkey(made.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(made.get());
  const auto* const host = reinterpret_cast<const unsigned char*>("localhost");
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, host, -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  ASSERT_NE(X509_sign(made.get(), key.get(), EVP_sha256()), 0);
  const File certificate_out(fopen(certificate_file.c_str(), "w"));
  ASSERT_EQ(PEM_write_X509(certificate_out.get(), made.get()), 1);
  const File key_out(fopen(key_file.c_str(), "w"));
  ASSERT_EQ(PEM_write_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr),
            1);
}

class TlsClient {
 public:
  // Trusts the one certificate; `newest` is the newest version it speaks, 0 for all.
  TlsClient(uint16_t port, const std::string& trusted, int newest = 0)
      : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_load_verify_file(context_.get(), trusted.c_str());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_max_proto_version(context_.get(), newest);
    session_.reset(SSL_new(context_.get()));
    SSL_set1_host(session_.get(), "localhost");
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    SSL_set_fd(session_.get(), socket_);
    connected_ = SSL_connect(session_.get()) == 1;
  }
  ~TlsClient() { close(socket_); }

  bool connected() const { return connected_; }
  int version() const { return SSL_version(session_.get()); }
  bool send(const std::string& text) {
    return SSL_write(session_.get(), text.data(), static_cast<int>(text.size())) > 0;
  }
  const std::string& until(const std::string& text) {
    std::array<char, 16384> bytes{};
    while (got_.find(text) == std::string::npos) {
      const int count = SSL_read(session_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (count <= 0) break;
      got_.append(bytes.data(), static_cast<size_t>(count));
    }
    return got_;
  }
  void vanish() { shutdown(socket_, SHUT_RDWR); }

 private:
  Context context_;
  TlsSession session_;
  int socket_ = -1;
  bool connected_ = false;
  std::string got_;
};

// Says the body; a stream is written by the test.
class Handler : public HttpHandler {
 public:
  std::optional<HttpReply> refuse(const HttpRequest&) override { return std::nullopt; }
  void handle(std::shared_ptr<Exchange> exchange) override {
    if (exchange->request().path != "/stream")
      return exchange->reply({.status = 200, .body = exchange->request().body});
    exchange->watch([this] { gone_ = true; }, nullptr);
    exchange->begin_stream({});
    exchange->write("data: one\n\n");
    const std::lock_guard lock(mutex_);
    held_ = std::move(exchange);
    changed_.notify_all();
  }
  std::string error_body(const HttpRequest&, int, const std::string& message) override {
    return message;
  }
  std::shared_ptr<Exchange> held() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [this] { return held_ != nullptr; });
    return std::move(held_);
  }
  std::atomic<bool> gone_{false};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Exchange> held_;
};

class Tls : public testing::Test {
 protected:
  void SetUp() override {
    write_certificate(folder_.file("c.pem"), folder_.file("k.pem"));
    options_.certificate = folder_.file("c.pem");
    options_.key = folder_.file("k.pem");
    Result<std::unique_ptr<HttpServer>> server = HttpServer::start(options_, handler_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = server.take();
  }
  TlsClient client(int newest = 0) {
    return TlsClient(server_->port(), folder_.file("c.pem"), newest);
  }
  template <typename Condition>
  static bool soon(const Condition& condition) {
    for (int tries = 0; tries < 3000 && !condition(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return condition();
  }

  const ScratchFolder folder_;
  HttpServerOptions options_;
  Handler handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Tls, AnswersOnAConnectionThatStays) {
  EXPECT_TRUE(server_->url().starts_with("https://127.0.0.1:"));
  TlsClient one = client();
  ASSERT_TRUE(one.connected());
  EXPECT_GE(one.version(), TLS1_2_VERSION);
  const std::string large(300'000, 'x');
  ASSERT_TRUE(one.send(post_text("/echo", "first") + post_text("/echo", large)));
  EXPECT_NE(one.until("first").find("200 OK"), std::string::npos);
  EXPECT_NE(one.until(large).find(large), std::string::npos);
  EXPECT_EQ(server_->counts().connections, 1);
}

TEST_F(Tls, StreamsPartByPart) {
  TlsClient one = client();
  ASSERT_TRUE(one.send(get_text("/stream")));
  one.until("data: one\n\n");
  const std::shared_ptr<Exchange> exchange = handler_.held();
  ASSERT_TRUE(exchange);
  exchange->write("data: two\n\n");
  EXPECT_NE(one.until("data: two\n\n").find("data: two"), std::string::npos) << "before the end";
  exchange->end();
  EXPECT_NE(one.until("\r\n0\r\n\r\n").find("\r\n0\r\n\r\n"), std::string::npos);
}

TEST_F(Tls, AClientThatVanishesInAStreamIsToldOf) {
  TlsClient one = client();
  ASSERT_TRUE(one.send(get_text("/stream")));
  one.until("data: one");
  const std::shared_ptr<Exchange> exchange = handler_.held();
  one.vanish();
  EXPECT_TRUE(soon([&] { return handler_.gone_.load(); }));
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(server_->counts().gone_clients, 1);
  exchange->write("nobody hears this");
}

TEST_F(Tls, WhoSpeaksPlainlyOrInOldWaysIsNotHeard) {
  HttpClient plain(server_->port());
  plain.send(get_text("/echo"));
  EXPECT_EQ(plain.until_closed().find("HTTP/1.1"), std::string::npos);
  EXPECT_FALSE(client(TLS1_1_VERSION).connected());
  HttpClient silent(server_->port());
  silent.send("\x16\x03\x01");  // the beginning of a handshake
  silent.close_now();
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(server_->counts().requests, 0);
  EXPECT_TRUE(client().connected()) << "others are still served";
}

TEST_F(Tls, AKeyOfAnotherCertificateIsNamed) {
  write_certificate(folder_.file("c2.pem"), folder_.file("k2.pem"));
  options_.key = folder_.file("k2.pem");
  const auto server = HttpServer::start(options_, handler_);
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("k2.pem"), std::string::npos) << server.error().message;
}

}  // namespace
}  // namespace hadal
