// SPDX-License-Identifier: MIT
// The server over real sockets: streams, limits, slow and vanishing clients, draining, TLS.
#include "serve/http_server.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "http_client.h"
#include "scratch.h"

namespace hadal {
namespace {

using std::chrono::milliseconds;

// /echo says the body; /stream writes until its client is gone or behind for long; others as named.
class Echo : public HttpHandler {
 public:
  std::optional<HttpReply> refuse(const HttpRequest& head) override {
    if (head.path == "/forbidden") return HttpReply{.status = 403, .body = "no"};
    return std::nullopt;
  }
  void handle(std::shared_ptr<Exchange> exchange) override {
    const HttpRequest& request = exchange->request();
    if (request.path == "/lost") return;
    if (request.path == "/held") return hold(std::move(exchange));
    if (request.path == "/stream") return stream(std::move(exchange));
    exchange->reply({.status = 200, .body = request.body, .type = "text/plain"});
  }
  std::string error_body(const HttpRequest&, int status, const std::string& message) override {
    return std::to_string(status) + " " + message;
  }

  void stream(std::shared_ptr<Exchange> exchange) {
    exchange->watch([this] { tell(gone_); },
                    [this](bool behind) { tell(behind ? behind_ : caught_up_); });
    exchange->begin_stream({});
    exchange->comment("reading 1/2");
    exchange->write("data: one\n\n");
    hold(std::move(exchange));
  }
  void hold(std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex_);
    held_ = std::move(exchange);
    changed_.notify_all();
  }
  std::shared_ptr<Exchange> held() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [this] { return held_ != nullptr; });
    return std::move(held_);
  }
  bool wait(bool& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return what; });
  }
  bool gone_ = false, behind_ = false, caught_up_ = false;

 private:
  void tell(bool& what) {
    const std::lock_guard lock(mutex_);
    what = true;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<Exchange> held_;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(const HttpLimits& limits = {}) {
    options_.limits = limits;
    options_.log = [this](const std::string& line) {
      const std::lock_guard lock(mutex_);
      log_ += line + "\n";
    };
    Result<std::unique_ptr<HttpServer>> server = HttpServer::start(options_, echo_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = server.take();
  }
  void TearDown() override {
    echo_.hold(nullptr);
    server_.reset();
  }
  HttpClient client(int receive_buffer = 0) const {
    return HttpClient(server_->port(), receive_buffer);
  }
  std::string log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  template <typename Condition>
  static bool soon(const Condition& condition) {
    for (int tries = 0; tries < 3000 && !condition(); ++tries)
      std::this_thread::sleep_for(milliseconds(10));
    return condition();
  }

  HttpServerOptions options_;
  Echo echo_;
  std::unique_ptr<HttpServer> server_;
  std::mutex mutex_;
  std::string log_;
};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnectionEvenIfTheyComeTogether) {
  start();
  HttpClient one = client();
  one.send(post_text("/echo", "first") + post_text("/echo", "second") + get_text("/echo"));
  EXPECT_EQ(body_of(one.answer()), "first");
  EXPECT_EQ(body_of(one.answer()), "second");
  EXPECT_EQ(status_of(one.answer()), 200);
  one.send(post_text("/echo", "third"));
  const std::string third = one.answer();
  EXPECT_EQ(body_of(third), "third");
  EXPECT_NE(third.find("\r\nx-request-id: req_"), std::string::npos);
  EXPECT_NE(third.find("\r\nx-deepseek-request-id: req_"), std::string::npos);
  EXPECT_EQ(server_->counts().connections, 1);
  EXPECT_TRUE(soon([&] { return server_->counts().answering == 0; }));
  EXPECT_NE(log().find("127.0.0.1 POST /echo 200 "), std::string::npos) << log();
  EXPECT_EQ(log().find("third"), std::string::npos) << "bodies are not logged";
}

