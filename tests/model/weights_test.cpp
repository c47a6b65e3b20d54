// SPDX-License-Identifier: MIT
// The tensor list against the tiny checkpoints, and against the published counts.
#include "model/weights.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "base/safetensors.h"

namespace hadal {
namespace {

const std::string kGoldens = HADAL_TESTS_DIR "/goldens/";

std::map<std::string, StoredTensor> stored_of(const ModelConfig& config) {
  std::map<std::string, StoredTensor> stored;
  for (const TensorSpec& spec : tensor_list(config))
    for (const StoredTensor& tensor : stored_tensors(spec, config))
      EXPECT_TRUE(stored.emplace(tensor.name, tensor).second) << tensor.name << " listed twice";
  return stored;
}

void expect_covers(const std::string& config_file, const std::string& model_file) {
  const Result<ModelConfig> config = ModelConfig::open(kGoldens + config_file);
  ASSERT_TRUE(config) << config.error().message;
  const Result<Safetensors> file = Safetensors::open(kGoldens + model_file);
  ASSERT_TRUE(file) << file.error().message;
  std::map<std::string, StoredTensor> stored = stored_of(*config);
  for (const auto& [name, tensor] : file->tensors()) {
    ASSERT_TRUE(stored.contains(name)) << name << " is in the file, not in the list";
    const StoredTensor& expected = stored.at(name);
    EXPECT_EQ(tensor.shape(), expected.shape) << name;
    EXPECT_EQ(dtype_name(tensor.dtype()), dtype_name(expected.dtype)) << name;
    stored.erase(name);
  }
  for (const auto& [name, tensor] : stored) ADD_FAILURE() << name << " is not in the file";
}

TEST(TensorList, CoversExactlyTheV4Checkpoint) {
  expect_covers("v4-tiny/config.json", "v4-tiny/model.safetensors");
}
TEST(TensorList, CoversExactlyTheQuantisedV4Checkpoint) {
  expect_covers("v4-tiny-fp8/config.json", "v4-tiny-fp8/model.safetensors");
}
TEST(TensorList, CoversExactlyTheDequantisedV4Checkpoint) {
  expect_covers("v4-tiny-fp8/config-dequantized.json", "v4-tiny-fp8/model-dequantized.safetensors");
}
TEST(TensorList, CoversExactlyTheV41Checkpoint) {
  expect_covers("v41-tiny/config.json", "v41-tiny/model.safetensors");
}
TEST(TensorList, CoversExactlyTheQuantisedV41Checkpoint) {
  expect_covers("v41-tiny-fp8/config.json", "v41-tiny-fp8/model.safetensors");
}
TEST(TensorList, CoversExactlyTheV41VisionCheckpoint) {
  expect_covers("v41-vision-tiny/config.json", "v41-vision-tiny/model.safetensors");
}

// A checkpoint of the published size is 96,085 tensors; each must lead to where it is used.
TEST(TensorList, SaysWhereATensorBelongs) {
  const Result<ModelConfig> config = ModelConfig::open(kGoldens + "v41-tiny/config.json");
  ASSERT_TRUE(config);
  std::map<std::string, TensorSpec> specs;
  for (TensorSpec& spec : tensor_list(*config)) specs[spec.name] = std::move(spec);
  const TensorSpec& expert = specs.at("layers.3.ffn.experts.5.w2.weight");
  EXPECT_EQ(expert.layer, 3);
  EXPECT_EQ(expert.expert, 5);
  EXPECT_EQ(expert.part, Part::experts);
  const TensorSpec& draft = specs.at("mtp.1.ffn.experts.3.w1.weight");
  EXPECT_EQ(draft.layer, 12);  // after the eleven layers of the backbone
  EXPECT_EQ(draft.expert, 3);
  EXPECT_EQ(draft.part, Part::draft);
  EXPECT_EQ(specs.at("head.weight").layer, -1);
  EXPECT_EQ(specs.at("layers.0.ffn.shared_experts.w1.weight").expert, -1);
}

TEST(TensorList, SaysWhoTrainsATensor) {
  const auto group_of = [](const std::string& golden, const std::string& name) {
    const Result<ModelConfig> config = ModelConfig::open(kGoldens + golden + "/config.json");
    for (const TensorSpec& spec : tensor_list(*config))
      if (spec.name == name) return spec;
    ADD_FAILURE() << name;
    return TensorSpec{};
  };
  EXPECT_EQ(group_of("v4-tiny", "embed.weight").group, TrainGroup::adamw);
  EXPECT_EQ(group_of("v4-tiny", "head.weight").group, TrainGroup::adamw);
  EXPECT_EQ(group_of("v4-tiny", "layers.1.attn.wq_b.weight").group, TrainGroup::muon);
  EXPECT_EQ(group_of("v4-tiny", "layers.1.hc_attn_fn").group, TrainGroup::muon);
  EXPECT_EQ(group_of("v4-tiny", "layers.1.hc_attn_base").initial, Initial::hc_base);
  EXPECT_EQ(group_of("v4-tiny", "layers.1.attn.compressor.ape").group, TrainGroup::adamw_no_decay);
  EXPECT_EQ(group_of("v4-tiny", "layers.0.ffn.gate.tid2eid").group, TrainGroup::frozen);
  EXPECT_EQ(group_of("v4-tiny", "layers.2.ffn.gate.bias").group, TrainGroup::frozen);
  EXPECT_EQ(group_of("v4-tiny", "norm.weight").initial, Initial::ones);
  const TensorSpec query = group_of("v41-tiny", "layers.1.attn.wq_b.weight");
  EXPECT_EQ(query.group, TrainGroup::muon_heads);
  EXPECT_EQ(query.heads, 6);
  EXPECT_EQ(group_of("v41-tiny", "layers.2.attn.indexer.wq_b.weight").heads, 16);
  EXPECT_EQ(group_of("v41-tiny", "layers.1.engram.embed.weight").group, TrainGroup::engram);
  EXPECT_EQ(group_of("v41-tiny", "layers.1.engram.q_weight").initial, Initial::ones);
}

TEST(TensorList, DSparkOfV4HasItsOwnNames) {
  const Result<ModelConfig> config =
      ModelConfig::open(HADAL_TESTS_DIR "/corpus/config/v4-dspark.json");
  ASSERT_TRUE(config) << config.error().message;
  const std::map<std::string, StoredTensor> stored = stored_of(*config);
  for (const char* name :
       {"mtp.0.main_proj.weight", "mtp.0.main_norm.weight", "mtp.2.hc_head_fn", "mtp.2.norm.weight",
        "mtp.2.markov_head.markov_w1.weight", "mtp.2.markov_head.markov_w2.weight",
        "mtp.2.confidence_head.proj.weight"})
    EXPECT_TRUE(stored.contains(name)) << name;
  EXPECT_EQ(stored.at("mtp.0.main_proj.weight").shape, (Shape{96, 288}));
  EXPECT_FALSE(stored.contains("mtp.0.e_proj.weight"));
}

// Base checkpoints: experts in FP8 tiles.
TEST(TensorList, Fp8ExpertsHaveTilesOfScales) {
  Result<ModelConfig> config = ModelConfig::open(kGoldens + "v4-tiny-fp8/config.json");
  ASSERT_TRUE(config);
  config->weights = WeightFormat::fp8;
  const std::map<std::string, StoredTensor> stored = stored_of(*config);
  EXPECT_EQ(stored.at("layers.0.ffn.experts.0.w1.weight").dtype, DType::f8_e4m3);
  EXPECT_EQ(stored.at("layers.0.ffn.experts.0.w1.scale").shape, (Shape{1, 2}));
}

}  // namespace
}  // namespace hadal
