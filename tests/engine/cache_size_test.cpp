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
         {&layer.window, &layer.compressed, &layer.index_keys, &layer.state_values,
          &layer.state_scores, &layer.index_state_values, &layer.index_state_scores})
      if (pool->defined()) bytes += pool->bytes();
  return bytes;
}

TEST(CacheSize, IsWhatTheCacheTakes) {
  const std::unique_ptr<Ops> ops = make_reference_ops();
  for (const char* name : {"v4-tiny", "v41-tiny"}) {
    Result<ModelConfig> config =
        ModelConfig::open(std::string(HADAL_TESTS_DIR) + "/goldens/" + name);
    ASSERT_TRUE(config) << config.error().message;
    for (const CacheOptions& options :
         {CacheOptions{1, 1, 512}, CacheOptions{3, 1000, 7}, CacheOptions{2, 4096, 512}})
      EXPECT_EQ(cache_bytes(*config, options), made_bytes(Cache(*config, *ops, options)))
          << name << " " << options.max_positions;
  }
}

TEST(CacheSize, LargestContextIsTheLastThatFits) {
  Result<ModelConfig> config =
      ModelConfig::open(std::string(HADAL_TESTS_DIR) + "/goldens/v41-tiny");
  ASSERT_TRUE(config);
  CacheOptions options{.slots = 1, .max_positions = 0, .max_chunk = 64};
  const int64_t available = 4 << 20;
  const int64_t fits = largest_context(*config, options, available);
  ASSERT_GT(fits, 0);
  ASSERT_LT(fits, config->max_positions);
  options.max_positions = fits;
  EXPECT_LE(cache_bytes(*config, options), available);
  options.max_positions = fits + 1;
  EXPECT_GT(cache_bytes(*config, options), available);
  EXPECT_EQ(largest_context(*config, options, 0), 0);
}

}  // namespace
}  // namespace hadal
