// SPDX-License-Identifier: MIT
// A tiny V4.1 model with a visual vocabulary and random weights, for tests of what pictures and
// clips add to a sequence.  Its window (16) is smaller than its frames (6 × 5 cells and more).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "golden_tensors.h"
#include "model/model.h"
#include "model/visual_sequence.h"
#include "model/weights.h"

namespace hadal {

inline ModelConfig visual_config() {
  ModelConfig config = ModelConfig::open(golden_folder("v41-tiny")).take();
  config.vocab = 384 + 3 * 20;
  VisualVocabulary& v = config.visual;
  v.first_id = 384;
  v.groups = 3;
  v.codes = 20;
  v.start_id = 20, v.data_id = 21, v.frame_id = 22, v.end_id = 23, v.mask_id = 24;
  v.no_caption_id = 25, v.times_id = 26, v.at_id = 27;
  v.digit_ids = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  v.rope_pairs = {config.rope_width / 2 - 4, 2, 2};
  v.max_frame_cells = 64;
  v.reach = 1;
  v.hidden = 24;
  return config;
}

// Small normal numbers by the tensor's name; gains are one.
inline Result<Weight> random_weight(const TensorSpec& spec) {
  Weight weight;
  weight.values = Tensor::zeros(DType::f32, spec.shape);
  Random random(seed_for(1, spec.name));
  const bool gain = spec.initial == Initial::ones;
  for (int64_t i = 0; i < weight.values.count(); ++i)
    weight.values.data<float>()[i] =
        static_cast<float>((gain ? 1 : 0) + (gain ? 0.1 : 0.15) * random.normal());
  return weight;
}

inline std::unique_ptr<Model> visual_model(const ModelConfig& config, Ops& ops) {
  const Safetensors file = golden_file("v41-tiny/expected.safetensors");
  const Tensor map = golden(file, "engram.token_map");
  std::vector<int32_t> ids(map.data<int64_t>(), map.data<int64_t>() + map.count());
  ids.resize(static_cast<size_t>(config.vocab), 0);
  Result<std::unique_ptr<Model>> model = Model::create(config, random_weight, ops, {}, ids);
  EXPECT_TRUE(model) << model.error().message;
  return model.take();
}

// Words, a clip of `frames` latent frames, words.
inline std::vector<int64_t> sequence_with_clip(const ModelConfig& config, const SpanSize& size,
                                               uint64_t seed = 3) {
  Random random(seed);
  const CellIds cells(config);
  std::vector<int64_t> ids = {0, 40, 41, 42};
  for (int64_t id : span_opening(config.visual, size)) ids.push_back(id);
  for (int64_t frame = 0; frame < size.frames; ++frame) {
    ids.push_back(config.visual.frame_id);
    for (int64_t cell = 0; cell < size.cells(); ++cell) {
      int64_t codes[3];
      for (int64_t& code : codes) code = random.below(config.visual.codes);
      ids.push_back(cells.pack(codes));
    }
  }
  for (int64_t id : {config.visual.end_id, int64_t{50}, int64_t{51}, int64_t{52}})
    ids.push_back(id);
  return ids;
}

}  // namespace hadal
