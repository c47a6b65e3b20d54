// SPDX-License-Identifier: MIT
// Answers of words, pictures and clips in any order: a script is followed to the letter, and
// whatever a model says, what comes out is a document by the grammar.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "../model/visual_model.h"
#include "backends/cpu/cpu_ops.h"
#include "engine/generator.h"
#include "engine/random.h"
#include "oracle_model.h"

namespace hadal {
namespace {

// Logits by position of the token that they choose, over the caches of a real model.
class ScriptedModel final : public Model {
 public:
  using Script = std::function<void(int64_t position, std::span<float> logits)>;
  ScriptedModel(Model& inner, Ops& ops, Script script)
      : Model(inner.config(), ops, inner.options()), inner_(inner), script_(std::move(script)) {}

  Tensor states(const Batch& batch, Cache& cache) override {
    next_.clear();
    std::vector<int64_t> position;
    for (const Span& span : batch.spans)
      for (int64_t i = 0; i < span.count; ++i) position.push_back(span.start + i + 1);
    for (int64_t row : batch.wanted) next_.push_back(position[static_cast<size_t>(row)]);
    return inner_.states(batch, cache);
  }
  Tensor logits(const Tensor& state_WD) override {
    Tensor logits = inner_.logits(state_WD);
    for (int64_t row = 0; row < logits.size(0); ++row)
      script_(next_[static_cast<size_t>(row)],
              {logits.rows(row, 1).data<float>(), static_cast<size_t>(logits.size(1))});
    return logits;
  }
  Tensor code_logits(const Tensor& state_WD, int64_t group) override {
    return inner_.code_logits(state_WD, group);
  }
  Tensor next_code_state(const Tensor& state_WD, const Tensor& codes_W, int64_t group) override {
    return inner_.next_code_state(state_WD, codes_W, group);
  }

 private:
  Model& inner_;
  Script script_;
  std::vector<int64_t> next_;  // position of the token after each wanted row
};

// The grammar once more, written as it stands in visual_sequence.h, with nothing of SequenceReader.
class Judge {
 public:
  Judge(const ModelConfig& config, std::vector<int64_t> ids)
      : v_(config.visual), cells_(config), ids_(std::move(ids)) {}

  // Empty: a document.  `spans` are those it has.
  std::string fault() {
    while (at_ < ids_.size()) {
      if (take(v_.start_id)) {
        if (!read_span()) return "no span at " + std::to_string(at_);
        continue;
      }
      for (int64_t id : {v_.data_id, v_.frame_id, v_.end_id, v_.mask_id, v_.no_caption_id})
        if (ids_[at_] == id) return "a border at " + std::to_string(at_);
      if (cells_.is_cell(ids_[at_])) return "a cell at " + std::to_string(at_);
      ++at_;
      ++words;
    }
    return "";
  }
  std::vector<SpanSize> spans;
  int64_t words = 0;

 private:
  bool take(int64_t id) {
    if (at_ == ids_.size() || ids_[at_] != id) return false;
    ++at_;
    return true;
  }
  bool number(int64_t& value) {
    std::string digits;
    for (; at_ < ids_.size(); ++at_) {
      const auto digit = std::find(v_.digit_ids.begin(), v_.digit_ids.end(), ids_[at_]);
      if (digit == v_.digit_ids.end()) break;
      digits += std::to_string(digit - v_.digit_ids.begin());
    }
    if (digits.empty() || digits[0] == '0' || digits.size() > 9) return false;
    value = std::stoll(digits);
    return true;
  }
  bool read_span() {
    SpanSize size;
    if (!number(size.rows) || !take(v_.times_id) || !number(size.columns)) return false;
    if (take(v_.times_id) && !number(size.frames)) return false;
    if (take(v_.at_id) && !number(size.fps)) return false;
    if (!take(v_.data_id) || size.cells() > v_.max_frame_cells) return false;
    for (int64_t frame = 0; frame < size.frames; ++frame) {
      if (!take(v_.frame_id)) return false;
      for (int64_t cell = 0; cell < size.cells(); ++cell, ++at_)
        if (at_ == ids_.size() || !cells_.is_cell(ids_[at_])) return false;
    }
    spans.push_back(size);
    return take(v_.end_id);
  }

