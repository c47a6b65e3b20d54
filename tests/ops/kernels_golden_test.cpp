// SPDX-License-Identifier: MIT
// The reference verbs and number formats against vectors of DeepSeek's own helper functions
// (tests/goldens/kernels).
#include <gtest/gtest.h>

#include <cmath>

#include "base/number_formats.h"
#include "base/safetensors.h"
#include "ops/ops.h"
#include "ops/row_rounding.h"
#include "ops/weight_rows.h"

namespace hadal {
namespace {

class KernelGoldens : public testing::Test {
 protected:
  KernelGoldens() : ops_(make_reference_ops()) {
    Result<Safetensors> file =
        Safetensors::open(std::string(HADAL_TESTS_DIR) + "/goldens/kernels/expected.safetensors");
    if (!file) throw std::runtime_error(file.error().message);
    file_ = std::make_unique<Safetensors>(file.take());
  }

  Tensor golden(const std::string& name) const {
    const Tensor* tensor = file_->find(name);
    EXPECT_NE(tensor, nullptr) << name;
    return tensor ? *tensor : Tensor{};
  }

  static void expect_close(const Tensor& found, const Tensor& expected, double tolerance,
                           const std::string& what) {
    ASSERT_EQ(found.count(), expected.count()) << what;
    for (int64_t i = 0; i < found.count(); ++i)
      ASSERT_NEAR(found.data<float>()[i], expected.data<float>()[i],
                  tolerance * (1 + std::fabs(expected.data<float>()[i])))
          << what << "[" << i << "]";
  }

  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Safetensors> file_;
};

TEST_F(KernelGoldens, EveryCodeOfTheSmallFormatsHasItsValue) {
  const Tensor e4m3 = golden("table.e4m3_fn"), e2m1 = golden("table.e2m1");
  for (int code = 0; code < 256; ++code) {
    const float expected = e4m3.data<float>()[code];
    const float found = e4m3_to_float(static_cast<uint8_t>(code));
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(found)) << code;
    else
      EXPECT_EQ(found, expected) << code;
  }
  for (int code = 0; code < 16; ++code)
    EXPECT_EQ(kE2m1Values[static_cast<size_t>(code)], e2m1.data<float>()[code]) << code;
}

TEST_F(KernelGoldens, RoundingPicksThePublishedCode) {
  const Tensor in8 = golden("round_e4m3.in"), code8 = golden("round_e4m3.code");
  for (int64_t i = 0; i < in8.count(); ++i)
    EXPECT_EQ(float_to_e4m3(in8.data<float>()[i]), code8.data<uint8_t>()[i])
        << in8.data<float>()[i];
  const Tensor in4 = golden("round_e2m1.in"), code4 = golden("round_e2m1.code");
  for (int64_t i = 0; i < in4.count(); ++i)
    EXPECT_EQ(kE2m1Values[float_to_e2m1(in4.data<float>()[i])],
              kE2m1Values[code4.data<uint8_t>()[i]])
        << in4.data<float>()[i];
}

TEST_F(KernelGoldens, RowsAreRoundedInBlocks) {
  const struct {
    const char* name;
    RowFormat format;
  } cases[] = {{"act_quant.b32", RowFormat::fp8_32},
               {"act_quant.b64", RowFormat::fp8_64_tail},
               {"act_quant.b128", RowFormat::fp8_128},
               {"fp4_act_quant.e8m0_32", RowFormat::fp4_32},
               {"fp4_act_quant.e4m3_16", RowFormat::fp4_e4m3_16}};
  for (const auto& one : cases) {
    const Tensor in = golden(std::string(one.name) + ".in");
    const Tensor out = ops_->round_to(in, one.format, 0);
    expect_close(out, golden(std::string(one.name) + ".out"), 0, one.name);
  }
}

TEST_F(KernelGoldens, RoundingLeavesTheTailAlone) {
  const Tensor in = golden("act_quant.b64.in");
  const Tensor out = ops_->round_to(in, RowFormat::fp8_64_tail, 64);
  const int64_t width = in.size(1);
  for (int64_t row = 0; row < in.size(0); ++row)
    for (int64_t i = width - 64; i < width; ++i)
      EXPECT_EQ(out.data<float>()[row * width + i], in.data<float>()[row * width + i]);
}

TEST_F(KernelGoldens, WeightsAreDequantised) {
  const struct {
    const char *values, *scale, *dense;
    int64_t rows, columns;
  } cases[] = {{"fp8_block128.code", "fp8_block128.scale", "fp8_block128.dequant", 128, 128},
               {"fp8_block32.code", "fp8_block32.scale", "fp8_block32.dequant", 32, 32},
               {"fp4_block32.packed", "fp4_block32.scale", "fp4_block32.dequant", 1, 32}};
  for (const auto& one : cases)
    expect_close(dequantise({golden(one.values), golden(one.scale), one.rows, one.columns}),
                 golden(one.dense), 0, one.values);
}

TEST_F(KernelGoldens, HadamardIsInNaturalOrder) {
  for (const char* size : {"32", "64", "128"}) {
    const std::string name = std::string("hadamard.") + size;
    expect_close(ops_->hadamard(golden(name + ".in")), golden(name + ".out"), 1e-6, name);
  }
}

// The mix verb with fn the identity over one-hot streams: its μ is then the golden's `mixes`.
TEST_F(KernelGoldens, SinkhornEndsOnAColumnStep) {
  const struct {
    const char* name;
    int64_t streams, rounds;
    float epsilon;
  } cases[] = {{"sinkhorn.hc4_it20", 4, 20, 1e-6f},
               {"sinkhorn.hc4_it1", 4, 1, 1e-6f},
               {"sinkhorn.hc2_it7", 2, 7, 1e-5f}};
  for (const auto& one : cases) {
    const std::string name = one.name;
    const Tensor mixes = golden(name + ".mixes");
    const int64_t tokens = mixes.size(0), places = mixes.size(1);
    // The first channels hold the mixes; the very last one brings the mean square to 1.
    const int64_t width = 4 * places;
    Tensor x = Tensor::zeros(DType::f32, {tokens, one.streams, width});
    Tensor fn = Tensor::zeros(DType::f32, {places, one.streams * width});
    std::vector<float> size(static_cast<size_t>(tokens));
    for (int64_t i = 0; i < places; ++i) fn.data<float>()[i * one.streams * width + i] = 1;
    for (int64_t t = 0; t < tokens; ++t) {
      double square = 0;
      for (int64_t i = 0; i < places; ++i) {
        const float value = mixes.data<float>()[t * places + i];
        x.data<float>()[t * one.streams * width + i] = value;
        square += static_cast<double>(value) * value;
      }
      const double total = static_cast<double>(one.streams * width);
      ASSERT_LT(square, total) << "the golden's mixes leave no room to normalise";
      x.data<float>()[(t + 1) * one.streams * width - 1] +=
          static_cast<float>(std::sqrt(total - square));
    }
    const Mix mix = ops_->mix(x, {fn, golden(name + ".base"), golden(name + ".scale")},
                              {one.rounds, 0, one.epsilon});
    expect_close(mix.pre_TS, golden(name + ".pre"), 2e-6, name + ".pre");
    expect_close(mix.post_TS, golden(name + ".post"), 2e-6, name + ".post");
    expect_close(mix.comb_TSS, golden(name + ".comb"), 2e-6, name + ".comb");
  }
}

TEST_F(KernelGoldens, AttentionReadsRowsByIndex) {
  const Tensor ids = golden("sparse_attn.idx"), q = golden("sparse_attn.q");
  const Sight window{golden("sparse_attn.kv"), ids};
  // The golden's scale is width^-1/2.
  const float scale = static_cast<float>(1 / std::sqrt(static_cast<double>(q.size(2))));
  expect_close(ops_->attend(q, window, {}, golden("sparse_attn.sink"), scale),
               golden("sparse_attn.out"), 2e-6, "sparse_attn");
}

TEST_F(KernelGoldens, CandidateBlocksIncludeTheLastVisibleOne) {
  const Tensor logits = golden("candidates.logits"), keep = golden("candidates.keep");
  const int64_t tokens = logits.size(0), entries = logits.size(1), block = 8;
  Tensor scores = Tensor::zeros(DType::f32, {tokens, entries});
  std::vector<int64_t> counts;
  for (int64_t t = 0; t < tokens; ++t) {
    counts.push_back(t + 1);
    for (int64_t j = 0; j < entries; ++j)
      scores.data<float>()[t * entries + j] =
          j <= t ? logits.data<float>()[t * entries + j] : -HUGE_VALF;
  }
  const Tensor kept = ops_->candidates(scores, Tensor::of_ints({tokens}, counts), block, 4);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j <= t; ++j)  // the golden marks positions, also invisible ones
      EXPECT_EQ(kept.data<uint8_t>()[t * kept.size(1) + j / block] != 0,
                keep.data<uint8_t>()[t * entries + j] != 0)
          << t << " " << j;
}

}  // namespace
}  // namespace hadal
