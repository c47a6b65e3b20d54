// SPDX-License-Identifier: MIT
// Requests side by side: what they say, who waits, and that nothing is left behind.
#include "serve/slot_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <random>

#include "../engine/tiny_model.h"
#include "engine/text_embedding.h"
#include "grammar/token_mask.h"
#include "scratch.h"
#include "serve/token_choice.h"

namespace hadal {
namespace {

constexpr auto kLongWait = std::chrono::seconds(60);

// What happened, in the order of all sinks together.
struct Story {
  std::mutex mutex;
  std::vector<std::pair<char, std::string>> events;  // 'p'refill, 't'oken, 'e'nd; whose

  void tell(char what, const std::string& who) {
    const std::lock_guard lock(mutex);
    events.emplace_back(what, who);
  }
};

class Recorder : public GenerationSink {
 public:
  explicit Recorder(std::string name, Story* story = nullptr)
      : name_(std::move(name)), story_(story), done_(promise_.get_future()) {}

  void prefill(int64_t done, int64_t all) override {
    if (story_) story_->tell('p', name_);
    read = done;
    EXPECT_LE(done, all);
  }
  void embedded(std::vector<float> mean) override { embedding = std::move(mean); }
  void prompt_token(const GeneratedToken& token) override { told.push_back(token); }
  Flow token(const GeneratedToken& token) override {
    if (story_) story_->tell('t', name_);
    const std::lock_guard lock(mutex_);
    tokens.push_back(token);
    return static_cast<int64_t>(tokens.size()) == stop_after ? Flow::stop : Flow::go_on;
  }
  void ended(const GenerationEnd& end) override {
    if (story_) story_->tell('e', name_);
    promise_.set_value(end);
  }

  GenerationEnd wait() {
    EXPECT_EQ(done_.wait_for(kLongWait), std::future_status::ready) << name_;
    return done_.get();
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return tokens.size();
  }
  std::vector<int64_t> ids() const {
    std::vector<int64_t> ids;
    for (const GeneratedToken& token : tokens) ids.push_back(token.sample.id);
    return ids;
  }

  std::vector<GeneratedToken> tokens;
  std::vector<GeneratedToken> told;
  std::vector<float> embedding;
  std::atomic<int64_t> read{0};
  int64_t stop_after = -1;

 private:
  std::string name_;
  Story* story_;
  std::mutex mutex_;
  std::promise<GenerationEnd> promise_;
  std::future<GenerationEnd> done_;
};

// A form with a place: the n-th token's id leaves n when divided by three.
class Turns : public TokenConstraint {
 public:
  explicit Turns(int64_t vocab) : vocab_(vocab) {}

  std::span<const uint64_t> allowed() override {
    mask_ = TokenMask(vocab_);
    for (int64_t id = taken_ % 3; id < vocab_; id += 3) mask_.set(id);
    return mask_.words();
  }
  void accept(int64_t token) override { EXPECT_EQ(token % 3, taken_++ % 3); }
  bool finished() const override { return false; }

 private:
  int64_t vocab_, taken_ = 0;
  TokenMask mask_;
};

class SlotWorkerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = new TinyModel("v41-tiny"); }
  static void TearDownTestSuite() { delete tiny_; }

