// SPDX-License-Identifier: MIT
// Lessons with pictures: what carries loss, captions that are taken away, frames that are masked;
// and that a tiny model learns to draw by heart what a caption says.
#include "train/lesson.h"

#include <algorithm>
#include <fstream>

#include "../model/visual_model.h"
#include "testing.h"

namespace hadal::testing {
namespace {

// Words, a clip of two frames of 2 × 3 cells, end: the words and the size are given.
struct Drawn {
  ModelConfig config = visual_config();
  std::vector<int64_t> ids;
  int64_t given = 0;

  explicit Drawn(uint64_t seed = 3) {
    ids = sequence_with_clip(config, {2, 3, 2, 8}, seed);
    ids.back() = 1;
    given = std::find(ids.begin(), ids.end(), config.visual.data_id) - ids.begin() + 1;
  }
};

Shard shard_of(const Folder& folder, const std::vector<Drawn>& documents) {
  ShardWriter writer("test", documents[0].config.vocab);
  for (const Drawn& document : documents) {
    const CellIds cells(document.config);
    const std::vector<int32_t> tokens = cells.to_tokens(document.ids);
    const std::span<const int64_t> given(document.ids.data(), static_cast<size_t>(document.given));
    writer.add(tokens, 0, static_cast<int64_t>(cells.to_tokens(given).size()));
  }
  EXPECT_TRUE(writer.write(folder / "drawn.shard"));
  return Shard::open(folder / "drawn.shard").take();
}

MicroBatch all_of(const Shard& shard) {
  MicroBatch pieces;
  for (int64_t d = 0; d < shard.documents(); ++d) pieces.push_back({0, d, 0, shard.length(d)});
  return pieces;
}

TEST(LessonTest, WhatIsGivenCarriesNoLoss) {
  const Folder folder;
  const Drawn document;
  const Shard shard = shard_of(folder, {document});
  const Lesson lesson = read_lesson({shard}, all_of(shard), document.config, {});
  EXPECT_EQ(lesson.batch.ids, document.ids);
  EXPECT_EQ(lesson.slots, 1);
  const std::vector<int64_t> expected(document.ids.begin() + document.given, document.ids.end());
  EXPECT_EQ(lesson.targets, expected);
  ASSERT_FALSE(lesson.batch.wanted.empty());
  EXPECT_EQ(lesson.batch.wanted.front(), document.given - 1);
}

TEST(LessonTest, ACaptionThatIsDroppedBecomesOneToken) {
  const Folder folder;
  const Drawn document;
  const Shard shard = shard_of(folder, {document});
  const Lesson lesson =
      read_lesson({shard}, all_of(shard), document.config, {.seed = 5, .caption_drop = 1});
  std::vector<int64_t> expected = {0, document.config.visual.no_caption_id};
  expected.insert(expected.end(), document.ids.begin() + 4, document.ids.end());
  EXPECT_EQ(lesson.batch.ids, expected);
  EXPECT_EQ(lesson.targets,
            std::vector<int64_t>(document.ids.begin() + document.given, document.ids.end()));
}

TEST(LessonTest, EngramMeetsStrangersInDocumentsWithPicturesOnly) {
  const Folder folder;
  const Drawn document;
  const Shard drawn = shard_of(folder, {document, document, document, document});
  const Lesson lesson =
      read_lesson({drawn}, all_of(drawn), document.config, {.seed = 5, .engram_stray = 1});
  ASSERT_EQ(lesson.batch.engram_salt_T.size(), lesson.batch.ids.size());
  const int64_t kept = std::ranges::count(lesson.batch.engram_salt_T, 0u);
  EXPECT_GT(kept, 0);
  EXPECT_LT(kept, lesson.batch.rows());

  ShardWriter writer("test", document.config.vocab);
  writer.add(std::vector<int32_t>{0, 5, 6, 7, 1}, 4, 0);
  ASSERT_TRUE(writer.write(folder / "text.shard"));
  const Shard text = Shard::open(folder / "text.shard").take();
  const Lesson words =
      read_lesson({text}, all_of(text), document.config, {.seed = 5, .engram_stray = 1});
  EXPECT_EQ(std::ranges::count(words.batch.engram_salt_T, 0u), words.batch.rows());
}

// How many ids of four copies of a document are read as another one; all of them after what is
// given.
int64_t taken_away(const Drawn& document, int64_t instead) {
  const Folder folder;
  const Shard shard = shard_of(folder, {document, document, document, document});
  const Lesson whole = read_lesson({shard}, all_of(shard), document.config, {.seed = 5});
  const Lesson lesson =
      read_lesson({shard}, all_of(shard), document.config, {.seed = 5, .said_drop = 1});
  EXPECT_EQ(lesson.targets, whole.targets);
  EXPECT_EQ(lesson.next_ids, whole.next_ids);
  EXPECT_EQ(lesson.batch.ids.size(), whole.batch.ids.size());
  int64_t gone = 0;
  for (size_t i = 0; i < whole.batch.ids.size(); ++i) {
    if (lesson.batch.ids[i] == whole.batch.ids[i]) continue;
    EXPECT_EQ(lesson.batch.ids[i], instead);
    EXPECT_GE(i % document.ids.size(), static_cast<size_t>(document.given));
    ++gone;
  }
  return gone;
}

TEST(LessonTest, WordsThatAreTakenAwayAreAskedForAllTheSame) {
  Drawn described;
  described.given = static_cast<int64_t>(described.ids.size());
  described.ids.insert(described.ids.end(), {5, 6, 7, 8, 9, 10});
  const int64_t gone = taken_away(described, described.config.visual.no_caption_id);
  EXPECT_GT(gone, 0);
  EXPECT_LT(gone, 4 * 6);
}

TEST(LessonTest, CellsThatAreTakenAwayAreAskedForAllTheSame) {
  const Drawn drawn;
  const int64_t gone = taken_away(drawn, drawn.config.visual.mask_id);
  EXPECT_GT(gone, 0);
  EXPECT_LT(gone, 4 * 12);  // two frames of 2 × 3 cells
}

TEST(LessonTest, AMaskedFrameAsksForWhatItHides) {
  const Folder folder;
  const Drawn document;
  const Shard shard = shard_of(folder, {document});
  const CellIds cells(document.config);
  const int64_t mask = document.config.visual.mask_id, frame = document.config.visual.frame_id;
  bool first_frame = false, second_frame = false;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const Lesson lesson =
        read_lesson({shard}, all_of(shard), document.config, {.seed = seed, .block_share = 1});
    ASSERT_EQ(lesson.batch.spans.size(), 2u);
    const Span& block = lesson.batch.spans[1];
    EXPECT_TRUE(block.two_way);
    EXPECT_EQ(block.count, 7);
    EXPECT_EQ(block.slot, lesson.batch.spans[0].slot);
    EXPECT_EQ(block.start, lesson.batch.spans[0].count);
    EXPECT_EQ(lesson.batch.ids[static_cast<size_t>(block.first_row)], frame);
    (block.start == document.given ? first_frame : second_frame) = true;
    int64_t masked = 0;
    for (size_t i = 0; i < lesson.targets.size(); ++i) {
      const int64_t row = lesson.batch.wanted[i];
      if (row < block.first_row) continue;
      // The row before a hidden cell is asked for it.
      EXPECT_EQ(lesson.batch.ids[static_cast<size_t>(row + 1)], mask);
      const int64_t position = block.start + row + 1 - block.first_row;
      EXPECT_EQ(lesson.targets[i], document.ids[static_cast<size_t>(position)]);
      EXPECT_TRUE(cells.is_cell(lesson.targets[i]));
      ++masked;
    }
    EXPECT_GE(masked, 1);
    EXPECT_EQ(masked,
              std::count(lesson.batch.ids.begin() + block.first_row, lesson.batch.ids.end(), mask));
  }
  EXPECT_TRUE(first_frame && second_frame);
}

TEST(LessonTest, BrokenCellsAreRefusedByName) {
  const Folder folder;
  const ModelConfig config = visual_config();
  ShardWriter writer("test", config.vocab);
  writer.add(std::vector<int32_t>{0, 384, 404, 1}, 0);
  ASSERT_TRUE(writer.write(folder / "broken.shard"));
  const Shard shard = Shard::open(folder / "broken.shard").take();
  const Status status = check_cells(shard, "broken.shard", config, 1024);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "broken.shard: document 0: token 3 is 1, expected code 2 of a cell");
  const Shard whole = shard_of(folder, {Drawn()});
  EXPECT_TRUE(check_cells(whole, "s", config, 1024));
  EXPECT_FALSE(check_cells(whole, "s", config, 20));
}

