// SPDX-License-Identifier: MIT
// The painter: whole frames of cells, the same alone and in company, by seed; guided; in passes;
// with a given first frame.
#include "engine/painter.h"

#include <gtest/gtest.h>

#include "../model/visual_model.h"
#include "backends/cpu/cpu_ops.h"

namespace hadal {
namespace {

class PainterTest : public testing::Test {
 protected:
  std::vector<Painting> painted(const std::vector<PaintJob>& jobs, const PaintOptions& options) {
    Result<std::vector<Painting>> result =
        paint(*model_, *ops_, jobs, options, [&](size_t, int64_t, std::span<const int64_t> cells) {
          ++frames_;
          EXPECT_EQ(static_cast<int64_t>(cells.size()), options.size.cells());
        });
    EXPECT_TRUE(result) << result.error().message;
    return result ? result.take() : std::vector<Painting>{};
  }
  static PaintJob job(int64_t word, uint64_t seed) {
    return {.prompt = {0, word, word + 1}, .without = {0, 25}, .first_frame = {}, .seed = seed};
  }
  std::string error(const std::vector<PaintJob>& jobs, const PaintOptions& options) {
    const auto result =
        paint(*model_, *ops_, jobs, options, [](size_t, int64_t, std::span<const int64_t>) {});
    return result ? "" : result.error().message;
  }