  void start(int64_t slots, int64_t max_chunk = 16, const SlotWorkerOptions& options = {}) {
    cache_.emplace(tiny_->cache(slots, max_chunk));
    worker_.emplace(*tiny_->model, *tiny_->ops, *cache_, options);
  }
  static GenerationRequest request(int64_t prompt, int64_t max_tokens, int64_t salt = 0) {
    GenerationRequest request;
    request.owner = "ann";
    request.prompt = TinyModel::ids(prompt, salt);
    request.sampler.seed = static_cast<uint64_t>(salt);
    request.max_tokens = max_tokens;
    return request;
  }
  std::shared_ptr<Generation> submit(const GenerationRequest& request,
                                     const std::shared_ptr<Recorder>& sink) {
    Submission made = worker_->submit(request, sink);
    EXPECT_EQ(made.state, Submitted::yes);
    return made.generation;
  }
  // The same, by the engine's own loop and alone.
  static std::vector<int64_t> alone(const GenerationRequest& request) {
    Cache cache = tiny_->cache(1, 16);
    Session session(*tiny_->model, *tiny_->ops, cache, {});
    EXPECT_TRUE(session.extend(request.prompt, nullptr));
    GenerateOptions options;
    options.sampler = request.sampler;
    options.max_tokens = request.max_tokens;
    options.constraint = request.constraint.get();
    return generate(session, options, [](const Sample&) { return Flow::go_on; }).ids;
  }
  // Gauges follow the last answer by a moment.
  void expect_idle() {
    for (int tries = 0; tries < 1000 && worker_->gauges().running > 0; ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const WorkerGauges gauges = worker_->gauges();
    EXPECT_EQ(gauges.running, 0);
    EXPECT_EQ(gauges.waiting, 0);
    EXPECT_EQ(gauges.cached_tokens, 0);
  }

  static TinyModel* tiny_;
  std::optional<Cache> cache_;
  std::optional<SlotWorker> worker_;
};
TinyModel* SlotWorkerTest::tiny_ = nullptr;

TEST_F(SlotWorkerTest, AnswersSideBySideAreThoseOfEachAlone) {
  start(3);
  const auto story = std::make_unique<Story>();
  std::vector<std::shared_ptr<Recorder>> sinks;
  for (int64_t i = 0; i < 3; ++i) {
    sinks.push_back(std::make_shared<Recorder>(std::to_string(i), story.get()));
    submit(request(20 + 9 * i, 12, i), sinks.back());
  }
  for (int64_t i = 0; i < 3; ++i) {
    const GenerationEnd end = sinks[static_cast<size_t>(i)]->wait();
    EXPECT_EQ(end.finish, GenerationFinish::length);
    EXPECT_EQ(end.miss, 20 + 9 * i);
    EXPECT_EQ(end.output, 12);
    EXPECT_EQ(sinks[static_cast<size_t>(i)]->ids(), alone(request(20 + 9 * i, 12, i)));
  }
  expect_idle();
}

TEST_F(SlotWorkerTest, AFormHoldsItsOwnAnswerAlone) {
  start(3);
  const auto held = [](int64_t i) {
    GenerationRequest made = request(20 + 9 * i, 12, i);
    if (i > 0) made.constraint = std::make_shared<Turns>(tiny_->model->config().vocab);
    return made;
  };
  std::vector<std::shared_ptr<Recorder>> sinks;
  for (int64_t i = 0; i < 3; ++i) {
    sinks.push_back(std::make_shared<Recorder>(std::to_string(i)));
    submit(held(i), sinks.back());
  }
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sinks[static_cast<size_t>(i)]->wait().output, 12);
    EXPECT_EQ(sinks[static_cast<size_t>(i)]->ids(), alone(held(i)));
  }
}

// Says from within its first token what the second one is to be.
class Insister : public Recorder {
 public:
  using Recorder::Recorder;
  Flow token(const GeneratedToken& token) override {
    if (count() == 0) generation.get_future().get()->insist(kInsisted);
    return Recorder::token(token);
  }

  static constexpr int64_t kInsisted = 17;
  std::promise<std::shared_ptr<Generation>> generation;
};

TEST_F(SlotWorkerTest, ATokenThatIsInsistedOnComesNextAndOnce) {
  start(1);
  const auto sink = std::make_shared<Insister>("a");
  sink->generation.set_value(submit(request(20, 6), sink));
  sink->wait();
  const std::vector<int64_t> usual = alone(request(20, 6)), told = sink->ids();
  ASSERT_EQ(told.size(), 6u);
  EXPECT_EQ(told[0], usual[0]);
  EXPECT_EQ(told[1], int64_t{Insister::kInsisted});
  EXPECT_NE(told[2], int64_t{Insister::kInsisted});
  EXPECT_LT(sink->tokens[1].sample.logprob, 0) << "its probability is told like any other's";
}

TEST_F(SlotWorkerTest, NobodyWaitsForAnothersAnswerWhileThereIsRoom) {
  start(2);
  const auto story = std::make_unique<Story>();
  const auto first = std::make_shared<Recorder>("a", story.get());
  const auto second = std::make_shared<Recorder>("b", story.get());
  submit(request(8, 300, 1), first);
  while (first->count() < 3) std::this_thread::yield();
  submit(request(8, 5, 2), second);
  second->wait();
  EXPECT_LT(first->count(), 300U) << "the second had to wait for the first";
  first->wait();
  EXPECT_EQ(first->ids(), alone(request(8, 300, 1)));
}

