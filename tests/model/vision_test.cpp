// SPDX-License-Identifier: MIT
// Images: grids as the published code plans them, patches in its order, and the three equalities
// for prompts with spans.  The numbers of the encoder are held to goldens
// (goldens.v41-vision-tiny).
#include "model/vision.h"

#include "backends/cpu/cpu_ops.h"
#include "golden_tensors.h"
#include "model/model.h"

namespace hadal {
namespace {

VisionConfig published() {
  VisionConfig config;
  config.layers = 32;
  config.width = 1024;
  config.heads = 16;
  config.intermediate = 2816;
  config.min_pixels = 295936;
  return config;
}

TEST(ImagePlan, IsThePublishedOne) {
  const Tensor rows = golden(golden_file("v41-vision-tiny/inputs.safetensors"), "grid_plan");
  ASSERT_GT(rows.size(0), 10);
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const int64_t* row = rows.data<int64_t>() + i * rows.size(1);
    Result<ImagePlan> plan = plan_image(published(), row[0], row[1]);
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->token_rows, row[2]) << row[0] << "x" << row[1];
    EXPECT_EQ(plan->token_columns, row[3]) << row[0] << "x" << row[1];
    EXPECT_EQ(plan->height, row[4]) << row[0] << "x" << row[1];
    EXPECT_EQ(plan->width, row[5]) << row[0] << "x" << row[1];
    EXPECT_EQ(plan->patch_rows * 14, plan->height);
    EXPECT_LE(plan->span(), 1024);
  }
}

// Also where an image is a line, and for every size at which a grid grows.
TEST(ImagePlan, AlwaysFits) {
  VisionConfig small = published();
  small.min_pixels = 0;
  for (int64_t tokens : {4, 5, 24, 1024}) {
    small.max_image_tokens = tokens;
    for (int64_t width = 1; width < 3000; width += 41)
      for (int64_t height :
           {int64_t{1}, int64_t{13}, int64_t{14}, int64_t{43}, width, int64_t{1} << 24}) {
        Result<ImagePlan> plan = plan_image(small, width, height);
        ASSERT_TRUE(plan) << plan.error().message;
        EXPECT_LE(plan->span(), tokens);
        EXPECT_GE(plan->cells(), 1);
        EXPECT_EQ(plan->width % 14, 0);
      }
  }
}

TEST(ImagePlan, RefusesNoPixelsAndTooMany) {
  EXPECT_EQ(plan_image(published(), 0, 5).error().message,
            "an image of 0x5 pixels, expected sides of 1 to 16777216");
  EXPECT_FALSE(plan_image(published(), 5, -1));
  EXPECT_FALSE(plan_image(published(), 5, (int64_t{1} << 24) + 1));
}

TEST(ImagePatches, AreInReadingOrderAndChannelByChannel) {
  VisionConfig config = published();
  config.patch = 2;
  const ImagePlan plan = plan_of_patches(config, 2, 3);  // 4 × 6 pixels
  std::vector<uint8_t> rgb(4 * 6 * 3, 0);
  const int64_t x = 5, y = 2, channel = 1;
  rgb[static_cast<size_t>((y * 6 + x) * 3 + channel)] = 255;
  const Tensor patches = image_patches(config, plan, rgb);
  ASSERT_EQ(patches.shape(), (Shape{6, 12}));
  const int64_t patch = 1 * 3 + 2, place = channel * 4 + 0 * 2 + 1;
  for (int64_t i = 0; i < patches.count(); ++i)
    EXPECT_EQ(patches.data<float>()[i], i == patch * 12 + place ? 1.0f : -1.0f) << i;
}

// ---- prompts with images