  ModelConfig config_ = visual_config();
  std::unique_ptr<Ops> ops_ = make_cpu_ops({});
  std::unique_ptr<Model> model_ = visual_model(config_, *ops_);
  int64_t frames_ = 0;
};

TEST_F(PainterTest, PaintsWholeFramesOfCells) {
  const auto paintings = painted({job(40, 1)}, {.size = {3, 4, 2, 8}});
  ASSERT_EQ(paintings.size(), 1u);
  EXPECT_EQ(paintings[0].cells.size(), 24u);
  EXPECT_EQ(frames_, 2);
  for (int64_t cell : paintings[0].cells) EXPECT_TRUE(CellIds(config_).is_cell(cell));
  EXPECT_EQ(paintings[0].steps, 2 * (1 + 12));
}

TEST_F(PainterTest, TheSameAloneAndInCompany) {
  for (int64_t passes : {0, 4})
    for (double guidance : {1.0, 3.0}) {
      const PaintOptions options{.size = {3, 4, 2, 8}, .guidance = guidance, .passes = passes};
      const auto alone = painted({job(50, 9)}, options);
      const auto three = painted({job(40, 1), job(50, 9), job(60, 2)}, options);
      EXPECT_EQ(alone[0].cells, three[1].cells) << passes << " " << guidance;
      EXPECT_NE(three[0].cells, three[1].cells);
    }
}

// Glimpses only add cells, never change one, and end before the frame does.
TEST_F(PainterTest, GlimpsesFillUpToWhatIsPainted) {
  for (int64_t passes : {0, 4}) {
    PaintOptions options{.size = {3, 4, 2, 8}, .passes = passes};
    const auto plain = painted({job(40, 1), job(50, 9)}, options);
    std::vector<std::vector<int64_t>> seen(2, std::vector<int64_t>(2, 0));
    options.glimpse = [&](size_t which, int64_t frame, std::span<const int64_t> cells) {
      ASSERT_EQ(cells.size(), 12u);
      int64_t decided = 0;
      for (size_t i = 0; i < cells.size(); ++i) {
        if (cells[i] == config_.visual.mask_id) continue;
        ++decided;
        EXPECT_EQ(cells[i], plain[which].cells[static_cast<size_t>(frame) * 12 + i]);
      }
      EXPECT_GT(decided, seen[which][static_cast<size_t>(frame)]) << passes;
      EXPECT_LT(decided, 12);
      seen[which][static_cast<size_t>(frame)] = decided;
    };
    const auto watched = painted({job(40, 1), job(50, 9)}, options);
    EXPECT_EQ(watched[1].cells, plain[1].cells);
    for (const auto& of_job : seen)
      for (const int64_t decided : of_job) EXPECT_GT(decided, 0) << passes;
  }
}

TEST_F(PainterTest, SeedsCaptionsAndGuidanceMatter) {
  const PaintOptions options{.size = {4, 4}};
  const auto base = painted({job(40, 1)}, options)[0].cells;
  EXPECT_EQ(painted({job(40, 1)}, options)[0].cells, base);
  EXPECT_NE(painted({job(40, 2)}, options)[0].cells, base);
  EXPECT_NE(painted({job(41, 1)}, options)[0].cells, base);
  EXPECT_NE(painted({job(40, 1)}, {.size = {4, 4}, .guidance = 6})[0].cells, base);
  const auto coldest = painted({job(40, 1)}, {.size = {4, 4}, .temperature = 0})[0].cells;
  EXPECT_EQ(painted({job(40, 2)}, {.size = {4, 4}, .temperature = 0})[0].cells, coldest);
}

// What is drawn is what the model says: the same codes by plain reads of the whole sequence.
TEST_F(PainterTest, ColdCellsAreTheModelsLikeliest) {
  const auto painting = painted({job(40, 1)}, {.size = {2, 3}, .guidance = 1, .temperature = 0})[0];
  std::vector<int64_t> ids = {0, 40, 41};
  for (int64_t id : span_opening(config_.visual, {2, 3})) ids.push_back(id);
  ids.push_back(config_.visual.frame_id);
  const CellIds cells(config_);
  for (int64_t cell : painting.cells) {
    Cache cache(config_, *ops_, {.slots = 1, .max_positions = 64, .max_chunk = 64});
    Batch batch;
    batch.append(0, 0, ids);
    batch.wanted = {batch.rows() - 1};
    Tensor state = model_->states(batch, cache);
    for (int64_t g = 0; g < config_.visual.groups; ++g) {
      const Tensor logits = model_->code_logits(state, g);
      const float* row = logits.data<float>();
      EXPECT_EQ(cells.code(cell, g), std::max_element(row, row + config_.visual.codes) - row);
      state = model_->next_code_state(state, Tensor::of_ints({1}, {cells.code(cell, g)}), g);
    }
    ids.push_back(cell);
  }
}

TEST_F(PainterTest, InPassesTakesFewSteps) {
  const auto paintings = painted({job(40, 1)}, {.size = {4, 4, 3, 8}, .passes = 4});
  EXPECT_EQ(paintings[0].cells.size(), 48u);
  EXPECT_EQ(paintings[0].steps, 3 * (4 + 1));
  for (int64_t cell : paintings[0].cells) EXPECT_TRUE(CellIds(config_).is_cell(cell));
}

TEST_F(PainterTest, AGivenFirstFrameIsKept) {
  PaintJob with = job(40, 1), other = job(40, 1);
  for (int64_t i = 0; i < 12; ++i) {
    const int64_t codes[] = {i, 2 * i % 20, 3}, others[] = {19 - i, i, 4};
    with.first_frame.push_back(CellIds(config_).pack(codes));
    other.first_frame.push_back(CellIds(config_).pack(others));
  }
  for (int64_t passes : {0, 3}) {
    const PaintOptions options{.size = {3, 4, 2, 8}, .passes = passes, .temperature = 0};
    const auto one = painted({with}, options)[0].cells, two = painted({other}, options)[0].cells;
    EXPECT_TRUE(std::equal(with.first_frame.begin(), with.first_frame.end(), one.begin()));
    EXPECT_FALSE(std::equal(one.begin() + 12, one.end(), two.begin() + 12));
  }
}

// Cells that stand are kept, masked ones are painted; with all of them masked nothing was begun.
TEST_F(PainterTest, ABegunFrameIsPaintedWhereItIsMasked) {
  const PaintOptions options{.size = {3, 4}, .passes = 4};
  PaintJob begun = job(40, 1), blank = job(40, 1), whole = job(40, 1);
  blank.begun.assign(12, config_.visual.mask_id);
  for (int64_t i = 0; i < 12; ++i) {
    const int64_t codes[] = {i, 2 * i % 20, 3};
    whole.begun.push_back(CellIds(config_).pack(codes));
    begun.begun.push_back(i % 3 == 0 ? config_.visual.mask_id : whole.begun.back());
  }
  const auto plain = painted({job(40, 1)}, options)[0].cells;
  EXPECT_EQ(painted({blank}, options)[0].cells, plain);
  EXPECT_EQ(painted({whole}, options)[0].cells, whole.begun);
  const auto company = painted({blank, begun, whole}, options);
  EXPECT_EQ(company[0].cells, plain);
  EXPECT_EQ(company[1].cells, painted({begun}, options)[0].cells);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_TRUE(CellIds(config_).is_cell(company[1].cells[i]));
    if (i % 3 != 0) {
      EXPECT_EQ(company[1].cells[i], begun.begun[i]) << i;
    }
  }
  // What stands is seen: with other cells around it, something else is painted.
  PaintJob other = begun;
  for (int64_t& cell : other.begun)
    if (cell != config_.visual.mask_id) cell = whole.begun[1];
  const auto cold = [&](const PaintJob& one) {
    PaintOptions sure = options;
    sure.temperature = 0;
    return painted({one}, sure)[0].cells;
  };
  const auto one = cold(begun), two = cold(other);
  bool differs = false;
  for (size_t i = 0; i < 12; i += 3) differs = differs || one[i] != two[i];
  EXPECT_TRUE(differs);
}

// Frames of a clip are begun like a picture; behind them it goes on freely.
TEST_F(PainterTest, SeveralFramesMayBeBegun) {
  const PaintOptions options{.size = {3, 4, 3, 8}, .passes = 3};
  PaintJob begun = job(40, 1);
  for (int64_t i = 0; i < 24; ++i) {
    const int64_t codes[] = {i % 20, 2 * i % 20, 3};
    begun.begun.push_back(i % 4 == 1 ? config_.visual.mask_id : CellIds(config_).pack(codes));
  }
  const auto painting = painted({begun}, options)[0].cells;
  ASSERT_EQ(painting.size(), 36U);
  for (size_t i = 0; i < 36; ++i) {
    EXPECT_TRUE(CellIds(config_).is_cell(painting[i]));
    if (i < 24 && i % 4 != 1) {
      EXPECT_EQ(painting[i], begun.begun[i]) << i;
    }
  }
  EXPECT_EQ(painted({job(30, 2), begun}, options)[1].cells, painting);
  begun.begun.resize(23);
  EXPECT_NE(error({begun}, options).find("23 cells are begun"), std::string::npos);
  begun.begun.assign(48, config_.visual.mask_id);
  EXPECT_NE(error({begun}, options).find("3 frames of 12"), std::string::npos);
}

TEST_F(PainterTest, StopsBetweenCellsAndKeepsWholeFrames) {
  std::atomic<bool> cancel = false;
  const PaintOptions options{.size = {3, 4, 3, 8}, .cancel = &cancel};
  const auto result = paint(*model_, *ops_, {job(40, 1)}, options,
                            [&](size_t, int64_t, std::span<const int64_t>) { cancel = true; });
  ASSERT_TRUE(result);
  EXPECT_EQ((*result)[0].cells.size(), 12u);
}

TEST_F(PainterTest, RefusesWhatCannotBeDrawn) {
  EXPECT_EQ(error({job(40, 1)}, {.size = {9, 9}}),
            "a frame of 9 × 9 cells, this model draws up to 64");
  EXPECT_EQ(error({job(40, 1)}, {.size = {2, 2}, .passes = 5}), "--passes 5, expected 0 to 4");
  EXPECT_EQ(error({{.prompt = {0}, .without = {}, .first_frame = {}, .seed = 0}}, {.size = {2, 2}}),
            "a picture's prompt has no tokens, expected at least 1");
  EXPECT_EQ(error({job(1 << 30, 1)}, {.size = {2, 2}}),
            "token 1073741824 of a picture's prompt is unknown");
  PaintJob wrong = job(40, 1);
  wrong.first_frame = {config_.vocab};
  EXPECT_EQ(error({wrong}, {.size = {2, 2}}),
            "a first frame of 1 cells, expected 4 in every job or none");
  PaintJob begun = job(40, 1);
  begun.begun.assign(4, config_.visual.mask_id);
  EXPECT_NE(error({begun}, {.size = {2, 2}}).find("with passes"), std::string::npos);
  begun.begun[2] = 0;
  EXPECT_EQ(error({begun}, {.size = {2, 2}, .passes = 2}),
            "a frame begins with token 0, expected cells or the mask");
}

}  // namespace
}  // namespace hadal
