// SPDX-License-Identifier: MIT
// What the server answers before its model is there.
#include "serve/loading_door.h"

#include <gtest/gtest.h>

#include "api_fixture.h"
#include "http_client.h"

namespace hadal {
namespace {

using nlohmann::json;

class Door : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    Result<std::unique_ptr<HttpServer>> started = HttpServer::start({}, door_);
    ASSERT_TRUE(started) << started.error().message;
    server_ = started.take();
  }
  std::string answer(const std::string& request) const {
    HttpClient client(server_->port());
    client.send(request);
    return client.answer();
  }

  LoadingDoor door_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(Door, SaysHowFarTheModelIs) {
  door_.progress(1, 3);
  for (const char* path : {"/health", "/healthz", "/v1/health"}) {
    const std::string health = answer(get_text(path));
    EXPECT_EQ(status_of(health), 503);
    EXPECT_EQ(json::parse(body_of(health)), (json{{"error",
                                                   {{"code", 503},
                                                    {"message", "Loading model"},
                                                    {"type", "unavailable_error"},
                                                    {"progress", 0.33}}}}));
    EXPECT_NE(health.find("Retry-After: 5\r\n"), std::string::npos);
  }
  EXPECT_EQ(status_of(answer(get_text("/live"))), 200);
  const std::string page = answer(get_text("/"));
  EXPECT_EQ(status_of(page), 503);
  EXPECT_NE(page.find("text/html"), std::string::npos);
}

TEST_F(Door, RefusesTheRestInTheWordsOfItsClients) {
  const std::string chat = answer(post_text("/v1/chat/completions", "{}"));
  EXPECT_EQ(status_of(chat), 503);
  EXPECT_EQ(json::parse(body_of(chat))["error"]["code"], "model_loading");
  EXPECT_NE(chat.find("Retry-After: 5\r\n"), std::string::npos);
  const std::string messages = answer(post_text("/v1/messages", "{}"));
  EXPECT_EQ(json::parse(body_of(messages))["error"]["type"], "overloaded_error");
}

TEST_F(Door, OpensOntoTheApi) {
  door_.progress(0, 0);
  EXPECT_EQ(json::parse(body_of(answer(get_text("/health"))))["error"]["progress"], 0.0);
  script("Good day.");
  door_.open(*api_);
  EXPECT_EQ(status_of(answer(get_text("/health"))), 200);
  const std::string chat =
      answer(post_text("/v1/chat/completions", json{{"messages", kHello}}.dump()));
  EXPECT_EQ(status_of(chat), 200);
  EXPECT_EQ(status_of(answer(get_text("/v1/nothing"))), 404);
  server_->stop();
}

}  // namespace
}  // namespace hadal