TEST_F(SlotWorkerTest, ALongPromptIsReadBetweenTheTokensOfOthers) {
  start(2);
  const auto story = std::make_unique<Story>();
  const auto writer = std::make_shared<Recorder>("w", story.get());
  const auto reader = std::make_shared<Recorder>("r", story.get());
  const auto generation = submit(request(8, 480, 1), writer);
  while (writer->count() < 2) std::this_thread::yield();
  submit(request(400, 1, 2), reader);
  reader->wait();
  generation->cancel();
  writer->wait();
  int slices = 0, longest_gap = 0, gap = 0;
  for (const auto& [what, who] : story->events) {
    if (what == 'p' && who == "r") ++slices, ++gap;
    if (what == 't' && who == "w") gap = 0;
    longest_gap = std::max(longest_gap, gap);
  }
  EXPECT_GE(slices, 25);
  EXPECT_EQ(longest_gap, 1);
  EXPECT_EQ(reader->ids(), alone(request(400, 1, 2)));
}

// Counts forward passes and their rows.
struct StepCounter : Observer {
  void tensor(int64_t layer, std::string_view name, const Tensor& value) override {
    if (layer != -1 || name != "embed") return;
    ++steps;
    most_rows = std::max(most_rows, value.size(0));
  }
  int64_t steps = 0, most_rows = 0;
};

TEST_F(SlotWorkerTest, AnswersSideBySideShareTheirSteps) {
  StepCounter counter;
  tiny_->model->watch(&counter);
  start(8);
  const auto story = std::make_unique<Story>();
  std::vector<std::shared_ptr<Recorder>> sinks;
  for (int64_t i = 0; i < 8; ++i) {
    sinks.push_back(std::make_shared<Recorder>(std::to_string(i)));
    submit(request(4, 100, i), sinks.back());
  }
  for (const auto& sink : sinks) sink->wait();
  worker_.reset();
  tiny_->model->watch(nullptr);
  EXPECT_LT(counter.steps, 150) << "800 tokens and 8 short prompts";
  EXPECT_GE(counter.most_rows, 8);
  for (int64_t i = 0; i < 8; ++i)
    EXPECT_EQ(sinks[static_cast<size_t>(i)]->ids(), alone(request(4, 100, i)));
}

TEST_F(SlotWorkerTest, LongPromptsOfOneOwnerDoNotHoldUpAnothers) {
  start(4);
  const auto story = std::make_unique<Story>();
  std::vector<std::shared_ptr<Recorder>> sinks;
  for (int64_t i = 0; i < 3; ++i) {
    sinks.push_back(std::make_shared<Recorder>("ann", story.get()));
    submit(request(500, 1, i), sinks.back());
  }
  while (sinks[0]->read == 0) std::this_thread::yield();
  GenerationRequest asked = request(100, 1, 7);
  asked.owner = "bob";
  sinks.push_back(std::make_shared<Recorder>("bob", story.get()));
  submit(asked, sinks.back());
  for (const auto& sink : sinks) sink->wait();
  for (const auto& [what, who] : story->events)
    if (what == 'e') {
      EXPECT_EQ(who, "bob") << "every second slice is Bob's";
      break;
    }
}

TEST_F(SlotWorkerTest, OwnersTakeTurns) {
  start(1);
  const auto story = std::make_unique<Story>();
  const auto busy = std::make_shared<Recorder>("busy", story.get());
  const auto generation = submit(request(4, 400, 9), busy);
  while (busy->count() < 1) std::this_thread::yield();
  std::vector<std::shared_ptr<Recorder>> sinks;
  for (const char* owner : {"ann", "ann", "ann", "bob"}) {
    GenerationRequest asked = request(4, 1);
    asked.owner = owner;
    sinks.push_back(std::make_shared<Recorder>(owner, story.get()));
    submit(asked, sinks.back());
  }
  generation->cancel();
  for (const auto& sink : sinks) sink->wait();
  std::vector<std::string> order;
  for (const auto& [what, who] : story->events)
    if (what == 'e') order.push_back(who);
  EXPECT_EQ(order, (std::vector<std::string>{"busy", "ann", "bob", "ann", "ann"}));
}

