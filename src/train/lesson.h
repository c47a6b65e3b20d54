// SPDX-License-Identifier: MIT
// Lessons: documents of one micro-batch as the model reads them, and what it should have said.
//
//   Lesson lesson = read_lesson(shards, order.micro_batch(index), options);
//
// What is given in a document (a caption that a picture is drawn from, a picture that is
// described) carries no loss.  In a share of the documents with pictures the caption is taken away
// (guidance) or the sequence ends with a frame of which some cells are masked and which is seen
// both ways (block refinement).  In a share of all documents with pictures Engram looks up n-grams
// that never occur, at a part of the positions: a caption whose pair of words is new must be read
// by attention, and a model that met every pair in Engram's tables never learns to.  In a share of
// them a part of what the model said is taken away from what it reads, so that a word is told from
// the picture and not from the word before it, and a cell is drawn from the caption and not from
// its neighbour (word dropout: Bowman et al. 2016, arXiv:1511.06349, section 3.1).  All draws
// follow from the seed and the index.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/cache.h"
#include "model/config.h"
#include "model/model.h"
#include "train/document_order.h"
#include "train/shard.h"

namespace hadal {

struct LessonOptions {
  uint64_t seed = 0;        // of this micro-batch
  double caption_drop = 0;  // share of drawn documents whose caption is taken away
  double block_share = 0;   // share of them that end with a masked frame
  double engram_stray = 0;  // share of documents with pictures that have stray n-grams
  double said_drop = 0;     // share of them that lack a part of what was said
};

// Guesses that a draft head is asked for (draft_lesson.h): config.draft.block of them for each
// start.
struct BlockLesson {
  std::vector<DraftStart> starts;
  std::vector<int64_t> before;   // the token before each guess …
  std::vector<int64_t> targets;  // … and the one that stands there; 0 where the text is over
  std::vector<int64_t> judges;   // the wanted row after which the model itself says what comes
  std::vector<float> weights;    // 0 where the text is over
  int64_t guesses = 0;           // of weight above 0
};

struct Lesson {
  Batch batch;                      // a sequence a document
  std::vector<int64_t> targets;     // after each wanted row: a token, or a cell
  std::vector<int64_t> next_ids;    // the token after every row; 0 after the last one of a span
  std::vector<int64_t> draft_rows;  // rows with a token after next …
  std::vector<int64_t> draft_targets;
  BlockLesson blocks;
  int64_t slots = 0;
  int64_t longest = 0;
  int64_t text_bytes = 0;
};

// Requires: shards that check_cells() accepted.
Lesson read_lesson(const std::vector<Shard>& shards, const MicroBatch& pieces,
                   const ModelConfig& config, const LessonOptions& options);

// Every cell of a shard must be whole, and a document with cells must fit into one piece.
Status check_cells(const Shard& shard, const std::string& path, const ModelConfig& config,
                   int64_t max_length);

}  // namespace hadal
