// SPDX-License-Identifier: MIT
// The chat page as the server hands it out.
#include "serve/web_page.h"

#include <set>
#include <string>

#include "api_fixture.h"

namespace hadal {
namespace {

std::string header_of(const HttpReply& reply, std::string_view name) {
  for (const auto& [one, value] : reply.headers)
    if (one == name) return value;
  return "";
}

HttpReply get(const std::string& path, const std::string& name = "",
              const std::string& value = "") {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  if (!name.empty()) request.headers[name] = value;
  return web_reply(request);
}

TEST(WebPage, EveryAssetHasItsTypeAndItsOwnTag) {
  std::set<std::string_view> paths, tags;
  for (const WebAsset& asset : web_assets()) {
    paths.insert(asset.path);
    tags.insert(asset.etag);
    EXPECT_FALSE(asset.plain.empty()) << asset.path;
    EXPECT_LT(asset.zipped.size(), asset.plain.size()) << asset.path;
    EXPECT_EQ(asset.etag.size(), 18U) << asset.etag;
  }
  EXPECT_EQ(tags.size(), web_assets().size());
  EXPECT_EQ(paths, (std::set<std::string_view>{"/", "/app.css", "/app.js", "/icon-192.png",
                                               "/icon-512.png", "/icon.svg",
                                               "/manifest.webmanifest", "/sw.js"}));
  EXPECT_EQ(get("/").type, "text/html; charset=utf-8");
  EXPECT_EQ(get("/app.js").type, "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/icon-192.png").type, "image/png");
  EXPECT_EQ(find_web_asset("/index.html"), nullptr);
  EXPECT_EQ(find_web_asset("/../app.js"), nullptr);
}

TEST(WebPage, TheServiceWorkerKnowsEveryAssetThatItKeeps) {
  const std::string worker(find_web_asset("/sw.js")->plain);
  for (const char* path : {"\"/\"", "\"/app.css\"", "\"/app.js\"", "\"/manifest.webmanifest\""})
    EXPECT_NE(worker.find(path), std::string::npos) << path;
}

TEST(WebPage, NothingElseMayBeLoadedOrReached) {
  const std::string policy = header_of(get("/"), "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'; script-src 'self'; ")) << policy;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(policy.find('*'), std::string::npos);
  EXPECT_EQ(policy.find("http"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  // Scripts and styles in the page itself would be refused by that policy.
  const std::string_view page = find_web_asset("/")->plain;
  for (const char* inside : {"<script>", "<style", " style=", " onclick=", "http://", "https://"})
    EXPECT_EQ(page.find(inside), std::string_view::npos) << inside;
}

TEST(WebPage, GzipIsForThoseWhoTakeIt) {
  const WebAsset& script = *find_web_asset("/app.js");
  for (const char* taken : {"gzip", "gzip, br", "br;q=1.0, gzip;q=0.8", "deflate , gzip ; q=0.1"}) {
    const HttpReply reply = get("/app.js", "accept-encoding", taken);
    EXPECT_EQ(reply.body, script.zipped) << taken;
    EXPECT_EQ(header_of(reply, "Content-Encoding"), "gzip");
  }
  for (const char* refused : {"", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "identity,,"}) {
    const HttpReply reply = get("/app.js", "accept-encoding", refused);
    EXPECT_EQ(reply.body, script.plain) << refused;
    EXPECT_EQ(header_of(reply, "Content-Encoding"), "");
  }
  EXPECT_EQ(header_of(get("/app.js"), "Vary"), "Accept-Encoding");
}

TEST(WebPage, WhatTheBrowserHoldsIsNotSentAgain) {
  const std::string tag = header_of(get("/app.css"), "ETag");
  for (const std::string& held : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    const HttpReply reply = get("/app.css", "if-none-match", held);
    EXPECT_EQ(reply.status, 304) << held;
    EXPECT_EQ(reply.body, "");
    EXPECT_EQ(header_of(reply, "ETag"), tag);
  }
  for (const char* held : {"", "\"other\"", "\"", ",,"})
    EXPECT_EQ(get("/app.css", "if-none-match", held).status, 200) << held;
}

class WebPageApi : public ApiTest {};

TEST_F(WebPageApi, ThePageNeedsNoKeyAndTheApiDoes) {
  ASSERT_TRUE(accounts_->add_key({.name = "ann"}));
  EXPECT_EQ(ask("GET", "/", "")->answer.status, 200);
  EXPECT_EQ(ask("GET", "/app.js", "")->answer.status, 200);
  EXPECT_EQ(ask("GET", "/v1/models", "")->answer.status, 401);
  EXPECT_EQ(ask("POST", "/", "")->answer.status, 405);
  EXPECT_EQ(ask("GET", "/v1/app.js", "")->answer.status, 404);
  api_->drain();
  EXPECT_EQ(ask("GET", "/", "")->answer.status, 200);
}

TEST_F(WebPageApi, AModelNamesTheTemperatureItIsUsuallyAskedWith) {
  model_->temperature = 0.25;
  EXPECT_EQ(ask("GET", "/v1/models", "")->json()["data"][0]["default_temperature"], 0.25);
  script("x");
  post("/v1/chat/completions", {{"messages", kHello}});
  EXPECT_EQ(worker_.last.sampler.temperature, 0.25);
  post("/v1/chat/completions", {{"messages", kHello}, {"temperature", 0.5}});
  EXPECT_EQ(worker_.last.sampler.temperature, 0.5);
}

}  // namespace
}  // namespace hadal
