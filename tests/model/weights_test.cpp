// SPDX-License-Identifier: MIT
// The tensor list against the tiny checkpoints, and against the published counts.
#include "model/weights.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <utility>

#include "base/safetensors.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

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

TEST(TensorList, FourBitModelsKeepSmallAndSensitiveMatricesInEight) {
  Result<ModelConfig> config = ModelConfig::open(kGoldens + "v4-tiny-fp8/config.json");
  ASSERT_TRUE(config);
  config->weights = WeightFormat::fp4;
  const std::map<std::string, StoredTensor> stored = stored_of(*config);
  const StoredTensor& dense = stored.at("layers.2.attn.wo_b.weight");
  EXPECT_EQ(dense.dtype, DType::i8);
  EXPECT_EQ(dense.shape, (Shape{256, 128}));  // two codes a byte
  EXPECT_EQ(stored.at("layers.2.attn.wo_b.scale").shape, (Shape{256, 8}));
  EXPECT_EQ(stored.at("layers.0.ffn.experts.0.w1.weight").dtype, DType::i8);
  EXPECT_EQ(stored.at("layers.0.attn.indexer.wq_b.weight").dtype, DType::f8_e4m3);
  EXPECT_EQ(stored.at("layers.2.attn.wkv.weight").dtype, DType::f8_e4m3);
  EXPECT_EQ(stored.at("layers.2.ffn.shared_experts.w1.weight").dtype, DType::f8_e4m3);
  EXPECT_EQ(stored.at("layers.2.ffn.gate.weight").dtype, DType::bf16);
  EXPECT_EQ(stored.at("head.weight").dtype, DType::bf16);
}

// ---- a checkpoint of the published size: headers alone are written and read, the data is a hole

class SparseCheckpoint {
 public:
  explicit SparseCheckpoint(const ModelConfig& config) {
    fs::create_directories(folder_);
    for (const TensorSpec& spec : tensor_list(config))
      for (const StoredTensor& tensor : stored_tensors(spec, config)) add(spec, tensor);
    for (const auto& [name, shard] : shards_) write(name, shard);
    const nlohmann::json index = {{"metadata", {{"total_size", total_bytes_}}},
                                  {"weight_map", weight_map_}};
    std::ofstream(folder_ / "model.safetensors.index.json") << index.dump();
  }
  ~SparseCheckpoint() { fs::remove_all(folder_); }
  std::string folder() const { return folder_.string(); }
  bool whole() const { return whole_; }

 private:
  struct Shard {
    nlohmann::json header = nlohmann::json::object();
    int64_t bytes = 0;
  };
  void add(const TensorSpec& spec, const StoredTensor& tensor) {
    const std::string name = "model-" + std::to_string(spec.layer + 1) + ".safetensors";
    Shard& shard = shards_[name];
    int64_t bytes = element_bytes(tensor.dtype);
    for (int64_t size : tensor.shape) bytes *= size;
    shard.header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                                 {"shape", tensor.shape},
                                 {"data_offsets", {shard.bytes, shard.bytes + bytes}}};
    shard.bytes += bytes;
    total_bytes_ += bytes;
    weight_map_[tensor.name] = name;
  }
  void write(const std::string& name, const Shard& shard) {
    std::string header = shard.header.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');  // large tensors must lie aligned
    const uint64_t length = header.size();
    std::ofstream file(folder_ / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&length), 8);
    file << header;
    file.close();
    std::error_code refused;
    fs::resize_file(folder_ / name, 8 + length + static_cast<uint64_t>(shard.bytes), refused);
    whole_ = whole_ && !refused;
  }

  const fs::path folder_ = fs::temp_directory_path() / ("hadal-sparse-" + std::to_string(getpid()));
  std::map<std::string, Shard> shards_;
  nlohmann::json weight_map_ = nlohmann::json::object();
  int64_t total_bytes_ = 0;
  bool whole_ = true;
};

TEST(TensorList, ACheckpointOfThePublishedSizeIsOpenedByItsHeaders) {
  const Result<ModelConfig> config =
      ModelConfig::open(HADAL_TESTS_DIR "/../presets/deepseek-v4.1-flash.json");
  ASSERT_TRUE(config) << config.error().message;
  const SparseCheckpoint checkpoint(*config);
  if (!checkpoint.whole()) GTEST_SKIP() << "the file system keeps no sparse files of 100 GB";
  const Result<Safetensors> files = Safetensors::open_folder(checkpoint.folder());
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(files->tensors().size(), 96085u);
  const Tensor* table = files->find("layers.14.engram.embed.weight");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->shape(), (Shape{384016682, 256}));
  EXPECT_EQ(table->data<uint8_t>()[table->bytes() - 1], 0);  // 98 GB into the file
}

}  // namespace
}  // namespace hadal
