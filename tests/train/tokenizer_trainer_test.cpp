// SPDX-License-Identifier: MIT
// The visual tokenizer's trainer on a gallery of its own: it learns, resumes exactly, exports what
// the tokenizer opens, and refuses configurations that do not fit.
#include "train/tokenizer_trainer.h"

#include <cmath>
#include <cstring>
#include <fstream>

#include "backends/torch/torch_ops.h"
#include "base/random.h"
#include "model/visual_tokenizer.h"
#include "model/visual_tokenizer_pixels.h"
#include "model/visual_tokenizer_quality.h"
#include "scenes/gallery.h"
#include "testing.h"
#include "train/tokenizer_loss.h"
#include "train/tokenizer_samples.h"

namespace hadal {
namespace {

// A square of one colour on a ground of another, one cell on in every frame of a clip.
Clip square(uint64_t seed, int64_t frames) {
  Random random(seed);
  Clip clip;
  const int64_t x = random.below(8), y = random.below(8);
  const auto colour = [&] { return static_cast<uint8_t>(255 * random.below(2)); };
  const uint8_t inner[3] = {colour(), colour(), colour()}, ground = colour();
  for (int64_t frame = 0; frame < frames; ++frame) {
    Picture picture(16, 16);
    for (int64_t i = 0; i < 16 * 16; ++i) {
      const int64_t px = i % 16, py = i / 16;
      const bool inside = px >= x + frame && px < x + frame + 6 && py >= y && py < y + 6;
      for (int c = 0; c < 3; ++c) picture.pixel(px, py)[c] = inside ? inner[c] : ground;
    }
    clip.frames.push_back(picture);
  }
  return clip;
}

class TokenizerTrainerTest : public ::testing::Test {
 protected:
  TokenizerTrainerTest() {
    GalleryWriter stills, clips;
    for (uint64_t i = 0; i < 24; ++i)
      EXPECT_TRUE(stills.add({"squares", "a square", square(i, 1)}));
    for (uint64_t i = 0; i < 8; ++i)
      EXPECT_TRUE(clips.add({"moving", "a square moves", square(i, 5)}));
    EXPECT_TRUE(stills.write(folder_ / "stills.gallery"));
    EXPECT_TRUE(clips.write(folder_ / "clips.gallery"));
    std::ofstream(folder_ / "visual_tokenizer.json") << R"({"format": "hadal-visual-tokenizer-1",
      "spatial": 8, "temporal": 2, "patch": 4, "groups": 2, "digits": 3, "levels": 8,
      "encoder_widths": [16, 24], "encoder_blocks": [0, 1], "decoder_widths": [16, 24],
      "decoder_blocks": [1, 1], "encoder_time_mix": false, "decoder_time_mix": true})";
  }

  Result<TokenizerTrainConfig> parse(const std::vector<std::string>& settings) {
    return TokenizerTrainConfig::parse(R"({"kind": "visual_tokenizer",
      "network": "visual_tokenizer.json", "out": "out", "valid": [{"gallery": "stills.gallery"}],
      "train": [{"gallery": "stills.gallery", "mirror": true, "shift": 2},
                {"gallery": "clips.gallery", "weight": 0.5}],
      "steps": 40, "latent_frames": 6, "accumulation": 2, "side": 16, "learning_rate": 0.01,
      "warmup_steps": 4, "decay_start": 30, "threads": 2})",
                                       folder_ / "train.json", settings);
  }
  std::unique_ptr<TokenizerTrainer> open(const std::vector<std::string>& settings = {}) {
    config_ = parse(settings);
    EXPECT_TRUE(config_) << config_.error().message;
    auto trainer = TokenizerTrainer::create(*config_);
    EXPECT_TRUE(trainer) << trainer.error().message;
    return trainer.take();
  }
  // Losses of the next steps.
  static std::vector<double> losses(TokenizerTrainer& trainer, int count) {
    std::vector<double> all;
    for (int i = 0; i < count; ++i) {
      Result<TokenizerStep> step = trainer.step();
      EXPECT_TRUE(step) << step.error().message;
      all.push_back(step->loss);
    }
    return all;
  }

  testing::Folder folder_;
  Result<TokenizerTrainConfig> config_ = TokenizerTrainConfig{};
};

