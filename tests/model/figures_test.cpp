// SPDX-License-Identifier: MIT
// The published numbers, from the shapes alone: model-spec §0.3, §1.3, §3.7, §4.4, §8.1, §8.2.
#include "model/figures.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace hadal {
namespace {

ModelConfig preset(const std::string& name) {
  Result<ModelConfig> config = ModelConfig::open(HADAL_TESTS_DIR "/../presets/" + name + ".json");
  EXPECT_TRUE(config) << config.error().message;
  return config ? config.take() : ModelConfig{};
}

// To the printed tenth of a billion.
double tenths(int64_t count) {
  return std::round(static_cast<double>(count) / 1e8) / 10;
}

TEST(Figures, V4Flash) {
  const ModelConfig config = preset("deepseek-v4-flash");
  const ParameterFigures figures = count_parameters(config);
  EXPECT_EQ(tenths(figures.backbone().total), 284.3);
  EXPECT_EQ(tenths(figures.all().decode), 13.3);
  const StoredFigures stored = count_stored(config);
  EXPECT_EQ(stored.tensors, 69187);
  EXPECT_EQ(stored.all_bytes(), 159'609'485'896);
  EXPECT_EQ(stored.bytes.at(DType::i64), 3 * 129280 * 6 * 8);
}

TEST(Figures, V4Pro) {
  const ParameterFigures figures = count_parameters(preset("deepseek-v4-pro"));
  EXPECT_EQ(std::round(static_cast<double>(figures.backbone().total) / 1e9), 1573);
  EXPECT_EQ(tenths(figures.all().decode), 48.9);
}

TEST(Figures, V41Flash) {
  const ModelConfig config = preset("deepseek-v4.1-flash");
  const ParameterFigures figures = count_parameters(config);
  EXPECT_EQ(tenths(figures.backbone().total), 551.9);
  EXPECT_EQ(tenths(figures.of(Part::engram_table).total), 196.6);
  EXPECT_EQ(figures.of(Part::engram_table).total, int64_t{768022850} * 256);
  EXPECT_NEAR(static_cast<double>(figures.of(Part::vision).total), 0.485e9, 0.5e6);
  const StoredFigures stored = count_stored(config);
  EXPECT_EQ(stored.tensors, 96085);
  EXPECT_EQ(tenths(stored.all_bytes()), 510.3);
}

// §1.3 prints 7.86B and 16.07B: attention, experts, router and streams of 20 and 40 layers, the
// head, and Engram's projections.  Compressors and indexers come on top.
TEST(Figures, V41FlashActive) {
  const ParameterFigures figures = count_parameters(preset("deepseek-v4.1-flash"));
  const auto memory = [&](int64_t Parameters::*kind) {
    return figures.of(Part::compressor).*kind + figures.of(Part::indexer).*kind;
  };
  const auto hundredths = [](int64_t count) {
    return std::round(static_cast<double>(count) / 1e7);
  };
  EXPECT_EQ(hundredths(figures.all().decode - memory(&Parameters::decode)), 1607);
  EXPECT_EQ(hundredths(figures.all().prefill - memory(&Parameters::prefill)), 786);
  EXPECT_EQ(hundredths(figures.all().decode), 1613);
  EXPECT_EQ(hundredths(figures.all().prefill), 790);
}

TEST(Figures, Hadal1T) {
  const ModelConfig config = preset("hadal-1t");
  const ParameterFigures figures = count_parameters(config);
  const int64_t tables = figures.of(Part::engram_table).total;
  const int64_t experts = figures.of(Part::experts).total;
  EXPECT_NEAR(static_cast<double>(figures.backbone().total + tables), 1.0e12, 0.01e12);
  EXPECT_NEAR(static_cast<double>(figures.all().decode), 32e9, 1e9);
  const double share = static_cast<double>(tables) / static_cast<double>(tables + experts);
  EXPECT_GT(share, 0.20);
  EXPECT_LT(share, 0.25);
}

TEST(Figures, PackedCache) {
  const PackedCache flash = packed_cache(preset("deepseek-v4-flash"));
  EXPECT_EQ(flash.bytes_per_token, 3514.25);
  EXPECT_EQ(flash.window_bytes, 43 * 128 * 584);
  EXPECT_EQ(flash.state_bytes, 21 * 81920 + 20 * 524288);
  const PackedCache pro = packed_cache(preset("deepseek-v4-pro"));
  EXPECT_NEAR(pro.bytes_per_token, 5031.4, 0.05);
  EXPECT_EQ(pro.state_bytes, 30 * 81920 + 31 * 524288);
  const PackedCache v41 = packed_cache(preset("deepseek-v4.1-flash"));
  EXPECT_EQ(v41.bytes_per_token, 890);
  EXPECT_EQ(v41.window_bytes, 40 * 128 * 528);
  EXPECT_EQ(v41.draft_window_bytes, 3 * 128 * 528);
  EXPECT_EQ(v41.state_bytes, 3 * 8192);
  EXPECT_EQ(v41.at(1000), 890'000.0 + 43 * 128 * 528 + 3 * 8192);
}

}  // namespace
}  // namespace hadal