TEST_F(SlotWorkerTest, AFullQueueSaysWhoseFaultItIs) {
  start(1, 16, {.queue = {.most = 3, .most_of_one = 2}, .prefixes = {}});
  const auto busy = std::make_shared<Recorder>("busy");
  submit(request(4, 400, 9), busy);
  while (busy->count() < 1) std::this_thread::yield();
  std::vector<std::shared_ptr<Recorder>> sinks;
  const auto ask = [&](const char* owner) {
    GenerationRequest asked = request(4, 1);
    asked.owner = owner;
    sinks.push_back(std::make_shared<Recorder>(owner));
    return worker_->submit(asked, sinks.back()).state;
  };
  EXPECT_EQ(ask("ann"), Submitted::yes);
  EXPECT_EQ(ask("ann"), Submitted::yes);
  EXPECT_EQ(ask("ann"), Submitted::owner_full);
  EXPECT_EQ(ask("bob"), Submitted::yes);
  EXPECT_EQ(ask("eve"), Submitted::full);
}

TEST_F(SlotWorkerTest, CancelEndsWhatRunsAndWhatWaits) {
  start(1);
  const auto running = std::make_shared<Recorder>("running");
  const auto waiting = std::make_shared<Recorder>("waiting");
  const auto first = submit(request(4, 500, 1), running);
  const auto second = submit(request(4, 500, 2), waiting);
  while (running->count() < 2) std::this_thread::yield();
  second->cancel();
  EXPECT_EQ(waiting->wait().finish, GenerationFinish::cancelled);
  EXPECT_EQ(waiting->count(), 0U);
  first->cancel();
  const GenerationEnd end = running->wait();
  EXPECT_EQ(end.finish, GenerationFinish::cancelled);
  EXPECT_EQ(end.output, static_cast<int64_t>(running->count()));
  expect_idle();
  first->cancel();  // late, and harmless
}

TEST_F(SlotWorkerTest, EverythingThatEndsAnAnswerDoes) {
  start(2);
  GenerationRequest asked = request(10, 40, 3);
  const std::vector<int64_t> whole = alone(asked);
  const auto stopped = std::make_shared<Recorder>("stopped");
  stopped->stop_after = 4;
  submit(asked, stopped);
  EXPECT_EQ(stopped->wait().finish, GenerationFinish::stop);
  EXPECT_EQ(stopped->count(), 4U);

  asked.end_ids = {whole[6]};
  const auto ended = std::make_shared<Recorder>("ended");
  submit(asked, ended);
  EXPECT_EQ(ended->wait().finish, GenerationFinish::end);
  EXPECT_TRUE(ended->tokens.back().ends);
  EXPECT_LE(ended->count(), 7U);

  const auto full = std::make_shared<Recorder>("full");
  submit(request(505, 100, 3), full);
  EXPECT_EQ(full->wait().finish, GenerationFinish::context);
  EXPECT_EQ(full->count(), 8U);

  GenerationRequest late = request(10, 40, 3);
  late.deadline = std::chrono::steady_clock::now();
  const auto missed = std::make_shared<Recorder>("missed");
  submit(late, missed);
  EXPECT_EQ(missed->wait().finish, GenerationFinish::deadline);
}

TEST_F(SlotWorkerTest, WhatWasReadIsSharedWithinAPartitionOnly) {
  start(3);
  const auto ask = [&](const std::string& partition) {
    GenerationRequest asked = request(40, 1, 5);
    asked.partition = partition;
    const auto sink = std::make_shared<Recorder>(partition);
    submit(asked, sink);
    const GenerationEnd end = sink->wait();
    EXPECT_EQ(end.hit + end.miss, 40);
    EXPECT_EQ(sink->ids(), alone(asked));
    return end.hit;
  };
  EXPECT_EQ(ask("ann"), 0);
  EXPECT_EQ(ask("bob"), 0);
  EXPECT_EQ(ask("ann"), 40);
  EXPECT_EQ(ask("bob"), 40);
}

TEST_F(SlotWorkerTest, WhetherWhatWasReadIsKeptIsSaid) {
  for (const int64_t budget : {int64_t{0}, int64_t{1} << 20}) {
    start(1, 16, {.queue = {}, .prefixes = {.budget_bytes = budget}});
    const auto sink = std::make_shared<Recorder>("");
    submit(request(20, 1), sink);
    EXPECT_EQ(sink->wait().kept, budget > 0);
  }
}

