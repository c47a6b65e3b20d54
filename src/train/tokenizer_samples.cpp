// SPDX-License-Identifier: MIT
// Drawing, cutting and weighing of samples.
#include "train/tokenizer_samples.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "model/visual_tokenizer_pixels.h"

namespace hadal {
namespace {

// A colour this far from another, in steps of 255, is another one.
constexpr int kSameColour = 12;

std::array<int, 3> median_colour(const Tensor& pixels) {
  std::array<std::array<int64_t, 256>, 3> counts{};
  const uint8_t* rgb = pixels.raw();
  for (int64_t i = 0; i < pixels.count(); i += 3)
    for (size_t c = 0; c < 3; ++c) ++counts[c][*rgb++];
  std::array<int, 3> median{};
  for (size_t c = 0; c < 3; ++c)
    for (int64_t seen = 0; seen + counts[c][static_cast<size_t>(median[c])] <= pixels.count() / 6;)
      seen += counts[c][static_cast<size_t>(median[c]++)];
  return median;
}

bool differs(const uint8_t* pixel, int red, int green, int blue) {
  return std::abs(pixel[0] - red) > kSameColour || std::abs(pixel[1] - green) > kSameColour ||
         std::abs(pixel[2] - blue) > kSameColour;
}

void copy_in(const Tensor& part, const at::Tensor& whole, int64_t row) {
  std::memcpy(whole.data_ptr<float>() + row * part.count(), part.raw(),
              static_cast<size_t>(part.bytes()));
}

}  // namespace

Tensor pixel_weights(const Tensor& pixels, const VisualTokenizerConfig& config, double foreground) {
  const std::array<int, 3> ground = median_colour(pixels);
  // As a picture of its own, whose red says which pixels count more.
  const Tensor marks = Tensor::zeros(DType::u8, pixels.shape());
  const int64_t frame_values = pixels.count() / pixels.size(0);
  const uint8_t* rgb = pixels.raw();
  for (int64_t i = 0; i < pixels.count(); i += 3) {
    const uint8_t *pixel = rgb + i, *start = rgb + i % frame_values;
    if (differs(pixel, ground[0], ground[1], ground[2]) ||
        differs(pixel, start[0], start[1], start[2]))
      marks.raw()[i] = 255;
  }
  const Tensor folded = fold_frames(marks, config);
  const Tensor weights =
      Tensor::empty(DType::f32, {1, folded.size(1), folded.size(2), folded.size(3) / 3});
  const float *mark = folded.data<float>(), more = static_cast<float>(1 + foreground);
  float* weight = weights.data<float>();
  for (int64_t i = 0; i < weights.count(); ++i) weight[i] = mark[3 * i] > 0 ? more : 1.0f;
  return weights;
}

TokenizerSamples::TokenizerSamples(const std::vector<Gallery>& galleries,
                                   const TokenizerTrainConfig& config)
    : galleries_(galleries), config_(config) {
  double sum = 0;
  for (const TokenizerSource& source : config.train) shares_.push_back(sum += source.weight);
}

TokenizerSamples::Run TokenizerSamples::draw(Random& random, int64_t most) const {
  const double place = random.uniform() * shares_.back();
  const size_t index = static_cast<size_t>(
      std::lower_bound(shares_.begin(), shares_.end() - 1, place) - shares_.begin());
  const TokenizerSource& source = config_.train[index];
  const Gallery& gallery = galleries_[index];
  const int64_t item =
      source.first + random.below(source.count > 0 ? source.count : gallery.size() - source.first);
  const int64_t latent =
      1 + (gallery.frames(item) - 1 + config_.shape.temporal - 1) / config_.shape.temporal;
  const int64_t count = std::min({latent, config_.longest_run, most});
  const auto start = [&](int64_t pixels) {
    const int64_t room = pixels - config_.side;
    const int64_t cut = room >= 0 ? random.below(room + 1) : room / 2;
    return cut + random.below(2 * source.shift + 1) - source.shift;
  };
  const int64_t first = random.below(latent - count + 1);
  const int64_t top = start(gallery.height(item)), left = start(gallery.width(item));
  Run run{gallery,   item,     first, count, top, left, source.mirror && random.below(2) == 1,
          {0, 1, 2}, {0, 0, 0}};
  if (source.recolour > 0 && random.uniform() < source.recolour)
    for (size_t c = 0; c < 3; ++c) {
      std::swap(run.channels[c],
                run.channels[c + static_cast<size_t>(random.below(3 - static_cast<int64_t>(c)))]);
      run.flips[c] = random.below(2) == 1 ? 255 : 0;
    }
  return run;
}

// The pixels of one latent frame of a run, u8 [1 … temporal, side, side, 3].
Tensor TokenizerSamples::window(const Run& run, int64_t latent) const {
  const int64_t temporal = config_.shape.temporal, side = config_.side;
  const int64_t first = latent == 0 ? 0 : 1 + (latent - 1) * temporal;
  const int64_t frames = latent == 0 ? 1 : std::min(temporal, run.gallery.frames(run.item) - first);
  const int64_t height = run.gallery.height(run.item), width = run.gallery.width(run.item);
  const Tensor pixels = run.gallery.pixels(run.item).rows(first, frames);
  const Tensor cut = Tensor::empty(DType::u8, {frames, side, side, 3});
  uint8_t* to = cut.raw();
  for (int64_t frame = 0; frame < frames; ++frame)
    for (int64_t y = 0; y < side; ++y) {
      const int64_t from_y = std::clamp<int64_t>(run.top + y, 0, height - 1);
      const uint8_t* row = pixels.raw() + (frame * height + from_y) * width * 3;
      for (int64_t x = 0; x < side; ++x, to += 3) {
        const int64_t along = run.mirrored ? side - 1 - x : x;
        const uint8_t* pixel = row + std::clamp<int64_t>(run.left + along, 0, width - 1) * 3;
        for (size_t c = 0; c < 3; ++c)
          to[c] = static_cast<uint8_t>(pixel[run.channels[c]] ^ run.flips[c]);
      }
    }
  return cut;
}

VisualLesson TokenizerSamples::lesson(int64_t index, CodeNoise noise) const {
  const VisualTokenizerConfig& shape = config_.shape;
  const int64_t latent_frames = config_.latent_frames, positions = config_.side / shape.patch;
  const int64_t values = shape.patch_values();
  VisualLesson lesson;
  lesson.patches = torch::empty({latent_frames, positions, positions, values}, at::kFloat);
  lesson.weights = torch::empty({latent_frames, positions, positions, values / 3}, at::kFloat);
  lesson.before = torch::empty({latent_frames}, at::kLong);
  const bool half_unrounded = noise == CodeNoise::half_unrounded;
  const bool hides = noise != CodeNoise::none && config_.fewer_groups > 0 && shape.groups > 1;
  if (half_unrounded) lesson.unrounded = torch::zeros({latent_frames, 1, 1, 1}, at::kFloat);
  if (hides) lesson.shown = torch::ones({latent_frames, 1, 1, shape.all_digits()}, at::kFloat);
  Random random(seed_for(config_.seed, "lesson " + std::to_string(index)));
  for (int64_t done = 0; done < latent_frames;) {
    const Run run = draw(random, latent_frames - done);
    const bool unrounded = random.below(2) == 1;
    const int64_t fewest = std::min(config_.fewest_groups, shape.groups);
    const int64_t fewer = fewest + random.below(std::max<int64_t>(shape.groups - fewest, 1));
    const int64_t shown = random.uniform() < config_.fewer_groups ? fewer : shape.groups;
    for (int64_t i = 0; i < run.count; ++i, ++done) {
      const Tensor pixels = window(run, run.first + i);
      copy_in(fold_frames(pixels, shape), lesson.patches, done);
      copy_in(pixel_weights(pixels, shape, config_.loss.foreground), lesson.weights, done);
      lesson.before.data_ptr<int64_t>()[done] = i == 0 ? done : done - 1;
      if (half_unrounded && unrounded) lesson.unrounded.data_ptr<float>()[done] = 1;
      if (hides)
        lesson.shown[done]
            .narrow(2, shown * shape.digits, (shape.groups - shown) * shape.digits)
            .zero_();
    }
  }
  return lesson;
}

}  // namespace hadal