TEST_F(TokenizerTrainerTest, LearnsAndExportsWhatTheTokenizerOpens) {
  for (const char* optimiser : {"adamw", "muon"}) {
    auto trainer = open({std::string("optimiser=") + optimiser, "steps=150", "decay_start=50"});
    Result<TokenizerHeldOut> before = trainer->validate();
    ASSERT_TRUE(before) << before.error().message;
    losses(*trainer, 150);
    Result<TokenizerHeldOut> after = trainer->validate();
    ASSERT_TRUE(after);
    EXPECT_LT(after->loss, 0.5 * before->loss) << optimiser;
    const double decibels = after->sets["squares"].decibels / 24;
    EXPECT_GT(decibels, before->sets["squares"].decibels / 24 + 2) << optimiser;
    EXPECT_EQ(after->sets["squares"].items, 24);

    ASSERT_TRUE(trainer->export_model(folder_ / "model"));
    auto ops = make_torch_ops("cpu");
    auto tokenizer = VisualTokenizer::open(folder_ / "model", **ops);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    Result<Gallery> gallery = Gallery::open(folder_ / "stills.gallery");
    double sum = 0;
    for (int64_t i = 0; i < gallery->size(); ++i) {
      const Tensor pixels = gallery->pixels(i);
      sum += psnr(pixels, (*tokenizer)->decode_clip((*tokenizer)->encode_clip(pixels), 16, 16));
    }
    EXPECT_NEAR(sum / 24, decibels, 1e-9);
  }
}

// What was learnt over codes stays true while pictures come back better from them.
TEST_F(TokenizerTrainerTest, TheDecoderAloneLearnsOnWithTheSameCodes) {
  auto trainer = open({"steps=60", "decay_start=40"});
  losses(*trainer, 60);
  ASSERT_TRUE(trainer->export_model(folder_ / "model"));
  auto refined = open({"steps=60", "decay_start=10", "decoder_only=true", "start_from=model",
                       "out=refined", "unrounded_until=0", "learning_rate=0.003"});
  EXPECT_LT(refined->parameter_count(), trainer->parameter_count());
  const double before = refined->validate()->loss;
  EXPECT_NEAR(before, trainer->validate()->loss, 0.05 * before);
  losses(*refined, 60);
  EXPECT_LT(refined->validate()->loss, before);
  ASSERT_TRUE(refined->export_model(folder_ / "refined"));
  auto ops = make_torch_ops("cpu");
  auto first = VisualTokenizer::open(folder_ / "model", **ops);
  auto second = VisualTokenizer::open(folder_ / "refined", **ops);
  ASSERT_TRUE(first && second);
  Result<Gallery> gallery = Gallery::open(folder_ / "clips.gallery");
  for (int64_t i = 0; i < gallery->size(); ++i) {
    const Tensor a = (*first)->encode_clip(gallery->pixels(i));
    const Tensor b = (*second)->encode_clip(gallery->pixels(i));
    EXPECT_EQ(std::memcmp(a.raw(), b.raw(), size_t(a.bytes())), 0);
  }
}

TEST_F(TokenizerTrainerTest, ResumesToTheBit) {
  auto whole = open();
  const std::vector<double> expected = losses(*whole, 24);
  auto first = open({"out=other"});
  losses(*first, 15);
  ASSERT_TRUE(first->save_state());
  losses(*first, 3);  // lost: as if it had been killed
  auto second = open({"out=other"});
  Result<bool> found = second->resume();
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(*found);
  EXPECT_EQ(second->steps_done(), 15);
  const std::vector<double> rest = losses(*second, 9);
  for (size_t i = 0; i < rest.size(); ++i) EXPECT_EQ(rest[i], expected[15 + i]) << i;
}

TEST_F(TokenizerTrainerTest, RefusesTheStateOfAnotherRun) {
  auto trainer = open();
  losses(*trainer, 1);
  ASSERT_TRUE(trainer->save_state());
  Result<bool> found = open({"seed=2"})->resume();
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("seed is '1', this run has '2'"), std::string::npos);
}

TEST_F(TokenizerTrainerTest, RefusesConfigurationsThatDoNotFit) {
  const auto error = [&](const std::string& setting) {
    Result<TokenizerTrainConfig> config = parse({setting});
    return config ? std::string() : config.error().message;
  };
  EXPECT_NE(error("side=20").find("multiple of the network's spatial, 8"), std::string::npos);
  EXPECT_NE(error("surplus=1").find("surplus: unknown key"), std::string::npos);
  EXPECT_NE(error("train=[]").find("no gallery"), std::string::npos);
  EXPECT_NE(error("kind=text").find("visual_tokenizer"), std::string::npos);
  EXPECT_NE(error("decoder_only=true").find("needs start_from"), std::string::npos);
  EXPECT_NE(error("optimiser=sgd").find("adamw or muon"), std::string::npos);
  EXPECT_NE(error("network_changes={\"levels\":1}").find("levels"), std::string::npos);
}

