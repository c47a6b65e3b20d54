// SPDX-License-Identifier: MIT
// A tiny model, documents it can learn, and a folder of its own for every test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "train/shard.h"
#include "train/train_config.h"
#include "train/trainer.h"

namespace hadal::testing {

inline std::string golden_config(const std::string& name) {
  return std::string(HADAL_TESTS_DIR) + "/goldens/" + name + "/config.json";
}

// Folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hadal-train-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

constexpr int64_t kVocab = 320;    // below the golden models' image and noise tokens
constexpr int64_t kDocuments = 6;  // of a tiny run: a step costs by its tokens

// Documents 0, a, a+s, a+2s, … 1: the second number decides all that follow.
inline void write_documents(const std::string& path, int64_t documents, int64_t length) {
  ShardWriter writer("test", kVocab);
  for (int64_t d = 0; d < documents; ++d) {
    std::vector<int32_t> ids = {0};
    int64_t step = 1 + d % 7;
    for (int64_t i = 0; i < length + d % 5; ++i)
      ids.push_back(static_cast<int32_t>(3 + (d * 13 + i * step) % 300));
    ids.push_back(1);
    writer.add(ids, static_cast<int64_t>(ids.size()));
  }
  ASSERT_TRUE(writer.write(path));
}

// A run of a golden's configuration on such documents, quick to learn.
inline TrainConfig tiny_run(const Folder& folder, const std::string& golden,
                            const std::vector<std::string>& settings = {}) {
  write_documents(folder / "train.shard", kDocuments, 20);
  std::string json = R"({"model": ")" + golden_config(golden) + R"(", "train": ["train.shard"],
    "valid": ["train.shard"], "out": "out", "steps": 60, "micro_tokens": 75, "accumulation": 2,
    "learning_rate": 0.01, "final_learning_rate": 0.001, "warmup_steps": 3, "decay_start": 30,
    "threads": 2})";
  Result<TrainConfig> config = TrainConfig::parse(json, folder / "train.json", settings);
  EXPECT_TRUE(config) << config.error().message;
  return *config;
}

// Engram's token map for a model whose tokenizer does not matter.
inline std::vector<int32_t> any_token_map(const TrainConfig& config) {
  Result<ModelConfig> model = config.model_config();
  EXPECT_TRUE(model) << model.error().message;
  std::vector<int32_t> map(static_cast<size_t>(model->vocab));
  int64_t last = std::max<int64_t>(model->engram.compressed_vocab, 1) - 1;
  for (size_t i = 0; i < map.size(); ++i)
    map[i] = static_cast<int32_t>(std::min(static_cast<int64_t>(i), last));
  return map;
}

inline std::unique_ptr<Trainer> open_trainer(const TrainConfig& config) {
  Result<std::unique_ptr<Trainer>> trainer = Trainer::create(config, any_token_map(config));
  EXPECT_TRUE(trainer) << trainer.error().message;
  return trainer.take();
}

}  // namespace hadal::testing
