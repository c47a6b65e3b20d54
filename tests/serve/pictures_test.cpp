// SPDX-License-Identifier: MIT
// Pictures over the API: what is understood, refused, told, queued and paid.
#include <gtest/gtest.h>

#include "fake_artist.h"
#include "serve/base64.h"

namespace hadal {
namespace {

using nlohmann::json;

class PicturesTest : public PictureApiTest {
 protected:
  std::shared_ptr<RecordedExchange> draw(json fields, const std::string& key = "") {
    if (!fields.contains("prompt")) fields["prompt"] = "a sea";
    return post("/v1/images/generations", fields, key);
  }
  std::shared_ptr<RecordedExchange> drawn(const json& fields, const std::string& key = "") {
    const auto exchange = draw(fields, key);
    exchange->wait();
    return exchange;
  }
  // The field that is to blame for a 400.
  std::string blamed(const json& fields) {
    const auto exchange = drawn(fields);
    EXPECT_EQ(exchange->answer.status, 400) << fields << exchange->answer.body;
    return exchange->json()["error"]["param"];
  }
  static std::string data_url(const std::string& bytes) {
    return "data:image/png;base64," + to_base64(bytes);
  }
};

TEST_F(PicturesTest, AllFieldsReachTheArtist) {
  const auto exchange = drawn({{"n", 2},
                               {"size", "64x48"},
                               {"seed", 7},
                               {"guidance_scale", 3.5},
                               {"num_inference_steps", 8},
                               {"temperature", 0.5},
                               {"top_k", 40},
                               {"output_format", "jpeg"},
                               {"response_format", "b64_json"},
                               {"model", "nano"}});
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.prompt, "a sea");
  EXPECT_EQ(order.count, 2);
  EXPECT_EQ(order.width, 64);
  EXPECT_EQ(order.height, 48);
  EXPECT_EQ(order.frames, 1);
  EXPECT_EQ(order.seed, 7u);
  EXPECT_EQ(order.guidance, 3.5);
  EXPECT_EQ(order.passes, 8);
  EXPECT_EQ(order.temperature, 0.5);
  EXPECT_EQ(order.top_k, 40);
  EXPECT_EQ(order.kind, FileKind::jpeg);
  const json body = exchange->json();
  ASSERT_EQ(body["data"].size(), 2u);
  EXPECT_EQ(body["data"][0]["b64_json"], to_base64("a sea 7"));
  EXPECT_EQ(body["data"][1]["b64_json"], to_base64("a sea 8"));
  EXPECT_EQ(body["output_format"], "jpeg");
  EXPECT_EQ(body["size"], "64x48");
  EXPECT_EQ(body["background"], "opaque");
  EXPECT_GT(body["created"], 0);
  EXPECT_EQ(body["usage"],
            (json{{"input_tokens", 6},
                  {"output_tokens", 128},
                  {"total_tokens", 134},
                  {"input_tokens_details", {{"text_tokens", 6}, {"image_tokens", 0}}},
                  {"output_tokens_details", {{"text_tokens", 0}, {"image_tokens", 128}}}}));
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "");
}

TEST_F(PicturesTest, FilesMayBeSmallerAndLess) {
  for (const auto& [format, kind] : {std::pair("jpeg", FileKind::jpeg), {"webp", FileKind::webp}}) {
    const json body = drawn({{"output_format", format}, {"output_compression", 40}})->json();
    EXPECT_EQ(body["output_format"], format) << body;
    const ArtOrder order = artist_.begun(artist_.works());
    EXPECT_EQ(order.kind, kind);
    EXPECT_EQ(order.quality, 40);
  }
  drawn({{"output_format", "webp"}})->wait();
  EXPECT_EQ(artist_.begun(3).quality, 100);
}

TEST_F(PicturesTest, AnEditPaintsWhereTheMaskIsTransparent) {
  const std::vector<std::string> parts = {field("prompt", "a cloud"), file("image", kPng),
                                          file("mask", kPng + "mask")};
  const auto exchange = post_form("/v1/images/edits", parts);
  exchange->wait();
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "");
  ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.first_frame, kPng);
  EXPECT_EQ(order.region, kPng + "mask");
  EXPECT_TRUE(order.region_is_transparent);
  EXPECT_EQ(order.paint_over, 1) << "all of what is open";
  EXPECT_EQ(order.passes, 8);
  EXPECT_EQ(order.frames, 1);
  std::vector<std::string> weaker = parts;
  weaker.push_back(field("strength", "0.5"));
  post_form("/v1/images/edits", weaker)->wait();
  EXPECT_EQ(artist_.begun(2).paint_over, 0.5);
  // No more passes than there are cells to decide.
  std::vector<std::string> tiny = parts;
  tiny.push_back(field("size", "16x16"));
  post_form("/v1/images/edits", tiny)->wait();
  EXPECT_EQ(artist_.begun(3).passes, 4);
  const json by_url = {{"prompt", "x"}, {"image", data_url(kPng)}, {"mask", data_url(kPng)}};
  EXPECT_EQ(post("/v1/images/edits", by_url)->json()["data"].size(), 1U);
  EXPECT_EQ(artist_.begun(4).region, kPng);
}