class Spans : public testing::Test {
 protected:
  Spans() : ops_(make_cpu_ops({.threads = 2, .instruction_set = {}})) {
    Result<ModelConfig> config = ModelConfig::open(golden_folder("v41-vision-tiny"));
    std::vector<int32_t> map;  // any of the right size
    for (int64_t id = 0; id < config->vocab; ++id)
      map.push_back(static_cast<int32_t>(id % config->engram.compressed_vocab));
    Result<std::unique_ptr<Model>> model =
        Model::open(golden_folder("v41-vision-tiny"), *ops_, {}, map);
    if (!model) throw std::runtime_error(model.error().message);
    model_ = model.take();
    const Safetensors inputs = golden_file("v41-vision-tiny/inputs.safetensors");
    const Tensor ids = golden(inputs, "token_ids");
    ids_.assign(ids.data<int64_t>(), ids.data<int64_t>() + ids.count());
    const Tensor patches = golden(inputs, "image0.patches");
    const ImagePlan plan = plan_of_patches(model_->config().vision, 6, 9);
    span_ = model_->look(plan, patches.reshaped({54, patches.row_width()}));
    ids_.resize(static_cast<size_t>(kStart + plan.span() + 6));  // text, one image, text
  }

  GivenRows given(int64_t from, int64_t to) const {
    GivenRows rows;
    const int64_t first = std::max(from, kStart), last = std::min(to, kStart + span_.size(0));
    for (int64_t position = first; position < last; ++position)
      rows.rows.push_back(position - from);
    if (first < last) rows.values_ND = span_.rows(first - kStart, last - first);
    return rows;
  }

  // Logits of every position, the last chunk size repeated.
  std::vector<float> read(const std::vector<int64_t>& chunks) {
    Cache cache(model_->config(), *ops_, {.slots = 1, .max_positions = 64, .max_chunk = 64});
    const int64_t count = static_cast<int64_t>(ids_.size());
    std::vector<float> logits;
    int64_t from = 0;
    for (size_t i = 0; from < count; ++i) {
      const int64_t to = std::min(count, from + chunks[std::min(i, chunks.size() - 1)]);
      Batch batch;
      batch.append(0, from, {ids_.begin() + from, ids_.begin() + to});
      batch.given = given(from, to);
      for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
      const Tensor part = model_->forward(batch, cache);
      logits.insert(logits.end(), part.data<float>(), part.data<float>() + part.count());
      from = to;
    }
    return logits;
  }

  static constexpr int64_t kStart = 7;  // where the golden prompt has its first image
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Model> model_;
  std::vector<int64_t> ids_;
  Tensor span_;
};

TEST_F(Spans, MayBeCutByChunksAnywhere) {
  const std::vector<float> whole = read({64});
  for (const std::vector<int64_t>& chunks :
       {std::vector<int64_t>{1}, {2}, {3, 5, 7, 1}, {7, 10}, {8, 8}, {12, 20}})
    EXPECT_EQ(read(chunks), whole) << chunks.front();
}

TEST_F(Spans, InABatchAreAsAlone) {
  const std::vector<float> alone = read({64});
  Cache cache(model_->config(), *ops_, {.slots = 2, .max_positions = 64, .max_chunk = 64});
  const std::vector<int64_t> text = {5, 6, 7, 8, 9};
  Batch batch;
  batch.append(1, 0, text);
  batch.append(0, 0, ids_);
  batch.given = given(0, static_cast<int64_t>(ids_.size()));
  for (int64_t& row : batch.given.rows) row += 5;
  for (int64_t row = 5; row < batch.rows(); ++row) batch.wanted.push_back(row);
  const Tensor logits = model_->forward(batch, cache);
  EXPECT_EQ(std::vector<float>(logits.data<float>(), logits.data<float>() + logits.count()), alone);
}

TEST_F(Spans, AreWhatTheModelReadsThere) {
  const std::vector<float> seen = read({64});
  Tensor other = Tensor::empty(DType::f32, span_.shape());
  for (int64_t i = 0; i < span_.count(); ++i) other.data<float>()[i] = -span_.data<float>()[i];
  span_ = other;
  const std::vector<float> otherwise = read({64});
  const int64_t before = kStart * model_->config().vocab;
  EXPECT_TRUE(std::equal(seen.begin(), seen.begin() + before, otherwise.begin()));
  EXPECT_NE(seen, otherwise);
}

}  // namespace
}  // namespace hadal