  const VisualVocabulary& v_;
  CellIds cells_;
  std::vector<int64_t> ids_;
  size_t at_ = 0;
};

class SpanAnswersTest : public testing::Test {
 protected:
  Generated answer(Model& model, const GenerateOptions& options,
                   const std::vector<int64_t>& prompt = {0, 40, 41}, int64_t positions = 512) {
    Cache cache(config_, *ops_, {.slots = 1, .max_positions = positions, .max_chunk = 64});
    Session session(model, *ops_, cache, {});
    EXPECT_TRUE(session.extend(prompt, nullptr));
    return generate(session, options, [&](const Sample& token) {
      return on_token_ ? on_token_(token) : Flow::go_on;
    });
  }
  static GenerateOptions free_options(int64_t max_tokens, uint64_t seed = 1) {
    GenerateOptions options;
    options.sampler.seed = seed;
    options.spans.limits.spans = 100;
    options.max_tokens = max_tokens;
    return options;
  }
  // Says the tokens of `ids`; where they have a cell, the model's own follows.
  ScriptedModel::Script saying(const std::vector<int64_t>& ids, int64_t first) const {
    return [this, ids, first](int64_t position, std::span<float> logits) {
      const int64_t at = position - first;
      if (at < 0 || at >= static_cast<int64_t>(ids.size())) return;
      const int64_t id = ids[static_cast<size_t>(at)];
      if (id < config_.text_vocab()) logits[static_cast<size_t>(id)] = 1000;
    };
  }
  std::vector<int64_t> span(const SpanSize& size) const {
    std::vector<int64_t> ids = span_opening(config_.visual, size);
    for (int64_t frame = 0; frame < size.frames; ++frame) {
      ids.push_back(config_.visual.frame_id);
      ids.insert(ids.end(), static_cast<size_t>(size.cells()), config_.vocab);
    }
    ids.push_back(config_.visual.end_id);
    return ids;
  }
  static std::vector<int64_t> joined(const std::vector<std::vector<int64_t>>& parts) {
    std::vector<int64_t> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }
  // `a` with every cell as in `b`, which must have cells at the same places.
  static std::vector<int64_t> with_cells_of(const CellIds& cells, std::vector<int64_t> a,
                                            const std::vector<int64_t>& b) {
    for (size_t i = 0; i < a.size() && i < b.size(); ++i)
      if (cells.is_cell(a[i]) && cells.is_cell(b[i])) a[i] = b[i];
    return a;
  }

