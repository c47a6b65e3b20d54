// SPDX-License-Identifier: MIT
// Cells as ids, places of a span, and what the grammar lets follow.
#include "model/visual_sequence.h"

#include <gtest/gtest.h>

#include "visual_model.h"

namespace hadal {
namespace {

using Expects = SequenceReader::Expects;

std::vector<RotaryPlace> places_of(const ModelConfig& config, const std::vector<int64_t>& ids) {
  SequenceReader reader;
  std::vector<RotaryPlace> places;
  for (int64_t id : ids) places.push_back(reader.read(config.visual, id, id >= config.vocab));
  return places;
}

std::vector<int> axes(const RotaryPlace& place) {
  return {place.time, place.row, place.column};
}

TEST(CellIds, PackAndUnpackEveryCode) {
  const ModelConfig config = visual_config();
  const CellIds cells(config);
  for (int64_t a = 0; a < 20; ++a)
    for (int64_t b = 0; b < 20; b += 7) {
      const int64_t codes[] = {a, b, 19 - a};
      const int64_t id = cells.pack(codes);
      EXPECT_TRUE(cells.is_cell(id));
      EXPECT_TRUE(cells.is_known(id));
      for (int64_t g = 0; g < 3; ++g) EXPECT_EQ(cells.code(id, g), codes[g]);
    }
  EXPECT_FALSE(cells.is_known(config.vocab + 20 * 20 * 20));
  EXPECT_FALSE(cells.is_cell(config.vocab - 1));
}

TEST(CellIds, TokensOfAFileAndBack) {
  const ModelConfig config = visual_config();
  const CellIds cells(config);
  const std::vector<int64_t> ids = sequence_with_clip(config, {2, 3, 2, 8});
  const std::vector<int32_t> tokens = cells.to_tokens(ids);
  EXPECT_EQ(tokens.size(), ids.size() + 12 * 2);
  EXPECT_EQ(*cells.to_ids(tokens), ids);
  std::vector<int32_t> cut = tokens;
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] >= 384) {
      cut.erase(cut.begin() + static_cast<long>(i));
      break;
    }
  EXPECT_FALSE(cells.to_ids(cut));
  EXPECT_FALSE(cells.to_ids(std::vector<int32_t>{384, 404}));
}

TEST(SequenceReader, GivesTheThreeAxesOfAClip) {
  const ModelConfig config = visual_config();
  const std::vector<int64_t> ids = sequence_with_clip(config, {2, 3, 2, 8});
  const std::vector<RotaryPlace> places = places_of(config, ids);
  // 4 words, <start> 2 * 3 * 2 @ 8 <data>: 13 tokens of text.
  for (int i = 0; i < 13; ++i)
    EXPECT_EQ(axes(places[static_cast<size_t>(i)]), (std::vector<int>{i, i, i}));
  EXPECT_EQ(axes(places[13]), (std::vector<int>{13, 13, 13}));  // <frame> 0
  EXPECT_EQ(axes(places[14]), (std::vector<int>{13, 13, 13}));
  EXPECT_EQ(axes(places[16]), (std::vector<int>{13, 13, 15}));
  EXPECT_EQ(axes(places[19]), (std::vector<int>{13, 14, 15}));
  EXPECT_EQ(axes(places[20]), (std::vector<int>{14, 13, 13}));  // <frame> 1
  EXPECT_EQ(axes(places[26]), (std::vector<int>{14, 14, 15}));
  EXPECT_EQ(places[26].cell, 5);
  EXPECT_EQ(places[26].frame, 1);
  EXPECT_EQ(places[26].frame_columns, 3);
  EXPECT_EQ(axes(places[27]), (std::vector<int>{16, 16, 16}));  // <end>: 13 + max(2, 2, 3)
  EXPECT_EQ(axes(places[30]), (std::vector<int>{19, 19, 19}));
}

TEST(SequenceReader, ReadsWhatIsNoSpanAsText) {
  const ModelConfig config = visual_config();
  const CellIds cells(config);
  const int64_t codes[] = {1, 2, 3};
  const int64_t cell = cells.pack(codes);
  for (const std::vector<int64_t>& ids :
       std::vector<std::vector<int64_t>>{
           {22, 23, 21, cell, 5},          // pieces of spans without a start
           {20, 20, 12, 26, 99, 12},       // a size that ends in a word
           {20, 26, 26},                   // no digits
           {20, 10, 26, 12, 21},           // a leading zero
           {20, 19, 19, 26, 19, 19, 21}})  // a frame larger than the model's
  {
    const std::vector<RotaryPlace> places = places_of(config, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(places[i].time, static_cast<int>(i));
      EXPECT_EQ(places[i].cell, -1);
    }
  }
}

TEST(SequenceReader, ASpanThatBreaksOffLeavesItsRoom) {
  const ModelConfig config = visual_config();
  std::vector<int64_t> ids = sequence_with_clip(config, {2, 3, 2, 8});
  ids.resize(17);  // three cells of the first frame
  ids.push_back(60);
  ids.push_back(61);
  const std::vector<RotaryPlace> places = places_of(config, ids);
  EXPECT_EQ(axes(places[17]), (std::vector<int>{16, 16, 16}));
  EXPECT_EQ(axes(places[18]), (std::vector<int>{17, 17, 17}));
}

// Follows a random walk through whatever the grammar allows: every walk is a whole document.
TEST(SequenceReader, OnlyWellFormedSpansCanBeMade) {
  const ModelConfig config = visual_config();
  const VisualVocabulary& v = config.visual;
  const int64_t codes[] = {0, 0, 0};
  const int64_t cell = CellIds(config).pack(codes);
  int64_t spans = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    SequenceReader reader;
    for (int64_t i = 0; i < 400; ++i) {
      if (reader.expects() == Expects::cell) {
        reader.read(v, cell, true);
        continue;
      }
      std::vector<int64_t> allowed;
      for (int64_t id = 0; id < config.text_vocab(); ++id)
        if (reader.may_follow(v, id)) allowed.push_back(id);
      ASSERT_FALSE(allowed.empty());
      int64_t id = allowed[static_cast<size_t>(random.below(static_cast<int64_t>(allowed.size())))];
      if (reader.expects() == Expects::text && i % 5 == 0) id = v.start_id;
      if (reader.expects() == Expects::size && reader.may_follow(v, v.data_id)) id = v.data_id;
      const Expects before = reader.expects();
      reader.read(v, id, false);
      if (before == Expects::size && id != v.data_id) {
        EXPECT_EQ(reader.expects(), Expects::size);
      }
      if (id == v.data_id) {
        EXPECT_EQ(reader.expects(), Expects::frame);
        EXPECT_GE(reader.size().cells(), 1);
        EXPECT_LE(reader.size().cells(), v.max_frame_cells);
        EXPECT_GE(reader.size().frames, 1);
      }
      if (id == v.end_id) ++spans;
    }
  }
  EXPECT_GT(spans, 100);
}

}  // namespace
}  // namespace hadal
