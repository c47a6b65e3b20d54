// SPDX-License-Identifier: MIT
// Cells as ids, and the grammar of spans as a small machine.
#include "model/visual_sequence.h"

#include <algorithm>

namespace hadal {
namespace {

constexpr int64_t kMostFrames = 1 << 16;  // latent ones: hours at any rate
constexpr int64_t kMostFps = 240;         // what cameras give

int64_t digit_of(const VisualVocabulary& visual, int64_t id) {
  const auto found = std::find(visual.digit_ids.begin(), visual.digit_ids.end(), id);
  return found == visual.digit_ids.end() ? -1 : found - visual.digit_ids.begin();
}

}  // namespace

int64_t CellIds::pack(const int64_t* codes) const {
  int64_t cell = 0;
  for (int64_t g = visual_.groups - 1; g >= 0; --g) cell = cell * visual_.codes + codes[g];
  return vocab_ + cell;
}

int64_t CellIds::code(int64_t cell, int64_t group) const {
  int64_t rest = cell - vocab_;
  for (int64_t g = 0; g < group; ++g) rest /= visual_.codes;
  return rest % visual_.codes;
}

std::vector<int32_t> CellIds::to_tokens(std::span<const int64_t> ids) const {
  std::vector<int32_t> tokens;
  for (int64_t id : ids) {
    if (!is_cell(id)) {
      tokens.push_back(static_cast<int32_t>(id));
      continue;
    }
    for (int64_t g = 0; g < visual_.groups; ++g)
      tokens.push_back(static_cast<int32_t>(row(g, code(id, g))));
  }
  return tokens;
}

Result<std::vector<int64_t>> CellIds::to_ids(std::span<const int32_t> tokens) const {
  std::vector<int64_t> ids, codes;
  const int64_t end = visual_.first_id + visual_.groups * visual_.codes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool visual = visual_.groups > 0 && tokens[i] >= visual_.first_id && tokens[i] < end;
    const int64_t group = visual ? (tokens[i] - visual_.first_id) / visual_.codes : 0;
    if (visual ? group != static_cast<int64_t>(codes.size()) : !codes.empty())
      return fail("token ", i, " is ", tokens[i], ", expected code ", codes.size(), " of a cell");
    if (!visual) {
      ids.push_back(tokens[i]);
      continue;
    }
    codes.push_back((tokens[i] - visual_.first_id) % visual_.codes);
    if (static_cast<int64_t>(codes.size()) < visual_.groups) continue;
    ids.push_back(pack(codes.data()));
    codes.clear();
  }
  if (!codes.empty()) return fail("the last cell has ", codes.size(), " of its codes");
  return ids;
}

bool is_visual(const ModelConfig& config, int64_t id) {
  const VisualVocabulary& visual = config.visual;
  return id >= config.vocab || (config.image_id && id == *config.image_id) ||
         (visual.drawn() && (id == visual.mask_id || id == visual.frame_id));
}

std::vector<int64_t> span_opening(const VisualVocabulary& visual, const SpanSize& size) {
  std::vector<int64_t> ids = {visual.start_id};
  const auto number = [&](int64_t value) {
    for (char digit : std::to_string(value))
      ids.push_back(visual.digit_ids[static_cast<size_t>(digit - '0')]);
  };
  number(size.rows);
  ids.push_back(visual.times_id);
  number(size.columns);
  if (size.frames > 1 || size.fps > 0) {
    ids.push_back(visual.times_id);
    number(size.frames);
  }
  if (size.fps > 0) {
    ids.push_back(visual.at_id);
    number(size.fps);
  }
  ids.push_back(visual.data_id);
  return ids;
}

RotaryPlace SequenceReader::text_place() {
  const int32_t n = static_cast<int32_t>(next_++);
  return {n, n, n};
}

void SequenceReader::leave_span() {
  expects_ = Expects::text;
  size_ = {};
  frames_read_ = cells_read_ = 0;
}

