// SPDX-License-Identifier: MIT
// Documents into batches and targets.
#include "train/lesson.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/random.h"
#include "model/visual_sequence.h"

namespace hadal {
namespace {

// One document, cells packed.
struct Document {
  std::vector<int64_t> ids;
  size_t given = 0;   // so many of the first ids carry no loss
  double hidden = 0;  // share of what follows that the model does not read
};

class LessonReader {
 public:
  LessonReader(const ModelConfig& config, const LessonOptions& options)
      : config_(config), cells_(config), options_(options), random_(options.seed) {}

  void add(const Shard& shard, const Piece& piece) {
    const std::span<const int32_t> tokens =
        shard.tokens(piece.document)
            .subspan(static_cast<size_t>(piece.first), static_cast<size_t>(piece.count));
    const int64_t given =
        std::clamp<int64_t>(shard.given(piece.document) - piece.first, 0, piece.count);
    Document document;
    if (config_.visual.drawn()) {
      document.ids = *cells_.to_ids(tokens);
      document.given = cells_.to_ids(tokens.first(static_cast<size_t>(given)))->size();
    } else {
      document.ids.assign(tokens.begin(), tokens.end());
      document.given = static_cast<size_t>(given);
    }
    if (piece.first == 0) lesson_.text_bytes += shard.text_bytes(piece.document);
    const size_t first_row = lesson_.batch.ids.size();
    add(std::move(document));
    if (options_.engram_stray > 0) stray(first_row);
  }

  Lesson take() { return std::move(lesson_); }

 private:
  void add(Document document) {
    if (draws(document)) {
      if (random_.uniform() < options_.caption_drop) drop_caption(document);
      if (random_.uniform() < options_.block_share) return add_masked(document);
    }
    if (options_.said_drop > 0 && shows(document.ids) && random_.uniform() < options_.said_drop)
      document.hidden = random_.uniform();
    add_plain(document, document.ids.size());
    ++lesson_.slots;
  }

  // Salts the n-grams of the rows from `first` on, a document: the same share of its words and of
  // the borders of its spans (cells look nothing up).
  void stray(size_t first) {
    const std::vector<int64_t>& ids = lesson_.batch.ids;
    std::vector<uint64_t>& salt_T = lesson_.batch.engram_salt_T;
    salt_T.resize(ids.size(), 0);
    if (!shows(std::span(ids).subspan(first)) || random_.uniform() >= options_.engram_stray) return;
    const double share = random_.uniform();
    for (size_t i = first; i < ids.size(); ++i)
      if (random_.uniform() < share) salt_T[i] = random_.next() | 1;
  }

  bool shows(std::span<const int64_t> ids) const {
    return std::any_of(ids.begin(), ids.end(), [&](int64_t id) { return is_visual(config_, id); });
  }

  // Whether cells are among what is to be said.
  bool draws(const Document& document) const {
    return config_.visual.drawn() &&
           std::any_of(document.ids.begin() + static_cast<long>(document.given), document.ids.end(),
                       [&](int64_t id) { return cells_.is_cell(id); });
  }

  // The words before the last span become one token.
  void drop_caption(Document& document) const {
    std::vector<int64_t>& ids = document.ids;
    const auto is_border = [&](int64_t id) {
      return id == config_.bos_id || id == config_.visual.end_id;
    };
    const auto last = std::find(ids.rbegin(), ids.rend(), config_.visual.start_id);
    if (last == ids.rend()) return;
    const auto start = last.base() - 1;
    auto first = start;
    while (first != ids.begin() && !is_border(*(first - 1))) --first;
    if (first == start || static_cast<size_t>(start - ids.begin()) > document.given) return;
    document.given -= static_cast<size_t>(start - first) - 1;
    *first = config_.visual.no_caption_id;
    ids.erase(first + 1, start);
  }

  // The first `count` ids, causally.
  void add_plain(const Document& document, size_t count) {
    const std::vector<int64_t>& ids = document.ids;
    const int64_t first = lesson_.batch.rows(), rows = static_cast<int64_t>(count);
    lesson_.batch.append(lesson_.slots, 0, read(document, count));
    for (int64_t i = 0; i < rows; ++i) {
      const size_t next = static_cast<size_t>(i + 1);
      const bool token = next < count && !cells_.is_cell(ids[next]);
      lesson_.next_ids.push_back(token ? ids[next] : 0);
      if (next < ids.size() && next >= document.given && next < count) want(first + i, ids[next]);
      if (next + 1 < count && next + 1 >= document.given && token &&
          !cells_.is_cell(ids[next + 1])) {
        lesson_.draft_rows.push_back(first + i);
        lesson_.draft_targets.push_back(ids[next + 1]);
      }
    }
    lesson_.longest = std::max(lesson_.longest, rows);
  }

