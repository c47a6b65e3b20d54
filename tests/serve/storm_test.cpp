// SPDX-License-Identifier: MIT
// Ten thousand requests of all kinds, good and bad, over connections that stay, that break off and
// that fall silent, from readers fast and slow: in the end nothing is held, everybody was answered,
// and memory has not grown.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "api_fixture.h"
#include "http_client.h"

namespace hadal {
namespace {

constexpr int kClients = 8;
constexpr int kRequestsEach = 1250;
// Of which a first part fills all pools and buffers; what is taken after it must come back.
constexpr int kWarmUpEach = 250;
// Heap that may remain of ten thousand requests: 200 B a request would show.
constexpr size_t kMostGrowth = 2 << 20;

enum class Kind {
  whole,
  stream,
  slow_reader,
  count,
  models,
  broken_json,
  no_path,
  vanishes,
  silent,       // a part of a request, and no more
  half_closed,  // a whole one, from who says so
  malformed,
  kinds
};

std::string text_of(Kind kind) {
  const std::string ask = R"({"messages":[{"role":"user","content":"Hello"}],"max_tokens":8)";
  switch (kind) {
    case Kind::whole:
      return post_text("/v1/chat/completions", ask + "}");
    case Kind::stream:
    case Kind::slow_reader:
    case Kind::vanishes:
      return post_text("/v1/chat/completions", ask + R"(,"stream":true})");
    case Kind::silent: {
      const std::string whole = post_text("/v1/chat/completions", ask + "}");
      return whole.substr(0, whole.size() - 9);
    }
    case Kind::count:
      return post_text("/v1/messages/count_tokens", ask + R"(,"model":"nano"})");
    case Kind::models:
    case Kind::half_closed:
      return get_text("/v1/models");
    case Kind::broken_json:
      return post_text("/v1/chat/completions", ask);
    case Kind::no_path:
      return get_text("/v1/nothing");
    default:
      return "GET / HTTP/1.1\r\nno colon\r\n\r\n";
  }
}

int status_wanted(Kind kind) {
  switch (kind) {
    case Kind::broken_json:
    case Kind::malformed:
      return 400;
    case Kind::no_path:
      return 404;
    default:
      return 200;
  }
}

// One client: its connection stays as long as the server lets it.
class Client {
 public:
  Client(uint16_t port, unsigned seed) : port_(port), random_(seed) {}

  // Requests that were answered as they should be.
  int run(int requests) {
    int right = 0;
    for (int i = 0; i < requests; ++i) right += one();
    connection_.reset();
    forgotten_.clear();
    return right;
  }

 private:
  bool one() {
    const auto kind = static_cast<Kind>(random_() % static_cast<unsigned>(Kind::kinds));
    if (kind == Kind::slow_reader || kind == Kind::silent || kind == Kind::half_closed)
      return odd_one(kind);
    if (!connection_ || connection_->closed()) connection_.emplace(port_);
    connection_->send(text_of(kind));
    if (kind == Kind::vanishes) {
      connection_.reset();
      return true;
    }
    if (kind == Kind::stream) {
      const bool whole = connection_->until("0\r\n\r\n").find("data: [DONE]") != std::string::npos;
      connection_.reset();
      return whole;
    }
    const std::string answer = connection_->answer();
    if (answer.find("Connection: close") != std::string::npos) connection_.reset();
    return status_of(answer) == status_wanted(kind);
  }

  // On a connection of its own.
  bool odd_one(Kind kind) {
    constexpr int kSmallBuffer = 2048;
    constexpr size_t kMostForgotten = 4;
    HttpClient other(port_, kind == Kind::slow_reader ? kSmallBuffer : 0);
    other.send(text_of(kind));
    if (kind == Kind::slow_reader)
      return other.slowly_until("0\r\n\r\n").find("data: [DONE]") != std::string::npos;
    if (kind == Kind::half_closed) {
      other.half_close();
      other.until_closed();  // it may be answered or not
      return true;
    }
    if (forgotten_.size() == kMostForgotten) forgotten_.pop_front();
    forgotten_.push_back(std::move(other));
    return true;
  }

  uint16_t port_;
  std::mt19937 random_;
  std::deque<HttpClient> forgotten_;  // silent, and still open
  std::optional<HttpClient> connection_;
};

class Storm : public ApiTest {
 protected:
  int storm(uint16_t port, int requests_each, unsigned seed) {
    std::atomic<int> right{0};
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < kClients; ++i)
      clients.emplace_back([&right, port, requests_each, seed, i] {
        right += Client(port, seed + i).run(requests_each);
      });
    for (std::thread& client : clients) client.join();
    return right;
  }
  template <typename Condition>
  static bool soon(const Condition& condition) {
    for (int tries = 0; tries < 3000 && !condition(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return condition();
  }
};

TEST_F(Storm, TenThousandRequestsLeaveNothingBehind) {
  script("Hello to you");
  Result<std::unique_ptr<HttpServer>> started = HttpServer::start({}, *api_);
  ASSERT_TRUE(started) << started.error().message;
  const std::unique_ptr<HttpServer> server = started.take();
  api_->watch(server->counts());
  const auto calm = [&] {
    const HttpCounts& counts = server->counts();
    return counts.connections == 0 && counts.answering == 0 && counts.body_bytes == 0 &&
           api_->answering() == 0;
  };

  EXPECT_EQ(storm(server->port(), kWarmUpEach, 1), kClients * kWarmUpEach);
  ASSERT_TRUE(soon(calm));
  const size_t held = mallinfo2().uordblks;
  const int rest = kRequestsEach - kWarmUpEach;
  EXPECT_EQ(storm(server->port(), rest, 1000), kClients * rest);
  ASSERT_TRUE(soon(calm)) << server->counts().connections << " connections, "
                          << server->counts().answering << " answers";
  const size_t now = mallinfo2().uordblks;  // nought under a sanitizer's own allocator
  EXPECT_LT(now, held + kMostGrowth);
  EXPECT_GE(server->counts().requests, kClients * kRequestsEach * 8 / 10);
  api_.reset();  // before the worker; replies hold exchanges of the server
}

}  // namespace
}  // namespace hadal