TEST_F(SlotWorkerTest, ACancelledPromptIsNotReadTwice) {
  start(1);
  const auto first = std::make_shared<Recorder>("first");
  const auto generation = submit(request(400, 1, 5), first);
  while (first->read < 100) std::this_thread::yield();
  generation->cancel();
  first->wait();
  const auto again = std::make_shared<Recorder>("again");
  submit(request(400, 1, 5), again);
  EXPECT_GE(again->wait().hit, 100);
  EXPECT_EQ(again->ids(), alone(request(400, 1, 5)));
}

TEST_F(SlotWorkerTest, APromptThatLostItsSlotIsNotReadTwice) {
  start(1, 16, {.queue = {}, .prefixes = {.every = 50}});
  const auto ask = [&](const GenerationRequest& asked) {
    const auto sink = std::make_shared<Recorder>("");
    submit(asked, sink);
    const GenerationEnd end = sink->wait();
    EXPECT_EQ(end.hit + end.miss, static_cast<int64_t>(asked.prompt.size()));
    EXPECT_EQ(sink->ids(), alone(asked));
    return std::pair{end, sink->ids()};
  };
  const auto [first, answer] = ask(request(120, 8, 1));
  EXPECT_EQ(first.hit, 0);
  ask(request(90, 3, 2));  // takes the only slot
  EXPECT_EQ(ask(request(120, 8, 1)).first.hit, 120);
  ask(request(90, 3, 3));
  // The conversation goes on: all but the last token of the answer was read.
  GenerationRequest longer = request(120, 4, 1);
  longer.prompt.insert(longer.prompt.end(), answer.begin(), answer.end());
  longer.prompt.insert(longer.prompt.end(), {5, 6, 7});
  EXPECT_EQ(ask(longer).first.hit, 127);
  // Another text with the same beginning goes on from a boundary, and then from where they part.
  for (const int64_t hit : {0, 50, 80}) {
    GenerationRequest other = request(160, 2, 4);
    if (hit > 0) std::fill(other.prompt.begin() + 80, other.prompt.end(), 5 + hit);
    EXPECT_EQ(ask(other).first.hit, hit);
    ask(request(30, 1, 5 + hit));
  }
}

TEST_F(SlotWorkerTest, AnotherWorkerGoesOnFromTheDisk) {
  const ScratchFolder scratch;
  const auto ask = [&](const std::string& partition, const std::vector<int64_t>& prompt) {
    Result<std::unique_ptr<PrefixStore>> store = PrefixStore::open(
        tiny_->model->config(), {.folder = scratch.file("prefixes"), .fingerprint = "f"});
    EXPECT_TRUE(store) << store.error().message;
    start(1, 16, {.queue = {}, .prefixes = {}, .store = store->get()});
    GenerationRequest asked = request(1, 6, 4);
    asked.prompt = prompt;
    asked.partition = partition;
    const auto sink = std::make_shared<Recorder>("");
    submit(asked, sink);
    const GenerationEnd end = sink->wait();
    EXPECT_EQ(sink->ids(), alone(asked));
    const PromptCounts prompts = worker_->gauges().prompts;
    EXPECT_EQ(prompts.from_disk, end.hit);
    EXPECT_EQ(prompts.from_slot + prompts.from_memory, 0);
    EXPECT_EQ(prompts.absent, end.miss);
    worker_.reset();  // before its store
    return std::pair{end.hit, sink->ids()};
  };
  std::vector<int64_t> text = TinyModel::ids(100);
  const auto [none, answer] = ask("ann", text);
  EXPECT_EQ(none, 0);
  text.insert(text.end(), answer.begin(), answer.end());
  text.insert(text.end(), {9, 8, 7});
  EXPECT_EQ(ask("bob", text).first, 0);
  EXPECT_EQ(ask("ann", text).first, 105);
  for (const auto& entry : std::filesystem::directory_iterator(scratch.file("prefixes")))
    if (entry.path().extension() == ".prefixes")
      std::filesystem::resize_file(entry.path(), entry.file_size() - 1);
  EXPECT_EQ(ask("bob", text).first, 0) << "what is cut is not used";
}

TEST_F(SlotWorkerTest, WithoutAPrefixCacheAllIsReadAgain) {
  start(1, 16, {.queue = {}, .prefixes = {.budget_bytes = 0}});
  for (const int64_t salt : {1, 2, 1}) {
    const auto sink = std::make_shared<Recorder>("");
    submit(request(60, 1, salt), sink);
    EXPECT_EQ(sink->wait().hit, 0);
  }
  EXPECT_EQ(worker_->gauges().prefix_bytes, 0);
  EXPECT_EQ(worker_->gauges().prompts.disabled, 180);
}

