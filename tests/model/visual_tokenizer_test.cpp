// SPDX-License-Identifier: MIT
// The visual tokenizer with random weights: shapes, streams, locality, and files that lie.
#include "model/visual_tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "backends/cpu/cpu_ops.h"
#include "base/json.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "model/visual_tokenizer_quality.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

VisualTokenizerConfig small_config() {
  VisualTokenizerConfig config;
  config.groups = 2;
  config.encoder_widths = {8, 12};
  config.encoder_blocks = {1, 1};
  config.decoder_widths = {8, 12};
  config.decoder_blocks = {1, 1};
  config.encoder_time_mix = true;
  return config;
}

Tensor random_weight(const VisualTensor& tensor) {
  const Tensor values = Tensor::empty(DType::f32, tensor.shape);
  Random random(seed_for(7, tensor.name));
  const double gain = tensor.is_matrix() ? 2 / std::sqrt(double(tensor.shape.back())) : 0.5;
  for (int64_t i = 0; i < values.count(); ++i)
    values.data<float>()[i] = static_cast<float>(gain * random.normal());
  return values;
}

Result<Weight> random_source(const VisualTensor& tensor) {
  return Weight{random_weight(tensor), {}};
}

Tensor plain_frames(int64_t frames, int64_t height, int64_t width, uint8_t red) {
  const Tensor pixels = Tensor::zeros(DType::u8, {frames, height, width, 3});
  for (int64_t i = 0; i < pixels.count(); ++i)
    pixels.raw()[i] = static_cast<uint8_t>(red + 20 * (i % 3));
  return pixels;
}

Tensor random_frames(int64_t frames, int64_t height, int64_t width) {
  const Tensor pixels = plain_frames(frames, height, width, 0);
  Random random(3);
  for (int64_t i = 0; i < pixels.count(); ++i)
    pixels.raw()[i] = static_cast<uint8_t>(random.below(256));
  return pixels;
}

// All rows of the leading axis that differ.
std::set<std::string> distinct_rows(const Tensor& codes, int64_t row_values) {
  std::set<std::string> rows;
  const int64_t bytes = row_values * element_bytes(codes.dtype());
  for (int64_t at = 0; at < codes.bytes(); at += bytes)
    rows.emplace(reinterpret_cast<const char*>(codes.raw()) + at, static_cast<size_t>(bytes));
  return rows;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), size_t(a.bytes())) == 0;
}

class VisualTokenizerTest : public ::testing::TestWithParam<const char*> {
 protected:
  VisualTokenizerTest() {
    const bool reference = std::string_view(GetParam()) == "reference";
    ops_ = reference ? make_reference_ops() : make_cpu_ops({2, {}});
    Result<std::unique_ptr<VisualTokenizer>> made =
        VisualTokenizer::create(small_config(), random_source, *ops_);
    EXPECT_TRUE(made) << made.error().message;
    tokenizer_ = made.take();
  }
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<VisualTokenizer> tokenizer_;
};

TEST_P(VisualTokenizerTest, AnySizeAndLengthComesBackInItsSize) {
  for (auto [frames, height, width] :
       {std::array<int64_t, 3>{1, 8, 8}, {1, 1, 1}, {5, 16, 24}, {6, 9, 17}, {9, 15, 8}}) {
    const Tensor codes = tokenizer_->encode_clip(random_frames(frames, height, width));
    const int64_t latent = 1 + (frames - 1 + 3) / 4;
    EXPECT_EQ(codes.shape(), (Shape{latent, (height + 7) / 8, (width + 7) / 8, 2}));
    for (int64_t i = 0; i < codes.count(); ++i) {
      ASSERT_GE(codes.data<int64_t>()[i], 0);
      ASSERT_LT(codes.data<int64_t>()[i], 512);
    }
    const Tensor pixels = tokenizer_->decode_clip(codes, height, width);
    EXPECT_EQ(pixels.shape(), (Shape{1 + 4 * (latent - 1), height, width, 3}));
  }
}

TEST_P(VisualTokenizerTest, PlainPicturesHaveOneCode) {
  for (uint8_t red : {0, 70, 200}) {
    const Tensor codes = tokenizer_->encode_clip(plain_frames(1, 40, 56, red));
    EXPECT_EQ(distinct_rows(codes, 2).size(), 1u);
  }
}

TEST_P(VisualTokenizerTest, StillClipsRepeatTheirCodesAndPixels) {
  const Tensor one = random_frames(1, 16, 16);
  const Tensor clip = Tensor::empty(DType::u8, {9, 16, 16, 3});
  for (int64_t f = 0; f < 9; ++f)
    std::memcpy(clip.rows(f, 1).raw(), one.raw(), size_t(one.bytes()));
  const Tensor codes = tokenizer_->encode_clip(clip);
  EXPECT_EQ(distinct_rows(codes, codes.row_width()).size(), 1u);
  const Tensor decoded = tokenizer_->decode_clip(codes, 16, 16);
  EXPECT_TRUE(same(decoded.rows(1, 4), decoded.rows(5, 4)));
}