  ModelConfig config_ = visual_config();
  std::unique_ptr<Ops> ops_ = make_cpu_ops({});
  std::unique_ptr<Model> model_ = visual_model(config_, *ops_);
  std::function<Flow(const Sample&)> on_token_;
};

TEST_F(SpanAnswersTest, TextPictureTextClipText) {
  const std::vector<int64_t> script = joined(
      {{50, 51}, span({3, 4}), {52}, span({2, 2, 3, 8}), span({1, 1}), {53, 54, config_.eos_id}});
  ScriptedModel model(*model_, *ops_, saying(script, 3));
  GenerateOptions options = free_options(0);
  options.end_ids = {config_.eos_id};
  const Generated said = answer(model, options);
  EXPECT_EQ(said.finish, Finish::end);
  EXPECT_EQ(with_cells_of(CellIds(config_), script, said.ids), said.ids);
  std::vector<int64_t> words = said.ids;
  words.pop_back();
  Judge judge(config_, words);
  EXPECT_EQ(judge.fault(), "");
  EXPECT_EQ(judge.spans, (std::vector<SpanSize>{{3, 4}, {2, 2, 3, 8}, {1, 1}}));
  EXPECT_EQ(judge.words, 5);
}

// The cells are those that the model finds likeliest, read as the painter's test reads them.
TEST_F(SpanAnswersTest, ColdCellsAreTheModelsLikeliest) {
  const std::vector<int64_t> script = span({2, 3});
  ScriptedModel model(*model_, *ops_, saying(script, 3));
  GenerateOptions options = free_options(static_cast<int64_t>(script.size()));
  options.spans.temperature = 0;
  options.max_tokens = kLongestSize + 8;
  const Generated said = answer(model, options);
  const CellIds cells(config_);
  std::vector<int64_t> ids = {0, 40, 41};
  int64_t drawn = 0;
  for (int64_t id : said.ids) {
    if (cells.is_cell(id)) {
      Cache cache(config_, *ops_, {.slots = 1, .max_positions = 64, .max_chunk = 64});
      Batch batch;
      batch.append(0, 0, ids);
      batch.wanted = {batch.rows() - 1};
      Tensor state = model_->states(batch, cache);
      for (int64_t g = 0; g < config_.visual.groups; ++g) {
        const Tensor logits = model_->code_logits(state, g);
        const float* row = logits.data<float>();
        EXPECT_EQ(cells.code(id, g), std::max_element(row, row + config_.visual.codes) - row);
        state = model_->next_code_state(state, Tensor::of_ints({1}, {cells.code(id, g)}), g);
      }
      ++drawn;
    }
    ids.push_back(id);
  }
  EXPECT_EQ(drawn, 6);
}

// Whatever the logits are: thousands of ids, spans everywhere, no fault.
TEST_F(SpanAnswersTest, RandomLogitsNeverLeaveTheGrammar) {
  int64_t ids = 0, spans = 0, clips = 0, words = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    ScriptedModel model(*model_, *ops_, [&](int64_t position, std::span<float> logits) {
      for (size_t id = 0; id < logits.size(); ++id)
        logits[id] = static_cast<float>(3 * uniform(seed, position, static_cast<int64_t>(id)));
      // Borders are as likely as all words together, wherever they may not stand too.
      const VisualVocabulary& v = config_.visual;
      for (int64_t id : {v.start_id, v.data_id, v.frame_id, v.end_id, v.mask_id, v.no_caption_id,
                         v.times_id, v.at_id})
        logits[static_cast<size_t>(id)] += 6;
    });
    const int64_t most = 20 + static_cast<int64_t>(seed * 37 % 300);
    GenerateOptions options = free_options(most, seed);
    options.spans.limits.positions = 90 + static_cast<int64_t>(seed % 3) * 60;
    options.spans.limits.frames = 1 + static_cast<int64_t>(seed % 5);
    // A cache that ends before the answer would, in every second case.
    const int64_t positions = seed % 2 == 0 ? 160 : 512;
    const Generated said = answer(model, options, {0, 40, 41}, positions);
    Judge judge(config_, said.ids);
    EXPECT_EQ(judge.fault(), "") << "seed " << seed << ", " << said.ids.size() << " ids";
    EXPECT_LE(static_cast<int64_t>(said.ids.size()), most);
    for (const SpanSize& size : judge.spans) {
      EXPECT_LE(size.frames, options.spans.limits.frames);
      EXPECT_LE(size.frames * (size.cells() + 1), options.spans.limits.positions);
      clips += size.frames > 1;
    }
    ids += static_cast<int64_t>(said.ids.size());
    spans += static_cast<int64_t>(judge.spans.size());
    words += judge.words;
  }
  EXPECT_GT(ids, 2500);
  EXPECT_GT(spans, 30);
  EXPECT_GT(clips, 5);
  EXPECT_GT(words, 30);
}

// Sizes that a model insists on grow no further than what may be finished.
TEST_F(SpanAnswersTest, ASizeEndsWhereTheRoomDoes) {
  const VisualVocabulary& v = config_.visual;
  for (const int64_t loved : {v.digit_ids[9], v.digit_ids[0], v.times_id, v.at_id}) {
    ScriptedModel model(*model_, *ops_, [&](int64_t, std::span<float> logits) {
      logits[static_cast<size_t>(v.start_id)] += 500;
      logits[static_cast<size_t>(loved)] += 1000;
    });
    const Generated said = answer(model, free_options(200));
    Judge judge(config_, said.ids);
    EXPECT_EQ(judge.fault(), "") << loved;
  }
}

TEST_F(SpanAnswersTest, WordsAloneWhereNoSpanIsAllowed) {
  const std::vector<int64_t> script = joined({{50}, span({3, 4}), {52}});
  ScriptedModel model(*model_, *ops_, saying(script, 3));
  GenerateOptions options = free_options(40);
  options.spans.limits.spans = 0;
  Judge none(config_, answer(model, options).ids);
  EXPECT_EQ(none.fault(), "");
  EXPECT_TRUE(none.spans.empty());
  EXPECT_EQ(none.words, 40);
  // One, and then no more.
  const std::vector<int64_t> two = joined({span({1, 2}), span({1, 2}), {52}});
  ScriptedModel eager(*model_, *ops_, saying(two, 3));
  options.spans.limits.spans = 1;
  options.max_tokens = 60;
  Judge one(config_, answer(eager, options).ids);
  EXPECT_EQ(one.fault(), "");
  EXPECT_EQ(one.spans.size(), 1u);
}

// A prompt may hold anything; an open span in it is read as text, and words follow.
TEST_F(SpanAnswersTest, ASpanThatThePromptLeavesOpenIsText) {
  const VisualVocabulary& v = config_.visual;
  const std::vector<int64_t> opening = span_opening(v, {3, 4});
  for (size_t cut = 1; cut <= opening.size() + 1; ++cut) {
    std::vector<int64_t> prompt = {0, 40};
    prompt.insert(prompt.end(), opening.begin(),
                  opening.begin() + static_cast<long>(std::min(cut, opening.size())));
    if (cut > opening.size()) prompt.push_back(v.frame_id);
    Judge judge(config_, answer(*model_, free_options(30), prompt).ids);
    EXPECT_EQ(judge.fault(), "") << cut;
  }
}

TEST_F(SpanAnswersTest, TheSameSeedDrawsTheSameAndGoesOnTheSame) {
  const std::vector<int64_t> script = joined({{50}, span({3, 4}), {52, 53, 54, 55}});
  ScriptedModel model(*model_, *ops_, saying(script, 3));
  const GenerateOptions options = free_options(60, 7);
  const std::vector<int64_t> first = answer(model, options).ids;
  EXPECT_EQ(answer(model, options).ids, first);
  EXPECT_NE(answer(model, free_options(60, 8)).ids, first);
  // The words after the picture are those that follow it when it is part of a prompt.
  std::vector<int64_t> prompt = {0, 40, 41};
  const auto end = std::find(first.begin(), first.end(), config_.visual.end_id) + 1;
  prompt.insert(prompt.end(), first.begin(), end);
  GenerateOptions rest = options;
  rest.max_tokens = first.end() - end;
  rest.spans.limits.spans -= 1;
  EXPECT_EQ(answer(model, rest, prompt).ids, std::vector<int64_t>(end, first.end()));
}

// Guesses may run into a span; what is said stays the same.
TEST_F(SpanAnswersTest, GuessingAheadChangesNothing) {
  const std::vector<int64_t> script =
      joined({{50, 51, 52}, span({2, 3}), {53, 54, 55, 56}, span({1, 2, 2, 8}), {57, 58}});
  ScriptedModel scripted(*model_, *ops_, saying(script, 3));
  const GenerateOptions options = free_options(80, 3);
  const std::vector<int64_t> plain = answer(scripted, options).ids;
  std::vector<int64_t> whole = {0, 40, 41};
  for (int64_t id : plain) whole.push_back(id < config_.text_vocab() ? id : 5);
  OracleModel oracle(scripted, *ops_, 4, whole, [](int64_t position) { return position % 7 == 0; });
  DraftLength drafts(4, 4);
  GenerateOptions guessing = options;
  guessing.drafts = &drafts;
  EXPECT_EQ(answer(oracle, guessing).ids, plain);
}

TEST_F(SpanAnswersTest, StopsInsideAFrameWhenCancelled) {
  const std::vector<int64_t> script = span({3, 4});
  ScriptedModel model(*model_, *ops_, saying(script, 3));
  std::atomic<bool> cancel = false;
  GenerateOptions options = free_options(100);
  options.cancel = &cancel;
  int64_t cells = 0;
  on_token_ = [&](const Sample& token) {
    if (CellIds(config_).is_cell(token.id)) cancel = ++cells == 5;
    return Flow::go_on;
  };
  const Generated said = answer(model, options);
  EXPECT_EQ(said.finish, Finish::cancelled);
  EXPECT_EQ(cells, 5);
}

}  // namespace
}  // namespace hadal