TEST_F(HttpServerTest, ALargeRequestThatComesEarlyIsReadWhenItsTurnComes) {
  start();
  const std::string large(300'000, 'x');
  HttpClient one = client();
  one.send(get_text("/held"));
  const std::shared_ptr<Exchange> exchange = echo_.held();
  std::thread sender([&] { one.send(post_text("/echo", large)); });
  // Until as much of it waits as the server lets wait.
  std::this_thread::sleep_for(milliseconds(50));
  exchange->reply({.status = 200, .body = "first", .type = "text/plain"});
  EXPECT_EQ(body_of(one.answer()), "first");
  EXPECT_EQ(body_of(one.answer()), large);
  sender.join();
}

TEST_F(HttpServerTest, StreamsPartByPartAndSaysSoInTheHeader) {
  start();
  HttpClient one = client();
  one.send(get_text("/stream"));
  const std::string begin = one.until("data: one");
  EXPECT_NE(begin.find("Content-Type: text/event-stream"), std::string::npos);
  EXPECT_NE(begin.find("X-Accel-Buffering: no"), std::string::npos);
  EXPECT_EQ(begin.find("two"), std::string::npos);
  const std::shared_ptr<Exchange> exchange = echo_.held();
  exchange->write("data: two\n\n");
  exchange->end();
  EXPECT_EQ(dechunked(one.until("0\r\n\r\n")), "data: one\n\ndata: two\n\n");
  one.send(post_text("/echo", "same connection"));
  EXPECT_NE(one.until("same connection").find("same connection"), std::string::npos);
}

TEST_F(HttpServerTest, AnHttp10ClientGetsAnUnchunkedStreamAndTheEnd) {
  start();
  HttpClient one = client();
  one.send("GET /stream HTTP/1.0\r\n\r\n");
  one.until("data: one");
  echo_.held()->end();
  EXPECT_EQ(body_of(one.until_closed()), "data: one\n\n");
}

TEST_F(HttpServerTest, SilenceIsBrokenByComments) {
  start({.comment_time = milliseconds(50)});
  HttpClient one = client();
  one.send(get_text("/stream"));
  EXPECT_NE(one.until(": reading 1/2\n\n").find(": reading 1/2\n\n"), std::string::npos);
  const std::shared_ptr<Exchange> streaming = echo_.held();
  streaming->end();

  HttpClient other = client();
  other.send(get_text("/held"));
  const std::shared_ptr<Exchange> exchange = echo_.held();
  exchange->expect_long_wait({{"x-said", "early"}});
  const std::string head = other.until("1\r\n\n\r\n");
  EXPECT_NE(head.find("1\r\n\n\r\n"), std::string::npos);
  EXPECT_NE(head.find("\r\nx-said: early\r\n"), std::string::npos)
      << "the reply's own headers come too late";
  exchange->reply({.status = 200, .body = "{}"});
  const std::string body = dechunked(other.until("0\r\n\r\n"));
  EXPECT_EQ(body.substr(body.find_first_not_of('\n')), "{}");
}

TEST_F(HttpServerTest, AVanishedClientIsToldOfAndLogged) {
  start();
  HttpClient one = client();
  one.send(get_text("/stream"));
  one.until("data: one");
  one.close_now();
  EXPECT_TRUE(echo_.wait(echo_.gone_));
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 0; }));
  EXPECT_EQ(server_->counts().gone_clients, 1);
  EXPECT_NE(log().find("GET /stream 499 "), std::string::npos) << log();
  echo_.held()->write("nobody hears this");
}

TEST_F(HttpServerTest, ASlowReaderIsPausedThenDropped) {
  start({.write_time = milliseconds(400), .behind_bytes = 64 << 10});
  HttpClient slow = client(4096);
  slow.send(get_text("/stream"));
  const std::shared_ptr<Exchange> exchange = echo_.held();
  for (int i = 0; i < 64; ++i) exchange->write(std::string(64 << 10, 'x'));
  EXPECT_TRUE(echo_.wait(echo_.behind_));
  EXPECT_TRUE(echo_.wait(echo_.gone_));
  EXPECT_EQ(server_->counts().slow_readers, 1);
  EXPECT_NE(log().find("slow-reader"), std::string::npos);
}

TEST_F(HttpServerTest, AReaderThatCatchesUpGetsEverything) {
  start({.behind_bytes = 64 << 10});
  HttpClient slow = client(4096);
  slow.send(get_text("/stream"));
  const std::shared_ptr<Exchange> exchange = echo_.held();
  std::string sent = "data: one\n\n";
  for (int i = 0; i < 64; ++i) {
    const std::string part(64 << 10, static_cast<char>('a' + i % 26));
    sent += part;
    exchange->write(part);
  }
  EXPECT_TRUE(echo_.wait(echo_.behind_));
  exchange->end();
  EXPECT_EQ(dechunked(slow.until("\r\n0\r\n\r\n")), sent);
}

