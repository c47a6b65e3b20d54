// SPDX-License-Identifier: MIT
// States of a document as sets of tokens.
#include "engine/span_grammar.h"

#include <algorithm>

#include "base/checked.h"

namespace hadal {
namespace {

constexpr int64_t kBits = 64;

// <start> size <data>, then frames, then <end>.
int64_t longest_span(const SpanSize& size) {
  const int64_t cells = size.rows * std::max<int64_t>(1, size.columns);
  return kLongestSize + size.frames * (cells + 1) + 1;
}

}  // namespace

std::vector<uint64_t> word_mask(const ModelConfig& config) {
  const VisualVocabulary& v = config.visual;
  if (!v.drawn()) return {};
  std::vector<uint64_t> mask(static_cast<size_t>(ceil_div(config.text_vocab(), kBits)));
  for (int64_t id = 0; id < config.text_vocab(); ++id)
    mask[static_cast<size_t>(id / kBits)] |= uint64_t{1} << (id % kBits);
  for (int64_t id : {v.start_id, v.data_id, v.frame_id, v.end_id, v.mask_id, v.no_caption_id})
    mask[static_cast<size_t>(id / kBits)] &= ~(uint64_t{1} << (id % kBits));
  return mask;
}

// A span that may grow no further can still end: every number that fits may stand, and one row, one
// column and one frame fit wherever a span may begin.
bool SpanGrammar::fits(int64_t token) const {
  if (!reader_.may_follow(config_.visual, token)) return false;
  SequenceReader after = reader_;
  after.read(config_.visual, token, false);
  return after.size().frames <= limits_.frames && longest_span(after.size()) <= room_;
}

void SpanGrammar::allow(int64_t token) {
  next_[static_cast<size_t>(token / kBits)] |= uint64_t{1} << (token % kBits);
}

std::span<const uint64_t> SpanGrammar::allowed(int64_t room) {
  CHECK(!wants_cell(), "a cell is due");
  const VisualVocabulary& v = config_.visual;
  if (!in_span()) {
    room_ = std::min(room, limits_.positions);
    const bool may_begin =
        begun_ < limits_.spans && limits_.frames > 0 && room_ >= longest_span({1, 1});
    if (!may_begin) return words_;
    next_ = words_;
    allow(v.start_id);
    return next_;
  }
  next_.assign(words_.size(), 0);
  for (int64_t digit : v.digit_ids)
    if (fits(digit)) allow(digit);
  for (int64_t sign : {v.times_id, v.at_id, v.data_id, v.frame_id, v.end_id})
    if (fits(sign)) allow(sign);
  return next_;
}

void SpanGrammar::accept(int64_t id) {
  if (id == config_.visual.start_id && !in_span()) ++begun_;
  reader_.read(config_.visual, id, CellIds(config_).is_cell(id));
}

}  // namespace hadal