  // The first `count` ids, less what is hidden: cells where cells are said, else words.  The
  // borders of spans and their sizes stay, as the positions of cells follow from them.
  std::vector<int64_t> read(const Document& document, size_t count) {
    std::vector<int64_t> ids(document.ids.begin(), document.ids.begin() + static_cast<long>(count));
    if (document.hidden == 0) return ids;
    const bool cells = draws(document);
    for (size_t i = document.given; i < count; ++i)
      if (cells_.is_cell(ids[i]) == cells && random_.uniform() < document.hidden)
        ids[i] = cells ? config_.visual.mask_id : config_.visual.no_caption_id;
    return ids;
  }

  void want(int64_t row, int64_t target) {
    lesson_.batch.wanted.push_back(row);
    lesson_.targets.push_back(target);
  }

  // The document up to one of its frames, which is masked in part and seen both ways.
  void add_masked(const Document& document) {
    const std::vector<int64_t>& ids = document.ids;
    std::vector<size_t> frames;
    for (size_t i = document.given; i < ids.size(); ++i)
      if (ids[i] == config_.visual.frame_id) frames.push_back(i);
    // The frame whose opening was given counts too.
    if (document.given > 0 && ids[document.given - 1] == config_.visual.frame_id)
      frames.insert(frames.begin(), document.given - 1);
    if (frames.empty()) {
      add_plain(document, ids.size());
      ++lesson_.slots;
      return;
    }
    const size_t start =
        frames[static_cast<size_t>(random_.below(static_cast<int64_t>(frames.size())))];
    size_t end = start + 1;
    while (end < ids.size() && cells_.is_cell(ids[end])) ++end;
    add_plain(document, start);
    std::vector<int64_t> block(ids.begin() + static_cast<long>(start),
                               ids.begin() + static_cast<long>(end));
    const int64_t first = lesson_.batch.rows();
    const double share = std::cos(std::numbers::pi / 2 * random_.uniform());
    const size_t sure =
        1 + static_cast<size_t>(random_.below(static_cast<int64_t>(block.size()) - 1));
    for (size_t i = 1; i < block.size(); ++i) {
      if (i != sure && random_.uniform() >= share) continue;
      want(first + static_cast<int64_t>(i) - 1, block[i]);
      block[i] = config_.visual.mask_id;
    }
    lesson_.next_ids.resize(lesson_.next_ids.size() + block.size(), 0);
    lesson_.batch.append(lesson_.slots++, static_cast<int64_t>(start), block, /*two_way=*/true);
    lesson_.longest = std::max(lesson_.longest, static_cast<int64_t>(end));
  }

  const ModelConfig& config_;
  CellIds cells_;
  LessonOptions options_;
  Random random_;
  Lesson lesson_;
};

}  // namespace

Lesson read_lesson(const std::vector<Shard>& shards, const MicroBatch& pieces,
                   const ModelConfig& config, const LessonOptions& options) {
  LessonReader reader(config, options);
  for (const Piece& piece : pieces) reader.add(shards[static_cast<size_t>(piece.shard)], piece);
  return reader.take();
}

Status check_cells(const Shard& shard, const std::string& path, const ModelConfig& config,
                   int64_t max_length) {
  if (!config.visual.drawn()) return Ok{};
  const CellIds cells(config);
  for (int64_t d = 0; d < shard.documents(); ++d) {
    const std::span<const int32_t> tokens = shard.tokens(d);
    const Result<std::vector<int64_t>> ids = cells.to_ids(tokens);
    if (!ids) return fail(path, ": document ", d, ": ", ids.error().message);
    if (!cells.to_ids(tokens.first(static_cast<size_t>(shard.given(d)))))
      return fail(path, ": document ", d, ": what is given ends inside a cell");
    const bool drawn = ids->size() < tokens.size();
    if (drawn && static_cast<int64_t>(tokens.size()) > max_length)
      return fail(path, ": document ", d, " has cells and ", tokens.size(),
                  " tokens, max_length is ", max_length);
  }
  return Ok{};
}

}  // namespace hadal