TEST_F(PicturesTest, WithoutASeedEveryRequestHasItsOwn) {
  const json first = drawn({{"size", "auto"}})->json(), second = drawn(json::object())->json();
  EXPECT_EQ(first["size"], "64x64");
  EXPECT_NE(first["data"][0]["seed"], second["data"][0]["seed"]);
}

TEST_F(PicturesTest, WhatCannotBeDoneIsRefusedByName) {
  EXPECT_EQ(blamed({{"prompt", ""}}), "prompt");
  EXPECT_EQ(blamed({{"prompt", std::string(40000, 'x')}}), "prompt");
  EXPECT_EQ(blamed({{"n", 11}}), "n");
  EXPECT_EQ(blamed({{"n", "two"}}), "n");
  EXPECT_EQ(blamed({{"size", "large"}}), "size");
  EXPECT_EQ(blamed({{"size", "1024x1024"}}), "size");
  EXPECT_EQ(blamed({{"size", "64x-8"}}), "size");
  EXPECT_EQ(blamed({{"size", "64x9223372036854775807"}}), "size");
  EXPECT_EQ(blamed({{"seed", -1}}), "seed");
  EXPECT_EQ(blamed({{"guidance_scale", 101}}), "guidance_scale");
  EXPECT_EQ(blamed({{"output_format", "tiff"}}), "output_format");
  EXPECT_EQ(blamed({{"output_compression", 50}}), "output_compression") << "of a PNG";
  EXPECT_EQ(blamed({{"output_format", "webp"}, {"output_compression", 101}}), "output_compression");
  EXPECT_EQ(blamed({{"background", "transparent"}}), "background");
  EXPECT_EQ(blamed({{"response_format", "file"}}), "response_format");
  EXPECT_EQ(blamed({{"negative_prompt", "fish"}}), "negative_prompt");
  EXPECT_EQ(blamed({{"lora", {"x"}}}), "lora");
  EXPECT_EQ(blamed({{"strength", 0.5}}), "strength");
  EXPECT_EQ(blamed({{"partial_images", 2}}), "partial_images");
  EXPECT_EQ(drawn({{"model", "gpt-image-1"}})->answer.status, 404);
  EXPECT_EQ(artist_.works(), 0u);
}

TEST_F(PicturesTest, WhatMeansNothingHereIsListed) {
  const auto exchange = drawn({{"quality", "high"},
                               {"style", "vivid"},
                               {"moderation", "auto"},
                               {"user", "u"},
                               {"wish", 1}});
  EXPECT_EQ(exchange->answer.status, 200);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "quality, style, wish");
}

TEST_F(PicturesTest, AUrlHoldsThePictureItself) {
  const json asked = {{"response_format", "url"}, {"seed", 7}, {"output_format", "webp"}};
  const auto exchange = drawn(asked);
  const json picture = exchange->json()["data"][0];
  EXPECT_EQ(picture["url"], "data:image/webp;base64," + to_base64("a sea 7"));
  EXPECT_FALSE(picture.contains("b64_json"));
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "");
  json streamed = asked;
  streamed["stream"] = true;
  const auto stream = draw(streamed);
  EXPECT_EQ(stream->events().back()["b64_json"], to_base64("a sea 7"));
  EXPECT_EQ(stream->header("x-hadal-ignored-fields"), "response_format");
}

TEST_F(PicturesTest, AStreamShowsPicturesAsTheyCome) {
  const auto exchange =
      draw({{"stream", true}, {"partial_images", 2}, {"seed", 1}, {"size", "32x32"}});
  const std::vector<json> events = exchange->events();
  ASSERT_EQ(events.size(), 3u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(events[i]["type"], "image_generation.partial_image");
    EXPECT_EQ(events[i]["partial_image_index"], i);
    EXPECT_EQ(events[i]["b64_json"], to_base64("preview " + std::to_string(i)));
    EXPECT_EQ(events[i]["size"], "32x32");
  }
  EXPECT_EQ(events[2]["type"], "image_generation.completed");
  EXPECT_EQ(events[2]["b64_json"], to_base64("a sea 1"));
  EXPECT_EQ(events[2]["usage"]["output_tokens"], 64);
}

