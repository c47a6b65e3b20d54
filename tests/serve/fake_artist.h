// SPDX-License-Identifier: MIT
// An artist whose files say what was ordered, and who waits where a test wants him to; and an API
// that has him.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "api_fixture.h"
#include "serve/video_store.h"

namespace hadal {

class FakeArtist : public Artist {
 public:
  ArtLimits limits() const override {
    return {.least_side = 8, .longest_side = 128, .most_count = 10, .most_frames = 100};
  }
  std::optional<ArtFault> fault_of(const ArtOrder& order) const override {
    if (order.width > 128 || order.height > 128) return ArtFault{"size", "is too large"};
    return std::nullopt;
  }
  Result<Artwork> make(const ArtOrder& order, ArtSink& sink,
                       const std::atomic<bool>& cancel) override {
    {
      std::unique_lock lock(mutex_);
      orders.push_back(order);
      changed_.notify_all();
      while (held_ && !cancel) changed_.wait_for(lock, std::chrono::milliseconds(1));
    }
    sink.progress(0.5);
    for (int64_t number = 0; number < order.previews; ++number)
      for (int64_t picture = 0; picture < order.count; ++picture)
        sink.preview(picture, number, "preview " + std::to_string(number));
    if (!failure.message.empty()) return failure;
    Artwork work;
    for (int64_t i = 0; i < order.count; ++i) {
      const uint64_t seed = order.seed + static_cast<uint64_t>(i);
      work.files.push_back({order.prompt + " " + std::to_string(seed), seed, "small", "many",
                            order.redraws ? "what it shows" : ""});
    }
    work.text_tokens = 3 * order.count;
    work.given_cells = order.first_frame.empty() ? 0 : 16;
    work.output_cells = 64 * order.count;
    return work;
  }

  bool looks() const override { return eyes; }
  Result<std::vector<int64_t>> looking_at(const std::string& picture,
                                          const std::optional<ClipPart>& part) override {
    if (picture.ends_with("bad")) return fail("not a picture");
    seen_part = part;
    // Cells are ids beyond the vocabulary.
    return std::vector<int64_t>{1, 1 << 20, static_cast<int64_t>(picture.size())};
  }

  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  // Until so many works were begun; returns the last order.
  ArtOrder begun(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(30), [&] { return orders.size() >= count; }));
    return orders.empty() ? ArtOrder{} : orders.back();
  }
  size_t works() {
    const std::lock_guard lock(mutex_);
    return orders.size();
  }

  bool eyes = false;
  std::optional<ClipPart> seen_part;  // of what was looked at last
  Error failure;
  std::vector<ArtOrder> orders;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
};

class PictureApiTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    options_.artist = &artist_;
    open_api();
  }
  void TearDown() override { close_api(); }

  void open_api() {
    Result<std::unique_ptr<VideoStore>> opened =
        VideoStore::open(folder_.file("videos"), limits_, std::time(nullptr));
    ASSERT_TRUE(opened) << opened.error().message;
    videos_ = opened.take();
    options_.videos = videos_.get();
    api_ = std::make_unique<Api>(*model_, *accounts_, options_);
  }
  // As a server that ends, or dies, between two steps.
  void close_api() {
    api_.reset();
    videos_.reset();
  }

  std::shared_ptr<RecordedExchange> send(HttpRequest request, const std::string& key = "") {
    request.headers["host"] = "localhost:1";
    if (!key.empty()) request.headers["authorization"] = "Bearer " + key;
    request.id = "req_p" + std::to_string(++sent_);
    const auto exchange = std::make_shared<RecordedExchange>(request);
    if (std::optional<HttpReply> refusal = api_->refuse(request))
      exchange->reply(std::move(*refusal));
    else
      api_->handle(exchange);
    return exchange;
  }
  // `parts` are whole parts of a form but for their delimiters.
  std::shared_ptr<RecordedExchange> post_form(const std::string& path,
                                              const std::vector<std::string>& parts,
                                              const std::string& key = "") {
    HttpRequest request;
    request.method = "POST";
    request.path = path;
    request.headers["content-type"] = "multipart/form-data; boundary=xyz";
    for (const std::string& part : parts) request.body += "--xyz\r\n" + part + "\r\n";
    request.body += "--xyz--\r\n";
    return send(request, key);
  }
  static std::string field(const std::string& name, const std::string& value) {
    return "Content-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value;
  }
  static std::string file(const std::string& name, const std::string& bytes) {
    return "Content-Disposition: form-data; name=\"" + name +
           "\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n" + bytes;
  }
  template <typename Condition>
  static bool soon(const Condition& condition) {
    for (int tries = 0; tries < 3000 && !condition(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return condition();
  }
  std::string add_key(const KeyRequest& request) {
    Result<NewKey> key = accounts_->add_key(request);
    EXPECT_TRUE(key);
    last_key_ = key->record;
    return key->text;
  }

  // Enough of a PNG to be known as one.
  static inline const std::string kPng = std::string("\x89PNG\r\n\x1a\n", 8) + "rest";

  FakeArtist artist_;
  VideoStoreLimits limits_;
  std::unique_ptr<VideoStore> videos_;
  ApiOptions options_;
  KeyRecord last_key_;
  int sent_ = 0;
};

}  // namespace hadal