TEST(LessonTest, ShardsRememberWhatIsGiven) {
  const Folder folder;
  const Drawn document;
  const Shard shard = shard_of(folder, {document});
  EXPECT_EQ(shard.given(0), document.given);
  write_documents(folder / "text.shard", 2, 5);
  EXPECT_EQ(Shard::open(folder / "text.shard")->given(0), 0);
}

// A few pictures with captions, until the loss of their cells is near nothing.
TEST(LessonTest, AModelLearnsPicturesByHeart) {
  const Folder folder;
  ModelConfig config = visual_config();
  const Shard shard = shard_of(folder, {Drawn(3), Drawn(4)});
  std::ofstream(folder / "config.json") << config.to_json();
  const std::string json = R"({"model": "config.json", "train": ["drawn.shard"], "out": "out",
    "steps": 60, "micro_tokens": 200, "accumulation": 1, "learning_rate": 0.01,
    "final_learning_rate": 0.001, "warmup_steps": 3, "decay_start": 40, "threads": 1,
    "caption_drop": 0, "block_share": 0})";
  const Result<TrainConfig> run = TrainConfig::parse(json, folder / "train.json", {});
  ASSERT_TRUE(run) << run.error().message;
  const std::unique_ptr<Trainer> trainer = open_trainer(*run);
  double first = 0, last = 0;
  for (int i = 0; i < 60; ++i) {
    const Result<StepReport> report = trainer->step();
    ASSERT_TRUE(report) << report.error().message;
    if (i == 0) first = report->cell_loss;
    last = report->cell_loss;
  }
  EXPECT_GT(first, 8);  // three codes of 20: ln(20) each
  EXPECT_LT(last, 1.5);
}

}  // namespace
}  // namespace hadal::testing