TEST_F(SlotWorkerTest, PromptsAreCountedByWhereTheyWereFound) {
  start(1, 16, {.queue = {}, .prefixes = {.every = 50}, .store = nullptr, .weight_bytes = 7});
  const auto ask = [&](GenerationRequest asked) {
    const auto sink = std::make_shared<Recorder>("");
    submit(asked, sink);
    return sink->wait();
  };
  const auto counts = [&] { return worker_->gauges().prompts; };
  ask(request(60, 1, 1));
  EXPECT_EQ(counts().absent, 60);
  EXPECT_EQ(counts().no_state, 0);
  ask(request(30, 1, 2));
  EXPECT_EQ(ask(request(60, 1, 1)).hit, 60);
  EXPECT_EQ(counts().from_memory, 60);
  GenerationRequest longer = request(60, 1, 1);
  longer.prompt.insert(longer.prompt.end(), {1, 2, 3});
  const int64_t hit = ask(longer).hit;
  EXPECT_GE(hit, 60);
  EXPECT_EQ(counts().from_slot, hit);
  ask(request(30, 1, 3));
  GenerationRequest other = request(60, 1, 1);
  other.prompt[55] ^= 1;
  EXPECT_EQ(ask(other).hit, 50);
  EXPECT_EQ(counts().no_state, 5) << "tokens 50 to 54 were seen, nothing was kept behind them";
  GenerationRequest told = request(60, 0, 1);
  told.tells_prompt = true;
  ask(told);
  EXPECT_EQ(counts().told, 60);
  const WorkerGauges gauges = worker_->gauges();
  EXPECT_EQ(gauges.weight_bytes, 7);
  EXPECT_GT(gauges.cache_bytes, 0);
  EXPECT_EQ(gauges.prefix_times.gap.count(), 3) << "found again, be it in the slot as well";
}

TEST_F(SlotWorkerTest, APausedAnswerWaitsAndGoesOnUnchanged) {
  start(2);
  const auto slow = std::make_shared<Recorder>("slow");
  const auto other = std::make_shared<Recorder>("other");
  const auto generation = submit(request(8, 60, 1), slow);
  while (slow->count() < 3) std::this_thread::yield();
  generation->pause(true);
  submit(request(8, 30, 2), other);
  other->wait();
  EXPECT_LT(slow->count(), 60U);
  generation->pause(false);
  EXPECT_EQ(slow->wait().finish, GenerationFinish::length);
  EXPECT_EQ(slow->ids(), alone(request(8, 60, 1)));
}

TEST_F(SlotWorkerTest, PenaltiesKeepTokensFromComingAgain) {
  start(1);
  GenerationRequest asked = request(10, 60, 3);
  asked.sampler.temperature = 0;
  asked.penalties.presence = 1000;
  asked.likeliest = 2;
  const auto sink = std::make_shared<Recorder>("sink");
  submit(asked, sink);
  sink->wait();
  std::vector<int64_t> ids = sink->ids();
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
  for (const GeneratedToken& token : sink->tokens) {
    ASSERT_EQ(token.likeliest.size(), 2U);
    EXPECT_LE(token.sample.logprob, token.likeliest[0].logprob + 1e-4F);
  }
}

// Vectors come between the tokens of others, change none of them, and leave nothing behind.
TEST_F(SlotWorkerTest, TextsAreEmbeddedBesideAnswers) {
  start(2, 16);
  const auto writer = std::make_shared<Recorder>("writer");
  submit(request(20, 40, 1), writer);
  GenerationRequest text = request(50, 1, 2);
  text.embeds = true;
  const auto first = std::make_shared<Recorder>("first"),
             again = std::make_shared<Recorder>("again");
  submit(text, first);
  submit(text, again);
  EXPECT_EQ(first->wait().finish, GenerationFinish::end);
  const GenerationEnd end = again->wait();
  EXPECT_EQ(end.miss, 50) << "an embedding looks at every token";
  EXPECT_EQ(end.output, 0);
  EXPECT_TRUE(first->ids().empty());
  Cache cache = tiny_->cache(1, 64);
  TextEmbedding alone_embedding(*tiny_->model, *tiny_->ops, cache, {.slot = 0, .ids = text.prompt});
  alone_embedding.read(50);
  EXPECT_EQ(first->embedding, alone_embedding.mean());
  EXPECT_EQ(again->embedding, first->embedding);
  writer->wait();
  EXPECT_EQ(writer->ids(), alone(request(20, 40, 1)));
  // The slot that it had serves answers again.
  const auto answer = std::make_shared<Recorder>("answer");
  submit(request(50, 5, 2), answer);
  EXPECT_EQ(answer->wait().miss, 50);
  EXPECT_EQ(answer->ids(), alone(request(50, 5, 2)));
  expect_idle();
}

