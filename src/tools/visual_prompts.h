// SPDX-License-Identifier: MIT
// Sequences with pictures: how documents are written for training, and what a prompt is when one
// is asked for.  The order of the items is the task (model/visual_sequence.h):
//
//   draw       <bos> caption span <eos>
//   describe   <bos> span caption <eos>
//   animate    <bos> span of the first frame, caption, span that begins with it <eos>
//   asked      a question of a chat, and an answer of words and spans that the model opens itself
//
// For guidance the caption is one token, "no caption".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "media/picture.h"
#include "model/config.h"
#include "model/visual_sequence.h"
#include "model/visual_tokenizer.h"
#include "text/tokenizer.h"

namespace hadal {

// Cells of a clip, frame by frame.
struct CellClip {
  SpanSize size;
  std::vector<int64_t> cells;  // packed ids

  std::span<const int64_t> frame(int64_t index) const {
    return std::span(cells).subspan(static_cast<size_t>(index * size.cells()),
                                    static_cast<size_t>(size.cells()));
  }
};

// Pixels <-> cells.  Stills have no rate.
Tensor pixels_of(const Clip& clip);  // u8 [F, Y, X, 3]
Clip clip_of(const Tensor& pixels_FYXC, double fps);
CellClip encode_clip(const VisualTokenizer& tokenizer, const ModelConfig& config, const Clip& clip);
// REQUIRES cells of the configuration, in whole frames.
Clip decode_clip(const VisualTokenizer& tokenizer, const ModelConfig& config, const CellClip& clip,
                 int64_t height, int64_t width);

class VisualPrompts {
 public:
  VisualPrompts(const ModelConfig& config, const Tokenizer& text) : config_(config), text_(text) {}

  // With an empty caption: the prompt without one.
  std::vector<int64_t> draw(std::string_view caption) const;
  std::vector<int64_t> animate(const CellClip& still, std::string_view caption) const;
  std::vector<int64_t> describe(const CellClip& clip) const;

  // Whole documents for training; `given` counts the ids that carry no loss.
  struct Document {
    std::vector<int64_t> ids;
    int64_t given = 0;
  };
  Document draw_document(std::string_view caption, const CellClip& clip) const;
  Document describe_document(std::string_view caption, const CellClip& clip) const;
  Document animate_document(std::string_view caption, const CellClip& clip) const;
  // Asks for all of them; the answer says each and shows it.  Only the question is given.
  struct Item {
    std::string caption;
    CellClip clip;
  };
  Result<Document> asked_document(std::span<const Item> items) const;

 private:
  void add_caption(std::vector<int64_t>& ids, std::string_view caption) const;
  void add_frames(std::vector<int64_t>& ids, const CellClip& clip, int64_t first,
                  int64_t last) const;
  void add_span(std::vector<int64_t>& ids, const CellClip& clip) const;

  const ModelConfig& config_;
  const Tokenizer& text_;
};

}  // namespace hadal