TEST_F(HttpServerTest, FaultsAreAnsweredAndEndTheConnection) {
  start({.header_bytes = 1000, .body_bytes = 1000});
  const auto status = [&](const std::string& bytes) {
    HttpClient one = client();
    one.send(bytes);
    const int answer = status_of(one.until_closed());
    EXPECT_TRUE(one.closed());
    return answer;
  };
  EXPECT_EQ(status("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(status(get_text("/", "X: " + std::string(2000, 'a') + "\r\n")), 431);
  EXPECT_EQ(status(post_text("/echo", std::string(1001, 'a'))), 413);
  EXPECT_EQ(status(post_text("/forbidden", "a body that nobody reads")), 403);
  EXPECT_EQ(server_->counts().body_bytes, 0);
}

TEST_F(HttpServerTest, TheAnswerToALargeRefusedBodyArrives) {
  start({.body_bytes = 1000});
  HttpClient one = client();
  one.send(post_text("/echo", std::string(4 << 20, 'a')));
  EXPECT_EQ(status_of(one.until_closed()), 413);
}

TEST_F(HttpServerTest, SlowHeadersAndBodiesAreToldSo) {
  start({.header_time = milliseconds(200), .body_time = milliseconds(200)});
  HttpClient header = client();
  header.send("GET / HT");
  EXPECT_EQ(status_of(header.until_closed()), 408);
  HttpClient body = client();
  body.send("POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(status_of(body.until_closed()), 408);
  HttpClient silent = client();
  EXPECT_EQ(silent.until_closed(), "");
  EXPECT_TRUE(silent.closed());
  EXPECT_EQ(server_->counts().timeouts, 2);
  EXPECT_EQ(server_->counts().body_bytes, 0);
}

TEST_F(HttpServerTest, BodiesShareALimitedMemory) {
  start({.body_bytes = 1000, .all_bodies_bytes = 1500});
  HttpClient first = client();
  first.send("POST /echo HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc");
  EXPECT_TRUE(soon([&] { return server_->counts().body_bytes == 1000; }));
  HttpClient second = client();
  second.send(post_text("/echo", std::string(800, 'x')));
  EXPECT_EQ(status_of(second.until_closed()), 503);
  EXPECT_NE(second.got().find("\r\nRetry-After: "), std::string::npos);
  first.send(std::string(997, 'y'));
  EXPECT_EQ(status_of(first.answer()), 200);
  EXPECT_TRUE(soon([&] { return server_->counts().body_bytes == 0; }));
}

TEST_F(HttpServerTest, MoreConnectionsThanAllowedAreToldToComeAgain) {
  start({.connections = 2});
  HttpClient one = client(), two = client();
  one.send(post_text("/echo", "1"));
  two.send(post_text("/echo", "2"));
  one.answer();
  two.answer();
  HttpClient three = client();
  three.send(post_text("/echo", "3"));
  EXPECT_EQ(status_of(three.until_closed()), 503);
  EXPECT_NE(three.got().find("\r\nRetry-After: "), std::string::npos);
  EXPECT_TRUE(three.closed());
  EXPECT_EQ(server_->counts().refused, 1);
  EXPECT_EQ(server_->counts().bad_requests, 0);
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 2; }));
  two.close_now();
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 1; }));
  HttpClient four = client();
  four.send(post_text("/echo", "4"));
  EXPECT_EQ(body_of(four.answer()), "4");
}

TEST_F(HttpServerTest, AFloodOfConnectionsIsClosed) {
  start({.connections = 1});
  std::vector<HttpClient> held;
  for (int i = 0; i < 65; ++i) held.push_back(client());
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 65; }));
  HttpClient more = client();
  EXPECT_EQ(more.until_closed(), "");
  EXPECT_EQ(server_->counts().refused, 65);
  EXPECT_TRUE(soon([&] { return server_->counts().connections == 1; })) << "silent, without room";
}

TEST_F(HttpServerTest, ExpectContinueIsAnsweredBeforeTheBody) {
  start();
  HttpClient one = client();
  one.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(one.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  one.send("abc");
  EXPECT_NE(one.until("abc").find("HTTP/1.1 200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, ALostRequestIsAnswered500) {
  start();
  HttpClient one = client();
  one.send(get_text("/lost"));
  EXPECT_EQ(status_of(one.answer()), 500);
}

TEST_F(HttpServerTest, DrainingEndsConnectionsAfterTheirAnswer) {
  start();
  HttpClient idle = client(), busy = client();
  idle.send(post_text("/echo", "x"));
  idle.answer();
  busy.send(get_text("/stream"));
  busy.until("data: one");
  server_->drain();
  EXPECT_EQ(idle.until_closed(), "");
  echo_.held()->end();
  EXPECT_NE(busy.until_closed().find("0\r\n\r\n"), std::string::npos);
  HttpClient late = client();
  late.send(post_text("/echo", "health"));
  EXPECT_NE(late.until_closed().find("Connection: close"), std::string::npos);
}

TEST_F(HttpServerTest, WrongAddressesAndCertificatesAreNamed) {
  options_.address = "localhost";
  EXPECT_FALSE(HttpServer::start(options_, echo_));
  options_.address = "127.0.0.1";
  options_.certificate = options_.key = "/nowhere.pem";
  const auto server = HttpServer::start(options_, echo_);
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("/nowhere.pem"), std::string::npos);
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("10.0.0.1"));
}

}  // namespace
}  // namespace hadal