TEST_F(PicturesTest, AFailureIsToldWholeAndInAStream) {
  artist_.failure = fail("the given picture: not a picture");
  EXPECT_EQ(drawn(json::object())->answer.status, 400);
  artist_.failure = fail_machine("no memory");
  EXPECT_EQ(drawn(json::object())->answer.status, 500);
  const std::vector<json> events = draw({{"stream", true}})->events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["type"], "error");
  EXPECT_EQ(events[0]["error"]["message"], "no memory");
}

TEST_F(PicturesTest, AnEditGoesOnFromAPicture) {
  const auto exchange =
      post_form("/v1/images/edits", {field("prompt", "it moves left"), file("image[]", kPng),
                                     field("seed", "5"), field("size", "32x32"), field("n", "2")});
  exchange->wait();
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.first_frame, kPng);
  EXPECT_TRUE(order.ends_as_still);
  EXPECT_EQ(order.frames, 9);
  EXPECT_EQ(order.count, 2);
  EXPECT_EQ(exchange->json()["usage"]["input_tokens_details"]["image_tokens"], 16);

  const auto by_json =
      post("/v1/images/edits", {{"prompt", "x"}, {"images", {{{"image_url", data_url(kPng)}}}}});
  by_json->wait();
  EXPECT_EQ(by_json->answer.status, 200) << by_json->answer.body;
  EXPECT_EQ(artist_.begun(2).first_frame, kPng);
  const std::vector<json> events =
      post("/v1/images/edits",
           {{"prompt", "x"}, {"image", data_url(kPng)}, {"stream", true}, {"partial_images", 1}})
          ->events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["type"], "image_edit.partial_image");
  EXPECT_EQ(events[1]["type"], "image_edit.completed");
}

TEST_F(PicturesTest, EditsThatCannotBeDoneAreRefused) {
  const auto blamed_part = [&](const std::vector<std::string>& parts) {
    const auto exchange = post_form("/v1/images/edits", parts);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 400) << exchange->answer.body;
    const json param = exchange->json()["error"]["param"];
    return param.is_null() ? std::string() : param.get<std::string>();
  };
  const std::string prompt = field("prompt", "x");
  EXPECT_EQ(blamed_part({prompt}), "image");
  EXPECT_EQ(blamed_part({prompt, file("image", kPng), file("mask", "no picture")}), "mask");
  EXPECT_EQ(blamed_part({prompt, file("image", kPng), file("mask", kPng), field("strength", "0")}),
            "strength");
  EXPECT_EQ(blamed_part({prompt, file("image[]", kPng), file("image[]", kPng)}), "image");
  EXPECT_EQ(blamed_part({prompt, file("image", kPng), file("images", kPng)}), "images");
  EXPECT_EQ(blamed_part({prompt, file("images[]", kPng), file("images[]", kPng)}), "images");
  const json one = {{"image_url", data_url(kPng)}};
  for (const json& given :
       {json{{"images", {one, one}}}, json{{"images", json::array({one})}, {"image", one}}}) {
    json body = {{"prompt", "x"}};
    body.update(given);
    const json error = post("/v1/images/edits", body)->json()["error"];
    EXPECT_EQ(error["param"], "images");
    EXPECT_NE(error["message"].get<std::string>().find("expected one"), std::string::npos);
  }
  EXPECT_EQ(blamed_part({prompt, file("image", "no picture")}), "image");
  for (const char* url : {"http://example.com/a.png", "data:image/png;base64,?", "file:///etc"}) {
    const auto exchange = post("/v1/images/edits", {{"prompt", "x"}, {"image", url}});
    EXPECT_EQ(exchange->json()["error"]["param"], "image") << url;
  }
  EXPECT_EQ(artist_.works(), 0u);
}

TEST_F(PicturesTest, PaidIsWhatWasDelivered) {
  const std::string key = add_key({.name = "ann", .prepaid = true});
  ASSERT_TRUE(accounts_->set_price({PriceClass::image, "USD", kMoneyUnit, 0, {}}));
  EXPECT_EQ(drawn(json::object(), key)->answer.status, 402);
  ASSERT_TRUE(accounts_->pay("p", last_key_.id, 3 * kMoneyUnit, Payment::top_up, 1));
  artist_.failure = fail_machine("no memory");
  EXPECT_EQ(drawn({{"n", 2}}, key)->answer.status, 500);
  EXPECT_EQ(accounts_->balance(last_key_)->total, 3 * kMoneyUnit);
  artist_.failure = {};
  const json body = drawn({{"n", 3}}, key)->json();
  EXPECT_EQ(body["usage"]["cost"], (json{{"currency", "USD"}, {"amount", "3.00"}}));
  EXPECT_EQ(accounts_->balance(last_key_)->total, 0);
  EXPECT_EQ(drawn(json::object(), key)->answer.status, 402);
}

