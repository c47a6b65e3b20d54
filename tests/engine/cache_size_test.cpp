// SPDX-License-Identifier: MIT
// The size that is announced is the size that is made.
#include "engine/cache_size.h"

#include <gtest/gtest.h>

#include "tiny_model.h"

namespace hadal {
namespace {

int64_t made_bytes(const Cache& cache) {
  int64_t bytes = 0;
  for (const LayerCache& layer : cache.layers)
    for (const Tensor* pool :
         {&layer.window.rows, &layer.compressed.rows, &layer.index_keys.rows, &layer.state_values,
          &layer.state_scores, &layer.index_state_values, &layer.index_state_scores})
      if (pool->defined()) bytes += pool->bytes();
  return bytes;
}

ModelConfig config_at(const std::string& path) {
  Result<ModelConfig> config = ModelConfig::open(std::string(HADAL_TESTS_DIR) + path);
  EXPECT_TRUE(config) << config.error().message;
  return config ? config.take() : ModelConfig{};
}

TEST(CacheSize, IsWhatTheCacheTakes) {
  for (const std::string back_end : {"reference", "cpu"}) {
    const std::unique_ptr<Ops> ops = back_end == "cpu"
                                         ? make_cpu_ops({.threads = 1, .instruction_set = {}})
                                         : make_reference_ops();
    const Holding holding = back_end == "cpu" ? Holding::packed : Holding::floats;
    for (const char* name : {"/goldens/v4-tiny", "/goldens/v41-tiny"})
      for (Rounding rounding : {Rounding::none, Rounding::published})
        for (CacheOptions options :
             {CacheOptions{1, 1, 512}, CacheOptions{3, 1000, 7}, CacheOptions{2, 4096, 512}}) {
          options.rounding = rounding;
          const ModelConfig config = config_at(name);
          EXPECT_EQ(cache_bytes(config, options, holding), made_bytes(Cache(config, *ops, options)))
              << back_end << name << " " << options.max_positions;
        }
  }
}

// The bytes that model-spec §3.7 counts, within a few rows of slack for rings and last entries.
TEST(CacheSize, AMillionTokensTakeThePublishedBytes) {
  const struct {
    const char* preset;
    double bytes_per_token;
  } cases[] = {{"/../presets/deepseek-v4-flash.json", 3514.25},
               {"/../presets/deepseek-v4.1-flash.json", 890}};
  for (const auto& one : cases) {
    const CacheOptions options{.slots = 1, .max_positions = 1 << 20, .max_chunk = 512};
    const double bytes =
        static_cast<double>(cache_bytes(config_at(one.preset), options, Holding::packed));
    EXPECT_GE(bytes / (1 << 20), one.bytes_per_token) << one.preset;
    EXPECT_LE(bytes / (1 << 20), one.bytes_per_token * 1.05) << one.preset;
  }
}

TEST(CacheSize, LargestContextIsTheLastThatFits) {
  Result<ModelConfig> config =
      ModelConfig::open(std::string(HADAL_TESTS_DIR) + "/goldens/v41-tiny");
  ASSERT_TRUE(config);
  CacheOptions options{.slots = 1, .max_positions = 0, .max_chunk = 64};
  const int64_t available = 1 << 20;
  const int64_t fits = largest_context(*config, options, Holding::packed, available);
  ASSERT_GT(fits, 0);
  ASSERT_LT(fits, config->max_positions);
  options.max_positions = fits;
  EXPECT_LE(cache_bytes(*config, options, Holding::packed), available);
  options.max_positions = fits + 1;
  EXPECT_GT(cache_bytes(*config, options, Holding::packed), available);
  EXPECT_EQ(largest_context(*config, options, Holding::packed, 0), 0);
}

}  // namespace
}  // namespace hadal
