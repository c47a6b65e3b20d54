// SPDX-License-Identifier: MIT
// Places of blocks, and what they should guess.
#include "train/draft_lesson.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "model/visual_sequence.h"

namespace hadal {
namespace {

class BlockMaker {
 public:
  BlockMaker(Lesson& lesson, const ModelConfig& config) : lesson_(lesson), config_(config) {
    lesson_.blocks = {};
  }

  // Whether a block can start there: the token, the next and the one after it are text.
  bool fits(const Span& span, int64_t i) const { return text_until(span, i, i + 3) == i + 3; }

  void add(const Span& span, int64_t i) {
    const int64_t block = config_.draft.block, first = span.first_row + i;
    BlockLesson& blocks = lesson_.blocks;
    const int64_t guesses = text_until(span, i, i + 2 + block) - (i + 2);
    blocks.starts.push_back({span.slot, span.start + i, id(first + 1), block});
    for (int64_t k = 0; k < block; ++k) {
      const bool counts = k < guesses;
      blocks.before.push_back(counts ? id(first + 1 + k) : 0);
      blocks.targets.push_back(counts ? id(first + 2 + k) : 0);
      blocks.judges.push_back(counts ? first + 1 + k : first + 1);
      blocks.weights.push_back(counts ? std::exp(-static_cast<float>(k) / static_cast<float>(block))
                                      : 0);
    }
    blocks.guesses += guesses;
  }

  // The model is asked for the rows that judge, each once.
  void ask() {
    BlockLesson& blocks = lesson_.blocks;
    std::vector<int64_t>& wanted = lesson_.batch.wanted;
    wanted = blocks.judges;
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    for (int64_t& judge : blocks.judges)
      judge = std::lower_bound(wanted.begin(), wanted.end(), judge) - wanted.begin();
  }

 private:
  int64_t id(int64_t row) const { return lesson_.batch.ids[static_cast<size_t>(row)]; }

  // Where, from place i on, text ends: at most at `end`.
  int64_t text_until(const Span& span, int64_t i, int64_t end) const {
    if (span.two_way) return i;
    const int64_t last = std::min(end, span.count);
    while (i < last && !is_visual(config_, id(span.first_row + i))) ++i;
    return i;
  }

  Lesson& lesson_;
  const ModelConfig& config_;
};

}  // namespace

void add_blocks(Lesson& lesson, const ModelConfig& config, double share, uint64_t seed) {
  BlockMaker maker(lesson, config);
  Random random(seed);
  for (const Span& span : lesson.batch.spans)
    for (int64_t i = 0; i < span.count; ++i)
      if (random.uniform() < share && maker.fits(span, i)) maker.add(span, i);
  maker.ask();
}

}  // namespace hadal