TEST_P(VisualTokenizerTest, FarCellsDoNotChange) {
  const Tensor plain = plain_frames(1, 96, 96, 100);
  const Tensor dotted = plain_frames(1, 96, 96, 100);
  for (int64_t y = 0; y < 8; ++y) std::memset(dotted.raw() + y * 96 * 3, 255, 8 * 3);
  const Tensor a = tokenizer_->encode_clip(plain), b = tokenizer_->encode_clip(dotted);
  EXPECT_FALSE(same(a, b));
  for (int64_t y = 0; y < 12; ++y)
    for (int64_t x = 0; x < 12; ++x) {
      if (y < 3 && x < 3) continue;
      for (int64_t g = 0; g < 2; ++g) {
        const int64_t i = (y * 12 + x) * 2 + g;
        ASSERT_EQ(a.data<int64_t>()[i], b.data<int64_t>()[i]) << "cell " << y << ", " << x;
      }
    }
}

TEST_P(VisualTokenizerTest, StreamsGiveWhatClipsGive) {
  const Tensor clip = random_frames(9, 24, 16);
  const Tensor codes = tokenizer_->encode_clip(clip);
  VisualStream in, out;
  Tensor decoded = tokenizer_->decode_clip(codes, 24, 16);
  for (int64_t latent = 0; latent < 3; ++latent) {
    const int64_t first = latent == 0 ? 0 : 4 * latent - 3, count = latent == 0 ? 1 : 4;
    const Tensor made = tokenizer_->encode(clip.rows(first, count), in);
    EXPECT_TRUE(same(made, codes.rows(latent, 1).reshaped(made.shape())));
    const Tensor frames = tokenizer_->decode(made, 24, 16, out);
    EXPECT_TRUE(same(frames, decoded.rows(first, count)));
    EXPECT_EQ(out.cells.size(0), 1);
  }
}

// The past is seen by codes and by pixels, the future by neither.
TEST_P(VisualTokenizerTest, TimeIsCausal) {
  const Tensor a = random_frames(9, 16, 16), b = random_frames(9, 16, 16);
  std::memset(b.rows(1, 4).raw(), 99, size_t(b.rows(1, 4).bytes()));
  const Tensor codes_a = tokenizer_->encode_clip(a), codes_b = tokenizer_->encode_clip(b);
  EXPECT_TRUE(same(codes_a.rows(0, 1), codes_b.rows(0, 1)));
  EXPECT_FALSE(same(codes_a.rows(1, 1), codes_b.rows(1, 1)));
  EXPECT_FALSE(same(codes_a.rows(2, 1), codes_b.rows(2, 1)));
  std::memcpy(codes_b.rows(2, 1).raw(), codes_a.rows(2, 1).raw(),
              size_t(codes_a.rows(2, 1).bytes()));
  const Tensor back_a = tokenizer_->decode_clip(codes_a, 16, 16);
  const Tensor back_b = tokenizer_->decode_clip(codes_b, 16, 16);
  EXPECT_TRUE(same(back_a.rows(0, 1), back_b.rows(0, 1)));
  EXPECT_FALSE(same(back_a.rows(5, 4), back_b.rows(5, 4)));
}

INSTANTIATE_TEST_SUITE_P(Backends, VisualTokenizerTest, ::testing::Values("reference", "cpu"));

// ---- files