TEST_F(TokenizerTrainerTest, RefusesItemsThatAGalleryLacks) {
  Result<TokenizerTrainConfig> config =
      parse({R"(valid=[{"gallery": "stills.gallery", "first": 20, "count": 5}])"});
  ASSERT_TRUE(config) << config.error().message;
  auto trainer = TokenizerTrainer::create(*config);
  ASSERT_FALSE(trainer);
  EXPECT_NE(trainer.error().message.find("items 20 + 5 are asked for, it has 24"),
            std::string::npos);
}

// The first groups of codes are always shown; without noise all of them are.
TEST_F(TokenizerTrainerTest, HidesLaterGroupsOfSomeSamples) {
  config_ = parse({"fewer_groups=0.5", "latent_frames=60"});
  ASSERT_TRUE(config_) << config_.error().message;
  std::vector<Gallery> galleries;
  for (const TokenizerSource& source : config_->train)
    galleries.push_back(Gallery::open(source.gallery).take());
  TokenizerSamples samples(galleries, *config_);
  EXPECT_FALSE(samples.lesson(0, CodeNoise::none).shown.defined());
  const at::Tensor shown = samples.lesson(0, CodeNoise::fewer_groups).shown.view({60, 2, 3});
  EXPECT_EQ(shown.select(1, 0).sum().item<double>(), 60 * 3);
  const double second = shown.select(1, 1).sum().item<double>() / 3;
  EXPECT_GT(second, 15);
  EXPECT_LT(second, 45);
}

// Recoloured samples have the same forms: edges stay where they were.
TEST_F(TokenizerTrainerTest, RecolouringKeepsForms) {
  const auto patches = [&](const std::string& recolour) {
    config_ =
        parse({R"(train=[{"gallery": "stills.gallery", "first": 3, "count": 1, "recolour": )" +
               recolour + "}]"});
    EXPECT_TRUE(config_) << config_.error().message;
    std::vector<Gallery> galleries = {Gallery::open(config_->train[0].gallery).take()};
    return TokenizerSamples(galleries, *config_).lesson(0, CodeNoise::none).patches;
  };
  const at::Tensor plain = patches("0"), other = patches("1");
  EXPECT_FALSE(at::equal(plain, other));
  // All colours here are 0 or 255: the sum over channels tells how many differ between pixels.
  const auto edges = [](const at::Tensor& x) {
    const at::Tensor pixels = x.view({6, 4, 4, 2, 4, 4, 3});
    return (pixels.narrow(5, 1, 3) - pixels.narrow(5, 0, 3)).abs().sum(6);
  };
  EXPECT_TRUE(at::allclose(edges(plain), edges(other)));
}

// Items that are held out are never drawn.
TEST_F(TokenizerTrainerTest, DrawsFromTheNamedItemsAlone) {
  config_ = parse({R"(train=[{"gallery": "stills.gallery", "first": 3, "count": 1}])"});
  ASSERT_TRUE(config_) << config_.error().message;
  std::vector<Gallery> galleries = {Gallery::open(config_->train[0].gallery).take()};
  TokenizerSamples samples(galleries, *config_);
  const at::Tensor patches = samples.lesson(0, CodeNoise::none).patches;
  for (int64_t i = 1; i < 6; ++i) EXPECT_TRUE(at::equal(patches[i], patches[0]));
  const Tensor expected = fold_frames(galleries[0].pixels(3), config_->shape);
  EXPECT_EQ(std::memcmp(patches.data_ptr<float>(), expected.raw(), size_t(expected.bytes())), 0);
}

TEST_F(TokenizerTrainerTest, LessonsAreTheSameEveryTimeAndRunsStayTogether) {
  open();
  std::vector<Gallery> galleries;
  for (const TokenizerSource& source : config_->train)
    galleries.push_back(Gallery::open(source.gallery).take());
  TokenizerSamples samples(galleries, *config_);
  bool has_run = false;
  for (int64_t index = 0; index < 20; ++index) {
    const VisualLesson a = samples.lesson(index, CodeNoise::half_unrounded),
                       b = samples.lesson(index, CodeNoise::half_unrounded);
    EXPECT_TRUE(at::equal(a.patches, b.patches) && at::equal(a.before, b.before));
    EXPECT_EQ(a.patches.sizes().vec(), (std::vector<int64_t>{6, 4, 4, 96}));
    for (int64_t i = 0; i < 6; ++i) {
      const int64_t before = a.before[i].item<int64_t>();
      EXPECT_TRUE(before == i || before == i - 1);
      has_run = has_run || before == i - 1;
    }
  }
  EXPECT_TRUE(has_run);
}

