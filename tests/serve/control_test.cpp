// SPDX-License-Identifier: MIT
// Reaching into an answer that is being written: enough thought.
#include <gtest/gtest.h>

#include "api_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

class HeldGeneration : public Generation {
 public:
  void cancel() override {}
  void insist(int64_t token) override { insisted = token; }
  void pause(bool) override {}

  int64_t insisted = -1;
};

// Takes a request and leaves what becomes of it to the test.
class HeldWorker : public GenerationWorker {
 public:
  Submission submit(GenerationRequest, std::shared_ptr<GenerationSink> its_sink) override {
    sink = std::move(its_sink);
    return {Submitted::yes, generation};
  }
  WorkerGauges gauges() const override { return {}; }
  int64_t context() const override { return 2048; }
  int64_t vocab() const override { return 6208; }
  int64_t width() const override { return 3; }

  std::shared_ptr<GenerationSink> sink;
  const std::shared_ptr<HeldGeneration> generation = std::make_shared<HeldGeneration>();
};

class ControlTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    api_.reset();
    model_.emplace(ServedModel{.id = "nano",
                               .end_ids = {*tokenizer_->eos()},
                               .tokenizer = *tokenizer_,
                               .worker = held_,
                               .fingerprint = "fp_test"});
    api_ = std::make_unique<Api>(*model_, *accounts_, ApiOptions{});
  }
  void TearDown() override {
    held_.sink->ended({});
    api_.reset();
  }
  // Its id, as the stream tells it.
  std::string begin(bool thinks) {
    exchange_ =
        post("/v1/chat/completions", {{"messages", kHello},
                                      {"stream", true},
                                      {"thinking", {{"type", thinks ? "enabled" : "disabled"}}}});
    const size_t at = exchange_->answer.body.find("chatcmpl-");
    EXPECT_NE(at, std::string::npos) << exchange_->answer.body;
    return exchange_->answer.body.substr(at, exchange_->answer.body.find('"', at) - at);
  }
  int enough(const std::string& id) {
    return post("/v1/chat/completions/control", {{"id", id}, {"action", "reasoning_end"}})
        ->answer.status;
  }
  void say(int64_t id) {
    GeneratedToken token;
    token.sample = {id, -0.5F};
    held_.sink->token(token);
  }

  HeldWorker held_;
  std::shared_ptr<RecordedExchange> exchange_;
};

TEST_F(ControlTest, ThinkingEndsWhenItsClientHasEnoughOfIt) {
  const std::string id = begin(true);
  const int64_t end = tokenizer_->id_of(kThinkEnd).value();
  const int64_t thought = tokenizer_->encode("a").front();
  say(thought);
  EXPECT_EQ(held_.generation->insisted, -1) << "nobody has asked for it";
  EXPECT_EQ(enough(id), 200);
  say(thought);
  EXPECT_EQ(held_.generation->insisted, end);
  say(end);
  held_.generation->insisted = -1;
  say(thought);
  EXPECT_EQ(held_.generation->insisted, -1) << "it is said once";
  EXPECT_EQ(enough(id), 409) << "there is no thinking any more";
}

TEST_F(ControlTest, AnAnswerThatDoesNotThinkIsNotCutShort) {
  const std::string id = begin(false);
  EXPECT_EQ(enough(id), 409);
  say(tokenizer_->encode("a").front());
  EXPECT_EQ(held_.generation->insisted, -1);
  EXPECT_EQ(enough("chatcmpl-0"), 404);
  const auto stopped =
      post("/v1/chat/completions/control", {{"id", id}, {"action", "cancel"}, {"stranger", 1}});
  EXPECT_EQ(stopped->answer.status, 200);
  EXPECT_EQ(stopped->header("x-hadal-ignored-fields"), "stranger");
}

}  // namespace
}  // namespace hadal