class VisualTokenizerFileTest : public ::testing::Test {
 protected:
  VisualTokenizerFileTest()
      : folder_(fs::temp_directory_path() / ("hadal-visual-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    write_config(small_config().to_json());
    for (const VisualTensor& tensor : visual_tensor_list(small_config()))
      tensors_.push_back({tensor.name, random_weight(tensor)});
    write_tensors();
  }
  ~VisualTokenizerFileTest() override { fs::remove_all(folder_); }

  void write_config(const std::string& json) {
    std::ofstream(folder_ / "visual_tokenizer.json") << json;
  }
  void write_tensors() {
    EXPECT_TRUE(write_safetensors(folder_ / "visual_tokenizer.safetensors", tensors_, {}));
  }
  std::string open_error() {
    auto opened = VisualTokenizer::open(folder_, *ops_);
    return opened ? "" : opened.error().message;
  }

  fs::path folder_;
  std::vector<NamedTensor> tensors_;
  std::unique_ptr<Ops> ops_ = make_reference_ops();
};

TEST_F(VisualTokenizerFileTest, OpensWhatItWasWrittenFrom) {
  EXPECT_TRUE(VisualTokenizer::is_in(folder_));
  auto opened = VisualTokenizer::open(folder_, *ops_);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ((*opened)->config(), small_config());
  auto made = VisualTokenizer::create(small_config(), random_source, *ops_);
  const Tensor pixels = random_frames(5, 16, 16);
  EXPECT_TRUE(same((*opened)->encode_clip(pixels), (*made)->encode_clip(pixels)));
}

TEST_F(VisualTokenizerFileTest, MayUseTheFirstGroupsAlone) {
  auto all = VisualTokenizer::open(folder_, *ops_);
  auto first = VisualTokenizer::open(folder_, *ops_, 1);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ((*first)->config().groups, 1);
  const Tensor pixels = random_frames(5, 16, 16);
  const Tensor codes = (*all)->encode_clip(pixels), fewer = (*first)->encode_clip(pixels);
  EXPECT_EQ(fewer.shape(), (Shape{2, 2, 2, 1}));
  for (int64_t i = 0; i < fewer.count(); ++i)
    EXPECT_EQ(fewer.data<int64_t>()[i], codes.data<int64_t>()[2 * i]);
  // What the second group says is missing, and nothing else takes its place.
  const Tensor back = (*first)->decode_clip(fewer, 16, 16);
  EXPECT_EQ(back.shape(), pixels.shape());
  EXPECT_FALSE(same(back, (*all)->decode_clip(codes, 16, 16)));
  EXPECT_FALSE(VisualTokenizer::open(folder_, *ops_, 3));
}

TEST_F(VisualTokenizerFileTest, RefusesForeignTensors) {
  const std::vector<NamedTensor> good = tensors_;
  tensors_.pop_back();
  write_tensors();
  EXPECT_NE(open_error().find("decoder.exit.bias is missing"), std::string::npos) << open_error();
  tensors_ = good;
  tensors_.push_back({"surplus", Tensor::zeros(DType::f32, {1})});
  write_tensors();
  EXPECT_NE(open_error().find("surplus"), std::string::npos) << open_error();
  tensors_ = good;
  tensors_[0].tensor = Tensor::zeros(DType::f32, {8, 191});
  write_tensors();
  EXPECT_NE(open_error().find("found F32 [8, 191], expected"), std::string::npos) << open_error();
  tensors_ = good;
  tensors_[1].tensor = Tensor::zeros(DType::i8, {8});
  write_tensors();
  EXPECT_NE(open_error().find("found I8 [8]"), std::string::npos) << open_error();
}

TEST_F(VisualTokenizerFileTest, RefusesConfigurationsThatDoNotFit) {
  const auto with = [&](const std::string& key, const std::string& value) {
    auto json = nlohmann::json::parse(small_config().to_json());
    json[key] = nlohmann::json::parse(value);
    write_config(json.dump());
    return open_error();
  };
  EXPECT_NE(with("spatial", "16").find("spatial"), std::string::npos);
  EXPECT_NE(with("levels", "1").find("levels"), std::string::npos);
  EXPECT_NE(with("digits", "16").find("digits"), std::string::npos);
  EXPECT_NE(with("encoder_widths", "[8,8,8]").find("expected as many"), std::string::npos);
  EXPECT_NE(with("encoder_widths", "[]").find("stages"), std::string::npos);
  EXPECT_NE(with("decoder_widths", "[8,99999999]").find("decoder_widths"), std::string::npos);
  EXPECT_NE(with("format", "\"other\"").find("format"), std::string::npos);
  EXPECT_NE(with("surplus", "1").find("unknown key"), std::string::npos);
}

// ---- measures

TEST(VisualQualityTest, PsnrFollowsItsDefinition) {
  const Tensor a = plain_frames(2, 12, 12, 100), b = plain_frames(2, 12, 12, 105);
  EXPECT_NEAR(psnr(a, b), 10 * std::log10(255.0 * 255 / 25), 1e-9);
  EXPECT_EQ(psnr(a, a), kMostDecibels);
}

TEST(VisualQualityTest, SsimIsOneForTheSameAndFollowsItsDefinitionForPlainFrames) {
  const Tensor a = random_frames(2, 16, 20), b = plain_frames(2, 16, 20, 100);
  EXPECT_NEAR(ssim(a, a), 1, 1e-12);
  EXPECT_LT(ssim(a, b), 0.2);
  // Without variance only the means are compared.
  const Tensor c = plain_frames(2, 16, 20, 160);
  const double y = 100 + 20 * (0.587 + 2 * 0.114), z = y + 60, c1 = 2.55 * 2.55;
  EXPECT_NEAR(ssim(b, c), (2 * y * z + c1) / (y * y + z * z + c1), 1e-9);
}

}  // namespace
}  // namespace hadal