TEST_F(PicturesTest, AFullQueueSaysSoAndLeavesTheLimiter) {
  const std::string key = add_key({.name = "ann", .limits = {.concurrent = 18}});
  artist_.hold(true);
  std::vector<std::shared_ptr<RecordedExchange>> waiting = {draw(json::object(), key)};
  artist_.begun(1);
  for (int i = 0; i < 16; ++i) waiting.push_back(draw(json::object(), key));
  for (int i = 0; i < 3; ++i) {
    const auto refused = drawn(json::object(), key);
    EXPECT_EQ(refused->answer.status, 429);
    EXPECT_EQ(refused->json()["error"]["code"], "queue_full") << "not the limit of 18 at once";
    EXPECT_NE(refused->header("Retry-After"), "");
  }
  EXPECT_EQ(api_->answering(), 17);
  const std::string metrics = ask("GET", "/metrics", "", key)->answer.body;
  EXPECT_NE(metrics.find("hadal:pictures_waiting{model_name=\"nano\"} 16"), std::string::npos);
  artist_.hold(false);
  for (const auto& exchange : waiting) EXPECT_EQ(exchange->json()["data"].size(), 1u);
  EXPECT_TRUE(soon([&] { return api_->answering() == 0; }));
}

TEST_F(PicturesTest, KeysTakeTurns) {
  const std::string ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  artist_.hold(true);
  std::vector<std::shared_ptr<RecordedExchange>> all = {draw(json::object(), ann)};
  artist_.begun(1);
  for (int i = 0; i < 3; ++i) all.push_back(draw({{"prompt", "of ann"}}, ann));
  all.push_back(draw({{"prompt", "of bob"}}, bob));
  artist_.hold(false);
  for (const auto& exchange : all) exchange->wait();
  EXPECT_EQ(artist_.orders.at(2).prompt, "of bob");
}

TEST_F(PicturesTest, AClientThatGoesIsCancelledAndPaysNothing) {
  class Leaving : public RecordedExchange {
   public:
    using RecordedExchange::RecordedExchange;
    void watch(std::function<void()> gone, std::function<void(bool)>) override {
      leave = std::move(gone);
    }
    std::function<void()> leave;
  };
  const std::string key = add_key({.name = "ann"});
  artist_.hold(true);
  std::vector<std::shared_ptr<Leaving>> clients;
  for (int i = 0; i < 2; ++i) {  // one is painted, one waits
    HttpRequest request;
    request.method = "POST";
    request.path = "/v1/images/generations";
    request.body = R"({"prompt":"x"})";
    request.headers["authorization"] = "Bearer " + key;
    request.id = "req_leaving" + std::to_string(i);
    clients.push_back(std::make_shared<Leaving>(request));
    api_->handle(clients.back());
    artist_.begun(1);
  }
  EXPECT_EQ(api_->answering(), 2);
  for (const auto& client : clients) client->leave();
  EXPECT_TRUE(soon([&] { return api_->answering() == 0; }));
  EXPECT_EQ(artist_.works(), 1u);
  EXPECT_EQ(*accounts_->entries(last_key_.number), 0);
}

TEST_F(PicturesTest, AnEndingServerFinishesOrCutsThem) {
  artist_.hold(true);
  const auto running = draw(json::object()), waiting = draw(json::object());
  artist_.begun(1);
  api_->drain();
  EXPECT_EQ(drawn(json::object())->answer.status, 503);
  EXPECT_EQ(api_->answering(), 2);
  api_->cut();
  for (const auto& exchange : {running, waiting}) {
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 503);
  }
}

TEST_F(PicturesTest, TimeIsLimited) {
  close_api();
  options_.request_time = std::chrono::seconds(0);
  open_api();
  EXPECT_EQ(drawn(json::object())->answer.status, 504);
  EXPECT_EQ(artist_.works(), 0u);
}

TEST_F(PicturesTest, AModelThatDoesNotDrawSaysSo) {
  close_api();
  options_.artist = nullptr;
  open_api();
  for (const char* path : {"/v1/images/generations", "/v1/images/edits", "/v1/videos",
                           "/v1/videos/sync", "/v1/videos/video_1/cancel"}) {
    const auto exchange = post(path, {{"prompt", "x"}});
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 404) << path;
    EXPECT_NE(exchange->answer.body.find("no visual vocabulary"), std::string::npos);
  }
  EXPECT_EQ(ask("GET", "/v1/models", "")->json()["data"][0]["output_modalities"], json({"text"}));
}

}  // namespace
}  // namespace hadal