int64_t& SequenceReader::number() {
  int64_t* const fields[] = {&size_.rows, &size_.columns, &size_.frames};
  return after_at_ ? size_.fps : *fields[numbers_];
}

// The number that is being read, one digit longer.
int64_t SequenceReader::longer(int64_t digit) const {
  const int64_t fields[] = {size_.rows, size_.columns, size_.frames};
  const int64_t number = after_at_ ? size_.fps : fields[numbers_];
  return (digits_ == 0 ? 0 : number) * 10 + digit;
}

void SequenceReader::read_size(const VisualVocabulary& visual, int64_t id) {
  if (!may_follow(visual, id)) return leave_span();
  const int64_t digit = digit_of(visual, id);
  if (digit >= 0) {
    number() = longer(digit);
    ++digits_;
    return;
  }
  digits_ = 0;
  if (id == visual.times_id) {
    ++numbers_;
  } else if (id == visual.at_id) {
    after_at_ = true;
  } else {
    expects_ = Expects::frame;
  }
}

// A digit may follow where the number stays one that a size can go on with: there is no way into
// a size that has no end.
bool SequenceReader::digit_may_follow(const VisualVocabulary& visual, int64_t digit) const {
  const int64_t value = longer(digit);
  if (value == 0) return false;
  if (after_at_) return value <= kMostFps;
  if (numbers_ == 2) return value <= kMostFrames;
  return value * (numbers_ == 1 ? size_.rows : 1) <= visual.max_frame_cells;
}

bool SequenceReader::may_follow(const VisualVocabulary& v, int64_t token) const {
  switch (expects_) {
    case Expects::text:
      return token != v.data_id && token != v.frame_id && token != v.end_id && token != v.mask_id &&
             (token < v.first_id || token >= v.first_id + v.groups * v.codes);
    case Expects::size: {
      if (digit_of(v, token) >= 0) return digit_may_follow(v, digit_of(v, token));
      if (digits_ == 0) return false;
      if (token == v.times_id) return numbers_ < 2 && !after_at_;
      if (token == v.at_id) return numbers_ == 2 && !after_at_;
      return token == v.data_id && numbers_ >= 1;
    }
    case Expects::frame:
      return token == v.frame_id;
    case Expects::cell:
      return token == v.mask_id;
    case Expects::end:
      return token == v.end_id;
  }
  return false;
}

RotaryPlace SequenceReader::read(const VisualVocabulary& v, int64_t id, bool is_cell) {
  if (expects_ == Expects::size) {
    read_size(v, id);
    return text_place();
  }
  if (expects_ == Expects::frame && id == v.frame_id) {
    const int32_t n = static_cast<int32_t>(next_);
    expects_ = Expects::cell;
    cells_read_ = 0;
    return {static_cast<int32_t>(next_ + frames_read_), n, n};
  }
  if (expects_ == Expects::cell && (is_cell || id == v.mask_id)) {
    const int64_t cell = cells_read_++;
    const RotaryPlace place{static_cast<int32_t>(next_ + frames_read_),
                            static_cast<int32_t>(next_ + cell / size_.columns),
                            static_cast<int32_t>(next_ + cell % size_.columns),
                            static_cast<int32_t>(size_.rows),
                            static_cast<int32_t>(size_.columns),
                            static_cast<int32_t>(cell),
                            static_cast<int32_t>(frames_read_)};
    if (cells_read_ == size_.cells())
      expects_ = ++frames_read_ == size_.frames ? Expects::end : Expects::frame;
    return place;
  }
  if (expects_ != Expects::text) {  // the end of the span, or of its being one
    next_ += std::max({frames_read_, size_.rows, size_.columns, int64_t{1}});
    leave_span();
    return text_place();
  }
  if (v.drawn() && id == v.start_id) {
    leave_span();
    expects_ = Expects::size;
    numbers_ = digits_ = 0;
    after_at_ = false;
  }
  return text_place();
}

}  // namespace hadal