TEST_F(SlotWorkerTest, APromptIsToldAsItIsReadTokenByToken) {
  start(3);
  const auto before = std::make_shared<Recorder>("before"),
             beside = std::make_shared<Recorder>("b"),
             telling = std::make_shared<Recorder>("telling");
  submit(request(45, 3, 1), before);
  before->wait();
  GenerationRequest asked = request(45, 3, 1);
  asked.tells_prompt = true;
  asked.likeliest = 2;
  submit(request(30, 20, 2), beside);
  submit(asked, telling);
  const GenerationEnd end = telling->wait();
  EXPECT_EQ(end.hit, 0) << "what was read before cannot be told";
  EXPECT_EQ(end.miss, 45);
  EXPECT_EQ(telling->ids(), alone(asked));
  beside->wait();
  EXPECT_EQ(beside->ids(), alone(request(30, 20, 2)));

  Cache cache = tiny_->cache(1, 16);
  Session session(*tiny_->model, *tiny_->ops, cache, {});
  ASSERT_EQ(telling->told.size(), 44U);
  for (size_t i = 0; i < 44; ++i) {
    session.append(asked.prompt[i]);
    const GeneratedToken expected = tell_token(session.logits(), asked.prompt[i + 1], 2);
    EXPECT_EQ(telling->told[i].sample.id, asked.prompt[i + 1]);
    EXPECT_EQ(telling->told[i].sample.logprob, expected.sample.logprob) << i;
    ASSERT_EQ(telling->told[i].likeliest.size(), 2U);
    EXPECT_EQ(telling->told[i].likeliest[0].id, expected.likeliest[0].id);
  }

  const auto nothing = std::make_shared<Recorder>("nothing");
  asked.max_tokens = 0;
  submit(asked, nothing);
  EXPECT_EQ(nothing->wait().finish, GenerationFinish::length);
  EXPECT_EQ(nothing->told.size(), 44U);
  EXPECT_EQ(nothing->count(), 0U);
  expect_idle();
}

TEST_F(SlotWorkerTest, AStormOfCancelsLeavesNothing) {
  start(3, 16, {.queue = {.most = 1000, .most_of_one = 1000}, .prefixes = {.every = 10}});
  std::mt19937 random(7);
  std::vector<std::shared_ptr<Recorder>> sinks;
  std::vector<std::shared_ptr<Generation>> generations;
  for (int i = 0; i < 200; ++i) {
    GenerationRequest asked = request(1 + random() % 60, 1 + random() % 20, random() % 4);
    asked.owner = std::to_string(random() % 5);
    asked.partition = asked.owner;
    sinks.push_back(std::make_shared<Recorder>(std::to_string(i)));
    generations.push_back(submit(asked, sinks.back()));
    if (random() % 3) generations[random() % generations.size()]->cancel();
    if (random() % 4 == 0) generations[random() % generations.size()]->pause(true);
    if (random() % 2) std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
  }
  for (const auto& generation : generations) generation->pause(false);
  for (const auto& sink : sinks) sink->wait();
  expect_idle();
}

TEST_F(SlotWorkerTest, TheEndOfTheWorkerEndsEveryAnswer) {
  start(1);
  const auto running = std::make_shared<Recorder>("running");
  const auto waiting = std::make_shared<Recorder>("waiting");
  const auto first = submit(request(4, 500, 1), running);
  submit(request(4, 500, 2), waiting);
  while (running->count() < 1) std::this_thread::yield();
  worker_.reset();
  EXPECT_EQ(running->wait().finish, GenerationFinish::cancelled);
  waiting->wait();
  first->cancel();
}

}  // namespace
}  // namespace hadal