// Red on the left half; one pixel of the second frame is green.
TEST(TokenizerSamplesTest, PixelsThatMoveOrAreNotTheGroundCountMore) {
  VisualTokenizerConfig shape;
  shape.temporal = 2;
  const Tensor pixels = Tensor::zeros(DType::u8, {2, 8, 8, 3});
  pixels.raw()[(2 * 8 + 5) * 3] = 200;  // both frames: not the ground
  pixels.raw()[(64 + 2 * 8 + 5) * 3] = 200;
  pixels.raw()[(64 + 7 * 8 + 7) * 3 + 1] = 200;  // second frame alone
  const Tensor weights = pixel_weights(pixels, shape, 3);
  double sum = 0;
  for (int64_t i = 0; i < weights.count(); ++i) sum += weights.data<float>()[i];
  EXPECT_EQ(sum, 2 * 64 + 3 * 3);
  // Patch 1, frame 0, row 2, column 1.
  EXPECT_EQ(weights.data<float>()[1 * 32 + (0 * 4 + 2) * 4 + 1], 4);
}

// One latent frame of two frames of 8 × 8 pixels, black everywhere, every pixel counting 1.
VisualLesson black_lesson() {
  VisualLesson lesson;
  lesson.patches = torch::zeros({1, 2, 2, 96}, at::kFloat);
  lesson.weights = torch::ones({1, 2, 2, 32}, at::kFloat);
  return lesson;
}

VisualTokenizerConfig two_frames() {
  VisualTokenizerConfig shape;
  shape.temporal = 2;
  return shape;
}

TEST(TokenizerLossTest, WeighsErrorsOfColourByItsFormula) {
  TokenizerLossWeights weights;
  at::Tensor red = torch::zeros({1, 2, 2, 32, 3}, at::kFloat);
  red.select(4, 0).fill_(0.5);
  const double absolute = 0.125 + 1.5 * (0.25 + 0.125), square = 0.25 / 3;
  EXPECT_NEAR(
      visual_loss(red.view({1, 2, 2, 96}), black_lesson(), two_frames(), weights).item<double>(),
      absolute + square, 1e-6);
  weights.decibels = 2;
  EXPECT_NEAR(
      visual_loss(red.view({1, 2, 2, 96}), black_lesson(), two_frames(), weights).item<double>(),
      absolute + square + 2 * std::log10(0.25 / 3 + 1e-4), 1e-5);
}

// An edge between the two halves of a frame: 8 pixels of 64 differ from their neighbour, and 4 of
// 16 at half the size.
TEST(TokenizerLossTest, SeesEdges) {
  TokenizerLossWeights weights{.absolute = 0, .square = 0, .gradient = 1};
  at::Tensor right = torch::zeros({1, 2, 2, 96}, at::kFloat);
  right.select(2, 1).fill_(0.5);
  EXPECT_NEAR(visual_loss(right, black_lesson(), two_frames(), weights).item<double>(),
              0.5 * 8 / 64 + 0.5 * 4 / 16, 1e-6);
}

TEST(TokenizerLossTest, GradientsAgreeWithDifferences) {
  const TokenizerLossWeights weights{.absolute = 0, .gradient = 0, .decibels = 0.3};
  VisualLesson lesson = black_lesson();
  lesson.weights = at::arange(128, at::kFloat).mul(3.1).cos().add(2).view({1, 2, 2, 32});
  at::Tensor restored = at::arange(384, at::kFloat).mul(7.7).sin().view({1, 2, 2, 96});
  restored.requires_grad_(true);
  torch::autograd::backward({visual_loss(restored, lesson, two_frames(), weights)}, {});
  const auto loss_at = [&](int64_t place, double change) {
    const at::Tensor moved = restored.detach().clone();
    moved.view(-1)[place] += change;
    return visual_loss(moved, lesson, two_frames(), weights).item<double>();
  };
  for (int64_t i : {0, 95, 200, 383})
    EXPECT_NEAR(restored.grad().view(-1)[i].item<double>(),
                (loss_at(i, 0.01) - loss_at(i, -0.01)) / 0.02, 1e-4)
        << i;
}

TEST(TokenizerLossTest, IsZeroForWhatIsTheSame) {
  VisualTokenizerConfig shape;
  VisualLesson lesson;
  lesson.patches = torch::ones({1, 2, 2, 192}, at::kFloat);
  lesson.weights = torch::ones({1, 2, 2, 64}, at::kFloat);
  EXPECT_EQ(visual_loss(lesson.patches, lesson, shape, {}).item<double>(), 0);
}

}  // namespace
}  // namespace hadal
