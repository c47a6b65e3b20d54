// SPDX-License-Identifier: MIT
// Verbs over pixels of the CPU back end against the reference.
#include "conformance.h"

namespace hadal {
namespace {

using CpuPictures = CpuTest;
HADAL_FOR_ALL_BUILDS(CpuPictures);

TEST_P(CpuPictures, ConvolutionAgrees) {
  for (const Shape& shape : {Shape{0, 4, 4, 3}, Shape{1, 1, 1, 5}, Shape{2, 6, 7, 12},
                             Shape{3, 16, 16, 32}, Shape{1, 1, 300, 4}})
    for (int64_t side : {1, 3, 5})
      for (const StoredFormat& format : {kStoredFormats[0], kStoredFormats[1]}) {
        const Tensor x = floats(shape), bias = floats({18});
        const Weight w = weight(format, 18, side * side * shape[3]);
        const std::string what = shape_text(shape) + " by " + std::to_string(side);
        expect_agrees(cpu_->convolve(x, w, bias), reference_->convolve(x, w, bias), Tolerance::sums,
                      what);
        expect_agrees(cpu_->convolve(x, w, {}), reference_->convolve(x, w, {}), Tolerance::sums,
                      what);
      }
}

TEST_P(CpuPictures, AFrameIsTheSameAloneAndAmongOthers) {
  const Tensor x = floats({5, 9, 11, 24});
  const Weight w = weight(kStoredFormats[0], 20, 9 * 24);
  const Tensor all = cpu_->convolve(x, w, {});
  for (int64_t frame = 0; frame < 5; ++frame)
    expect_same_bits(cpu_->convolve(x.rows(frame, 1), w, {}), all.rows(frame, 1), "frame");
}

TEST_P(CpuPictures, PixelsMoveExactly) {
  const Tensor x = floats({2, 12, 8, 3});
  for (int64_t block : {1, 2, 4}) {
    const Tensor deep = cpu_->space_to_depth(x, block);
    expect_same_bits(deep, reference_->space_to_depth(x, block), "space_to_depth");
    expect_same_bits(cpu_->depth_to_space(deep, block), x, "and back");
    expect_same_bits(reference_->depth_to_space(deep, block), x, "reference, and back");
  }
}

TEST_P(CpuPictures, PointwiseVerbsAgree) {
  const Tensor x = floats({7, 130}, 3.0f), row = floats({130});
  expect_same_bits(cpu_->add_row(x, row), reference_->add_row(x, row), "add_row");
  expect_agrees(cpu_->silu(x), reference_->silu(x), Tolerance::exponentials, "silu");
  expect_agrees(cpu_->gelu(x), reference_->gelu(x), Tolerance::exponentials, "gelu");
  expect_agrees(cpu_->squash(x, 0), reference_->squash(x, 0), Tolerance::exponentials, "squash");
  expect_agrees(cpu_->squash(x, 8), reference_->squash(x, 8), Tolerance::exponentials, "8 levels");
}

TEST_P(CpuPictures, RopeOfSeveralAxesAgrees) {
  RopeTable table{floats({8}, 0.3f), 16, {}, false};
  for (int64_t pair = 0; pair < 8; ++pair) table.axes.push_back(pair % 3);
  const Tensor positions = Tensor::of_ints({2, 3}, {0, 17, 5, 400000, 3, 1});
  const Tensor x = floats({2, 5, 20});
  for (bool paired_halves : {false, true}) {
    table.paired_halves = paired_halves;
    const Tensor there = cpu_->rope(x, positions, table, Turn::forward);
    expect_agrees(there, reference_->rope(x, positions, table, Turn::forward), Tolerance::angles,
                  "three axes");
    expect_agrees(cpu_->rope(there, positions, table, Turn::back), x, Tolerance::angles, "back");
  }
}

TEST_P(CpuPictures, EqualPositionsOnAllAxesTurnAsOne) {
  RopeTable table{floats({8}, 0.3f), 16, {}, false};
  const Tensor x = floats({2, 20});
  const Tensor one = cpu_->rope(x, Tensor::of_ints({2}, {9, 77}), table, Turn::forward);
  for (int64_t pair = 0; pair < 8; ++pair) table.axes.push_back(pair % 3);
  const Tensor three =
      cpu_->rope(x, Tensor::of_ints({2, 3}, {9, 9, 9, 77, 77, 77}), table, Turn::forward);
  expect_same_bits(three, one, "text has one position on all axes");
}

TEST_P(CpuPictures, AttentionBothWaysAgrees) {
  for (int64_t tokens : {1, 9, 150}) {
    Tensor first = Tensor::zeros(DType::i64, {tokens}), count = Tensor::zeros(DType::i64, {tokens});
    for (int64_t t = 0; t < tokens; ++t) {
      const bool second_picture = t > tokens / 3;
      first.data<int64_t>()[t] = second_picture ? 40 : 0;
      count.data<int64_t>()[t] = t == 4 ? 0 : (second_picture ? 91 : 40);
    }
    const Tensor q = floats({tokens, 3, 18}), keys = floats({131, 3, 18});
    const Tensor values = floats({131, 3, 10});
    expect_agrees(cpu_->attend_all(q, keys, values, first, count, 0.3f),
                  reference_->attend_all(q, keys, values, first, count, 0.3f),
                  Tolerance::exponentials, std::to_string(tokens));
  }
}

TEST_P(CpuPictures, RouterBiasMayDifferByToken) {
  const Tensor logits = floats({6, 9}), bias = floats({6, 9}, 2.0f);
  const RouterOptions options{.experts_per_token = 3};
  const Routes found = cpu_->route(logits, bias, options);
  const Routes expected = reference_->route(logits, bias, options);
  expect_same_bits(found.ids_TN, expected.ids_TN, "ids");
  const Tensor own = Tensor::of_ints({1}, {4});
  const Routes alone =
      cpu_->route(cpu_->take_rows(logits, own), cpu_->take_rows(bias, own).reshaped({9}), options);
  expect_same_bits(alone.ids_TN, cpu_->take_rows(found.ids_TN, own), "a row's own bias");
}

}  // namespace
}  // namespace hadal
