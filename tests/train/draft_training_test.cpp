// SPDX-License-Identifier: MIT
// A draft head that learns what a model says: its gradients, its lessons, its files.
#include <algorithm>
#include <cmath>

#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"
#include "base/file.h"
#include "base/safetensors.h"
#include "testing.h"
#include "train/draft_lesson.h"
#include "train/draft_loss.h"
#include "train/parameters.h"

namespace hadal {
namespace {

using testing::any_token_map;
using testing::Folder;
using testing::open_trainer;
using testing::tiny_run;

// ---- lessons

Lesson lesson_of(const std::vector<std::vector<int64_t>>& documents) {
  Lesson lesson;
  for (const std::vector<int64_t>& ids : documents) {
    lesson.batch.append(lesson.slots++, 0, ids);
    lesson.longest = std::max(lesson.longest, static_cast<int64_t>(ids.size()));
  }
  return lesson;
}

TEST(DraftLessonTest, GuessesStandAfterTheTokenThatIsKnown) {
  ModelConfig config;
  config.vocab = 100;
  config.draft.block = 2;
  Lesson lesson = lesson_of({{10, 11, 12, 13}, {20, 21}, {30, 31, 32}});
  add_blocks(lesson, config, 1, 1);
  const BlockLesson& blocks = lesson.blocks;
  ASSERT_EQ(blocks.starts.size(), 3u);  // two in the first text, none in the second
  EXPECT_EQ(blocks.starts[1].position, 1);
  EXPECT_EQ(blocks.starts[1].id, 12);
  EXPECT_EQ(blocks.starts[2].slot, 2);
  EXPECT_EQ(blocks.before, (std::vector<int64_t>{11, 12, 12, 0, 31, 0}));
  EXPECT_EQ(blocks.targets, (std::vector<int64_t>{12, 13, 13, 0, 32, 0}));
  EXPECT_EQ(lesson.batch.wanted, (std::vector<int64_t>{1, 2, 7}));
  EXPECT_EQ(blocks.judges, (std::vector<int64_t>{0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(blocks.guesses, 4);
  EXPECT_EQ(blocks.weights[0], 1);
  EXPECT_NEAR(blocks.weights[1], std::exp(-0.5), 1e-6);
  EXPECT_EQ(blocks.weights[3], 0);
}

TEST(DraftLessonTest, NothingIsGuessedOfPictures) {
  ModelConfig config;
  config.vocab = 100;
  config.image_id = 99;
  config.draft.block = 3;
  Lesson lesson = lesson_of({{1, 2, 3, 99, 99, 4, 5, 6}});
  add_blocks(lesson, config, 1, 1);
  ASSERT_EQ(lesson.blocks.starts.size(), 2u);
  EXPECT_EQ(lesson.blocks.starts[0].position, 0);
  EXPECT_EQ(lesson.blocks.starts[1].position, 5);
  EXPECT_EQ(lesson.blocks.targets, (std::vector<int64_t>{3, 0, 0, 6, 0, 0}));
}

// ---- gradients

struct StagesOf {
  const char* golden;
  ModelConfig (*config)(const std::string& golden);
};

ModelConfig as_it_is(const std::string& golden) {
  return ModelConfig::open(std::string(HADAL_TESTS_DIR) + "/goldens/" + golden).take();
}

// V4-Flash-0731's shape: V4 under DSpark's stages.
ModelConfig with_stages(const std::string& golden) {
  ModelConfig config = as_it_is(golden);
  config.draft = {.layers = 2, .block = 3, .noise_id = 319, .target_layers = {4, 5, 6}};
  config.draft.markov_rank = 8;
  config.compress_ratios.push_back(0);
  return config;
}

class DraftGradientTest : public ::testing::TestWithParam<StagesOf> {
 protected:
  DraftGradientTest()
      : config_(GetParam().config(GetParam().golden)), parameters_(config_, 1, Learnt::draft) {
    ops_ = make_torch_ops("cpu", {.fused = false, .double_precision = true}).take();
    std::vector<int32_t> map(static_cast<size_t>(config_.vocab));
    for (size_t i = 0; i < map.size(); ++i)
      map[i] = static_cast<int32_t>(std::min<int64_t>(
          static_cast<int64_t>(i), std::max<int64_t>(config_.engram.compressed_vocab, 1) - 1));
    const std::string folder = std::string(HADAL_TESTS_DIR) + "/goldens/" + GetParam().golden;
    model_ = Model::create(config_, parameters_.source(open_weights(folder, config_).take()), *ops_,
                           {.rounding = Rounding::none, .drafts = true, .progress = {}}, map)
                 .take();
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < 30; ++i) ids.push_back((7 * i * i + 11) % 300);
    lesson_ = lesson_of({ids, {5, 6, 7, 8, 9}});
    add_blocks(lesson_, config_, 0.4, 3);
  }

  at::Tensor loss(const DraftLossWeights& weights) {
    Cache cache(config_, *ops_,
                {.slots = 2, .max_positions = 40, .max_chunk = 40, .rounding = Rounding::none});
    const Tensor judge = model_->logits(model_->states(lesson_.batch, cache));
    const DraftBlocks guess =
        model_->draft_blocks(lesson_.blocks.starts, lesson_.blocks.before, cache);
    return draft_loss(unwrap(guess.logits_NV), unwrap(guess.confidence_N1).squeeze(1),
                      unwrap(judge), lesson_.blocks, weights)
        .sum;
  }

  // The steepest element of the gradient against a difference over it.
  void check(Parameter& parameter, const DraftLossWeights& weights) {
    const at::Tensor gradient = parameter.value.grad().reshape({-1});
    const int64_t at = gradient.abs().argmax().item<int64_t>();
    const double expected = gradient[at].item<double>();
    float* value = parameter.value.data_ptr<float>() + at;
    const float middle = *value, step = 0x1p-14f * std::max(std::abs(middle), 1.0f);
    at::NoGradGuard no_gradients;
    *value = middle + step;
    const double above = loss(weights).item<double>(), high = static_cast<double>(*value);
    *value = middle - step;
    const double below = loss(weights).item<double>(), low = static_cast<double>(*value);
    *value = middle;
    EXPECT_NEAR((above - below) / (high - low), expected, 2e-3 * std::abs(expected) + 1e-6)
        << parameter.spec.name;
  }

  ModelConfig config_;
  Parameters parameters_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  Lesson lesson_;
};

INSTANTIATE_TEST_SUITE_P(Stages, DraftGradientTest,
                         ::testing::Values(StagesOf{"v41-tiny", as_it_is},
                                           StagesOf{"v4-tiny", with_stages}),
                         [](const auto& one) {
                           return one.param.config == as_it_is ? "V41" : "V4";
                         });

// The chances that the head gives itself are held against its distance to the model as it is: a
// constant to its gradient, so those two losses are checked apart.
TEST_P(DraftGradientTest, GradientsAreDifferences) {
  ASSERT_GT(lesson_.blocks.starts.size(), 5u);
  const DraftLossWeights of_guesses{.likelihood = 1, .match = 1, .confidence = 0};
  const DraftLossWeights of_confidence{.likelihood = 0, .match = 0, .confidence = 1};
  loss(of_guesses).backward();
  int64_t checked = 0, experts = 0;
  for (Parameter& parameter : parameters_.all()) {
    const bool steep = parameter.value.requires_grad() && parameter.value.grad().defined() &&
                       parameter.value.grad().abs().max().item<double>() > 1e-9;
    if (parameter.spec.name.find("confidence") != std::string::npos) {
      EXPECT_FALSE(steep) << parameter.spec.name;
      continue;
    }
    if (parameter.spec.expert >= 0 && (!steep || ++experts > 6)) continue;  // many, all alike
    if (!parameter.value.requires_grad()) continue;                         // router biases
    ASSERT_TRUE(steep) << parameter.spec.name;
    check(parameter, of_guesses);
    ++checked;
  }
  EXPECT_GT(checked, 40);
  for (Parameter& parameter : parameters_.all()) parameter.value.mutable_grad() = at::Tensor();
  loss(of_confidence).backward();
  for (Parameter& parameter : parameters_.all())
    if (parameter.spec.name.find("confidence") != std::string::npos)
      check(parameter, of_confidence);
}

// ---- runs

// A model of tiny documents, exported; and a run of its head.
class DraftTrainingTest : public ::testing::Test {
 protected:
  void make_model(int64_t steps) {
    const TrainConfig config =
        tiny_run(folder_, "v41-tiny", {"steps=70", "decay_start=35", "out=" + folder_ / "model"});
    const std::unique_ptr<Trainer> trainer = open_trainer(config);
    while (trainer->steps_done() < steps) ASSERT_TRUE(trainer->step());
    ASSERT_TRUE(trainer->export_model(folder_ / "model"));
  }
  TrainConfig head_run(std::vector<std::string> settings = {}) {
    settings.insert(settings.end(), {"draft_of=" + folder_ / "model", "out=" + folder_ / "head",
                                     "draft_share=0.5"});
    return tiny_run(folder_, "v41-tiny", settings);
  }

  Folder folder_;
};

TEST_F(DraftTrainingTest, LearnsABatchByHeart) {
  make_model(25);
  const std::unique_ptr<Trainer> trainer = open_trainer(head_run({"steps=50", "decay_start=25"}));
  const Result<HeldOut> before = trainer->validate(1 << 20);
  ASSERT_TRUE(before);
  while (trainer->steps_done() < 50) ASSERT_TRUE(trainer->step());
  const Result<HeldOut> after = trainer->validate(1 << 20);
  ASSERT_TRUE(after);
  ASSERT_EQ(after->agreed.size(), 3u);
  EXPECT_LT(before->agreed[0], 0.3);
  for (size_t place = 0; place < 3; ++place) {
    EXPECT_GT(after->agreed[place], 0.6) << place;
    EXPECT_GT(after->overlap[place], 0.6) << place;
  }
  EXPECT_LT(after->loss(), 0.5 * before->loss());
}

TEST_F(DraftTrainingTest, GoesOnExactly) {
  make_model(5);
  const TrainConfig config = head_run();
  const std::unique_ptr<Trainer> first = open_trainer(config);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(first->step());
  ASSERT_TRUE(first->save_state());
  const std::unique_ptr<Trainer> second = open_trainer(config);
  const Result<bool> found = second->resume();
  ASSERT_TRUE(found && *found);
  for (int i = 0; i < 3; ++i) {
    const Result<StepReport> unbroken = first->step(), resumed = second->step();
    ASSERT_TRUE(unbroken && resumed);
    EXPECT_EQ(unbroken->loss, resumed->loss);
    EXPECT_EQ(unbroken->gradient_norm, resumed->gradient_norm);
  }
}

std::vector<float> logits_after(const std::string& folder, const std::vector<int32_t>& map,
                                int64_t& limit) {
  const std::unique_ptr<Ops> ops = make_reference_ops();
  const std::unique_ptr<Model> model =
      Model::open(folder, *ops, {.drafts = true, .progress = {}}, map).take();
  limit = model->draft_limit();
  Cache cache(model->config(), *ops, {.slots = 1, .max_positions = 32, .max_chunk = 16});
  Batch batch;
  batch.append(0, 0, {3, 1, 4, 1, 5, 9, 2, 6});
  batch.wanted = {7};
  const Tensor logits = model->forward(batch, cache);
  return {logits.data<float>(), logits.data<float>() + logits.count()};
}

// The model's own file is not touched; with the head beside it, it says the same, and guesses.
TEST_F(DraftTrainingTest, TheHeadStandsBesideTheModel) {
  make_model(3);
  const std::string weights = folder_ / "model/model.safetensors";
  const std::string whole = read_file(weights, 1 << 24).take();
  const TrainConfig config = head_run();
  int64_t limit = 0;
  const std::vector<float> before = logits_after(folder_ / "model", any_token_map(config), limit);
  EXPECT_EQ(limit, 0);
  // Twice: a head that stands there is replaced.
  for (int i = 0; i < 2; ++i) {
    const std::unique_ptr<Trainer> trainer = open_trainer(config);
    ASSERT_TRUE(trainer->step());
    ASSERT_TRUE(trainer->export_model(folder_ / "model"));
    EXPECT_EQ(logits_after(folder_ / "model", any_token_map(config), limit), before);
    EXPECT_EQ(limit, 3);
  }
  EXPECT_EQ(read_file(weights, 1 << 24).take(), whole);
  const Safetensors head = Safetensors::open(folder_ / "model/draft.safetensors").take();
  for (const auto& [name, tensor] : head.tensors()) EXPECT_TRUE(name.starts_with("mtp.")) << name;
}

TEST_F(DraftTrainingTest, RefusesWhatHasNoHeadOrOneOfItsOwn) {
  make_model(0);
  TrainConfig config = head_run();
  config.draft_of = std::string(HADAL_TESTS_DIR) + "/goldens/v41-tiny";
  Result<std::unique_ptr<Trainer>> trainer = Trainer::create(config, any_token_map(config));
  ASSERT_FALSE(trainer);
  EXPECT_NE(trainer.error().message.find("of a draft head is in model.safetensors"),
            std::string::npos)
      << trainer.error().message;
  config = tiny_run(folder_, "v4-tiny", {"draft_of=" + folder_ / "model"});
  trainer = Trainer::create(config, any_token_map(config));
  ASSERT_FALSE(trainer);
  EXPECT_NE(trainer.error().message.find("dspark_block_size is 0"), std::string::npos)
      << trainer.error().message;
}

}  // namespace
}  // namespace hadal
