// SPDX-License-Identifier: MIT
// The tensor list against the tiny checkpoints, and against the published counts.
#include "model/weights.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

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

}  // namespace
}  // namespace hadal
