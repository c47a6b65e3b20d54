// SPDX-License-Identifier: MIT
// Items in their order.
#include "tools/visual_prompts.h"

#include <algorithm>
#include <cmath>

#include "tools/conversation.h"

namespace hadal {

Tensor pixels_of(const Clip& clip) {
  const int64_t frames = static_cast<int64_t>(clip.frames.size());
  Tensor pixels = Tensor::empty(DType::u8, {frames, clip.height(), clip.width(), 3});
  uint8_t* out = pixels.data<uint8_t>();
  for (const Picture& frame : clip.frames) out = std::copy(frame.rgb.begin(), frame.rgb.end(), out);
  return pixels;
}

Clip clip_of(const Tensor& pixels, double fps) {
  Clip clip;
  clip.fps = fps;
  for (int64_t f = 0; f < pixels.size(0); ++f) {
    Picture& frame = clip.frames.emplace_back(pixels.size(2), pixels.size(1));
    const Tensor rows = pixels.rows(f, 1);
    std::copy_n(rows.data<uint8_t>(), rows.count(), frame.rgb.begin());
  }
  return clip;
}

CellClip encode_clip(const VisualTokenizer& tokenizer, const ModelConfig& config,
                     const Clip& clip) {
  const Tensor codes_KYXG = tokenizer.encode_clip(pixels_of(clip));
  const bool moving = clip.frames.size() > 1;
  const CellIds ids(config);
  CellClip coded;
  coded.size = {codes_KYXG.size(1), codes_KYXG.size(2), codes_KYXG.size(0),
                moving ? std::lround(clip.fps) : 0};
  const int64_t groups = codes_KYXG.size(3);
  CHECK(groups == config.visual.groups, groups, " groups");
  for (int64_t i = 0; i < codes_KYXG.count(); i += groups)
    coded.cells.push_back(ids.pack(codes_KYXG.data<int64_t>() + i));
  return coded;
}

Clip decode_clip(const VisualTokenizer& tokenizer, const ModelConfig& config, const CellClip& clip,
                 int64_t height, int64_t width) {
  const CellIds ids(config);
  const int64_t groups = config.visual.groups;
  const int64_t frames = static_cast<int64_t>(clip.cells.size()) / clip.size.cells();
  Tensor codes = Tensor::empty(DType::i64, {frames, clip.size.rows, clip.size.columns, groups});
  for (int64_t i = 0; i < codes.count(); ++i)
    codes.data<int64_t>()[i] = ids.code(clip.cells[static_cast<size_t>(i / groups)], i % groups);
  return clip_of(tokenizer.decode_clip(codes, height, width),
                 static_cast<double>(std::max<int64_t>(clip.size.fps, 1)));
}

void VisualPrompts::add_caption(std::vector<int64_t>& ids, std::string_view caption) const {
  if (caption.empty()) return ids.push_back(config_.visual.no_caption_id);
  const std::vector<int32_t> words = text_.encode(caption);
  ids.insert(ids.end(), words.begin(), words.end());
}

void VisualPrompts::add_frames(std::vector<int64_t>& ids, const CellClip& clip, int64_t first,
                               int64_t last) const {
  for (int64_t f = first; f < last; ++f) {
    ids.push_back(config_.visual.frame_id);
    ids.insert(ids.end(), clip.frame(f).begin(), clip.frame(f).end());
  }
}

void VisualPrompts::add_span(std::vector<int64_t>& ids, const CellClip& clip) const {
  const std::vector<int64_t> opening = span_opening(config_.visual, clip.size);
  ids.insert(ids.end(), opening.begin(), opening.end());
  add_frames(ids, clip, 0, clip.size.frames);
  ids.push_back(config_.visual.end_id);
}

std::vector<int64_t> VisualPrompts::draw(std::string_view caption) const {
  std::vector<int64_t> ids = {config_.bos_id};
  add_caption(ids, caption);
  return ids;
}

std::vector<int64_t> VisualPrompts::animate(const CellClip& still, std::string_view caption) const {
  std::vector<int64_t> ids = {config_.bos_id};
  add_span(ids, still);
  add_caption(ids, caption);
  return ids;
}

std::vector<int64_t> VisualPrompts::describe(const CellClip& clip) const {
  std::vector<int64_t> ids = {config_.bos_id};
  add_span(ids, clip);
  return ids;
}

VisualPrompts::Document VisualPrompts::draw_document(std::string_view caption,
                                                     const CellClip& clip) const {
  Document document{draw(caption), 0};
  document.given =
      static_cast<int64_t>(document.ids.size() + span_opening(config_.visual, clip.size).size());
  add_span(document.ids, clip);
  document.ids.push_back(config_.eos_id);
  return document;
}

VisualPrompts::Document VisualPrompts::describe_document(std::string_view caption,
                                                         const CellClip& clip) const {
  Document document{describe(clip), 0};
  document.given = static_cast<int64_t>(document.ids.size());
  add_caption(document.ids, caption);
  document.ids.push_back(config_.eos_id);
  return document;
}

VisualPrompts::Document VisualPrompts::animate_document(std::string_view caption,
                                                        const CellClip& clip) const {
  CellClip still{{clip.size.rows, clip.size.columns}, {}};
  still.cells.assign(clip.frame(0).begin(), clip.frame(0).end());
  Document document{animate(still, caption), 0};
  document.given =
      static_cast<int64_t>(document.ids.size() + span_opening(config_.visual, clip.size).size() +
                           1 + still.cells.size());
  add_span(document.ids, clip);
  document.ids.push_back(config_.eos_id);
  return document;
}

Result<VisualPrompts::Document> VisualPrompts::asked_document(std::span<const Item> items) const {
  std::string question;
  for (const Item& item : items) {
    const bool moves = item.clip.size.frames > 1;
    question +=
        question.empty() ? (moves ? "Film " : "Draw ") : (moves ? ", then film " : ", then draw ");
    question += item.caption;
  }
  const Dialect dialect = config_.family == Family::v41 ? Dialect::v41 : Dialect::v4_april;
  Conversation talk(text_, {.dialect = dialect}, config_);
  talk.add_user(question + ".");
  Document document;
  TRY(document.ids, talk.prompt());
  document.given = static_cast<int64_t>(document.ids.size());
  for (const Item& item : items) {
    const std::vector<int32_t> words = text_.encode("Here is " + item.caption + ":");
    document.ids.insert(document.ids.end(), words.begin(), words.end());
    add_span(document.ids, item.clip);
  }
  document.ids.push_back(config_.eos_id);
  return document;
}

}  // namespace hadal
