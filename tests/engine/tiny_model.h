// SPDX-License-Identifier: MIT
// A golden model, opened on the CPU back end, for tests of the engine.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_ops.h"
#include "base/safetensors.h"
#include "engine/session.h"
#include "model/model.h"

namespace hadal {

struct TinyModel {
  std::string folder;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<Model> model;

  explicit TinyModel(const std::string& name, const ModelOptions& options = {})
      : folder(std::string(HADAL_TESTS_DIR) + "/goldens/" + name),
        ops(make_cpu_ops({.threads = 2, .instruction_set = {}})) {
    Result<std::unique_ptr<Model>> opened = Model::open(folder, *ops, options, token_map());
    if (!opened) ADD_FAILURE() << opened.error().message;
    if (opened) model = opened.take();
  }

  Cache cache(int64_t slots, int64_t max_chunk, int64_t max_positions = 512) const {
    return {model->config(),
            *ops,
            {.slots = slots, .max_positions = max_positions, .max_chunk = max_chunk}};
  }

  // Ids of no meaning, the same each time.
  static std::vector<int64_t> ids(int64_t count, int64_t salt = 0) {
    std::vector<int64_t> made;
    for (int64_t i = 0; i < count; ++i) made.push_back(3 + (i * i * 7 + i * 31 + salt * 101) % 310);
    return made;
  }

 private:
  // Without the text room: the goldens hold the map.
  std::vector<int32_t> token_map() const {
    Result<Safetensors> expected = Safetensors::open(folder + "/expected.safetensors");
    const Tensor* map = expected ? expected->find("engram.token_map") : nullptr;
    if (!map) return made_up_map();
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < map->count(); ++i)
      ids.push_back(map->dtype() == DType::i64 ? static_cast<int32_t>(map->data<int64_t>()[i])
                                               : map->data<int32_t>()[i]);
    return ids;
  }

  // Where a golden has no map of its own: any map of the right size.
  std::vector<int32_t> made_up_map() const {
    Result<ModelConfig> config = ModelConfig::open(folder);
    std::vector<int32_t> ids;
    if (config && config->engram.present())
      for (int64_t id = 0; id < config->vocab; ++id)
        ids.push_back(static_cast<int32_t>(id % config->engram.compressed_vocab));
    return ids;
  }
};

inline std::vector<float> logits_of(const Session& session) {
  return {session.logits().begin(), session.logits().end()};
}

inline std::vector<int64_t> joined(std::vector<int64_t> head, const std::vector<int64_t>& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

}  // namespace hadal
