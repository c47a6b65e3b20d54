// SPDX-License-Identifier: MIT
// Pictures and clips inside a sequence of ids: what may stand where, and at which place.
//
//   doc   = item*                  item = text | span
//   span  = <start> size <data> frame+ <end>
//   size  = rows*columns           a still, in cells of the visual tokenizer
//         | rows*columns*frames    latent frames
//         | rows*columns*frames@fps
//   frame = <frame> cell{rows·columns}          raster order
//
// A cell is one position of the sequence with `groups` codes.  As an id it is packed: vocab +
// Σ_g code_g · codes^g; so that whatever handles ids (sessions, caches, prefixes) handles cells.
// In files of tokens a cell is `groups` ids of the vocabulary: first_id + g·codes + code_g.
//
// Places are three-axis rotary positions (time, row, column).  Text number n stands at (n, n, n).
// After <data> of a span that begins at n, <frame> t stands at (n+t, n, n) and cell (t, i, j) at
// (n+t, n+i, n+j); text goes on at n + max(frames, rows, columns).  A sequence without spans has
// the places of plain rotary positions.
//
// Ids from outside may say anything: what is not a span by this grammar is read as text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"

namespace hadal {

// Codes and ids of cells.
class CellIds {
 public:
  explicit CellIds(const ModelConfig& config)
      : vocab_(config.vocab), visual_(config.visual), cells_(config.visual.cells()) {}

  bool is_cell(int64_t id) const { return id >= vocab_; }
  // Whether an id may stand in a sequence at all.
  bool is_known(int64_t id) const { return id >= 0 && id < vocab_ + cells_; }
  int64_t pack(const int64_t* codes) const;
  int64_t code(int64_t cell, int64_t group) const;
  // Row of the embedding for one code.
  int64_t row(int64_t group, int64_t code) const {
    return visual_.first_id + group * visual_.codes + code;
  }
  // Between ids of a sequence and tokens of a file.  Unpacking refuses codes that are not whole
  // cells, group after group.
  std::vector<int32_t> to_tokens(std::span<const int64_t> ids) const;
  Result<std::vector<int64_t>> to_ids(std::span<const int32_t> tokens) const;

 private:
  int64_t vocab_;
  VisualVocabulary visual_;
  int64_t cells_;
};

// Rows that are not text: cells, what stands in their frames, and positions of given images
// (model-spec §7.5).  Engram is off there, and the router has a bias of its own.
bool is_visual(const ModelConfig& config, int64_t id);

// The size of a span: cells a frame, latent frames, frames a second (0: not said).
struct SpanSize {
  int64_t rows = 0, columns = 0, frames = 1, fps = 0;

  int64_t cells() const { return rows * columns; }
  bool operator==(const SpanSize&) const = default;
};

// The tokens <start> size <data>.
std::vector<int64_t> span_opening(const VisualVocabulary& visual, const SpanSize& size);
// Longest text of a size: four numbers, three signs.
constexpr int64_t kLongestSize = 32;

struct RotaryPlace {
  int32_t time = 0, row = 0, column = 0;  // rotary positions
  // Of a cell: its frame, for finding its neighbours in the frame before; 0 rows elsewhere.
  int32_t frame_rows = 0, frame_columns = 0;
  int32_t cell = -1;  // number inside the frame
  int32_t frame = 0;  // latent frame inside the span
};

// Reads a sequence id by id.  A value: a copy is a state to come back to.
class SequenceReader {
 public:
  enum class Expects { text, size, frame, cell, end };

  // The place of this id, which follows what was read before.
  RotaryPlace read(const VisualVocabulary& visual, int64_t id, bool is_cell);

  // What the grammar wants next.
  Expects expects() const { return expects_; }
  // Whether a token (not a cell) may follow.
  bool may_follow(const VisualVocabulary& visual, int64_t token) const;
  const SpanSize& size() const { return size_; }  // of the span that is open
  int64_t frames_read() const { return frames_read_; }
  int64_t cells_read() const { return cells_read_; }

 private:
  RotaryPlace text_place();
  int64_t& number();
  int64_t longer(int64_t digit) const;
  bool digit_may_follow(const VisualVocabulary& visual, int64_t digit) const;
  void read_size(const VisualVocabulary& visual, int64_t id);
  void leave_span();

  Expects expects_ = Expects::text;
  int64_t next_ = 0;  // rotary position of the next text token
  SpanSize size_;
  int64_t numbers_ = 0, digits_ = 0;  // of the size that is being read
  bool after_at_ = false;
  int64_t frames_read_ = 0, cells_read_ = 0;
};

}  // namespace hadal
