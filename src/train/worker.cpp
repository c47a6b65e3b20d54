// SPDX-License-Identifier: MIT
// Forward and backward of one micro-batch.
#include "train/worker.h"

#include <cmath>

#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"

namespace hadal {

namespace {

bool is_finite(const at::Tensor& tensor) {
  return !tensor.is_floating_point() || at::isfinite(tensor).all().item<bool>();
}

// Remembers the first tensor of a pass that is not finite.  Scores of rows out of sight are -inf
// on purpose.
class FiniteWatch final : public Observer {
 public:
  void tensor(int64_t layer, std::string_view name, const Tensor& value) override {
    if (!found_.empty() || name.ends_with("score") || is_finite(unwrap(value))) return;
    found_ = "layers." + std::to_string(layer) + "." + std::string(name);
  }
  const std::string& found() const { return found_; }

 private:
  std::string found_;
};

}  // namespace

Worker::Worker(const TrainConfig& config, const ModelConfig& model_config,
               const Parameters& parameters)
    : config_(config),
      model_config_(model_config),
      parameters_(parameters.replica()),
      losses_(model_config, {config.balance_weight, config.indexer_weight}) {}

Result<std::unique_ptr<Worker>> Worker::create(const TrainConfig& config,
                                               const ModelConfig& model_config,
                                               const Parameters& parameters,
                                               const WeightSource& others,
                                               const std::vector<int32_t>& compressed_ids) {
  std::unique_ptr<Worker> worker(new Worker(config, model_config, parameters));
  TRY(worker->ops_, make_torch_ops("cpu"));
  ModelOptions options;
  options.rounding = config.rounding;
  options.drafts = !config.draft_of.empty();
  TRY(worker->model_, Model::create(model_config, worker->parameters_.source(others), *worker->ops_,
                                    options, compressed_ids));
  if (!worker->model_->draft_problem().empty())
    return fail(config.model, ": ", worker->model_->draft_problem());
  return worker;
}

void Worker::clear() {
  lessons_ = {};
  losses_.clear_loads();
}

Cache Worker::cache_for(const Lesson& lesson) {
  return Cache(model_config_, *ops_,
               {.slots = lesson.slots,
                .max_positions = lesson.longest,
                .max_chunk = lesson.longest,
                .rounding = config_.rounding});
}

namespace {

// Sum of -log p(target) over the rows.
at::Tensor nats_of(const at::Tensor& logits, const std::vector<int64_t>& targets) {
  return at::cross_entropy_loss(logits, at::tensor(targets, at::kLong), {}, at::Reduction::Sum);
}

}  // namespace

// Code after code, each read from a state that knows the codes before it.
at::Tensor Worker::cell_loss(const Tensor& state_WD, const std::vector<int64_t>& cells,
                             Lessons& found) {
  const CellIds ids(model_config_);
  const int64_t groups = model_config_.visual.groups;
  Tensor state = state_WD;
  at::Tensor loss;
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<int64_t> codes;
    for (int64_t cell : cells) codes.push_back(ids.code(cell, g));
    const at::Tensor nats = nats_of(unwrap(model_->code_logits(state, g)), codes);
    loss = loss.defined() ? loss + nats : nats;
    if (g + 1 < groups)
      state = model_->next_code_state(
          state, Tensor::of_ints({static_cast<int64_t>(codes.size())}, codes), g);
  }
  found.cell_nats += loss.item<double>();
  found.cells += static_cast<int64_t>(cells.size());
  // A cell weighs as much as a word, however many codes it has.
  return loss * (config_.visual_weight / static_cast<double>(groups));
}

at::Tensor Worker::losses_of(const Lesson& lesson, const Tensor& state_WD, Lessons& found) {
  const CellIds ids(model_config_);
  std::vector<int64_t> text_rows, text, cell_rows, cells;
  for (size_t i = 0; i < lesson.targets.size(); ++i) {
    const int64_t target = lesson.targets[i];
    (ids.is_cell(target) ? cell_rows : text_rows).push_back(static_cast<int64_t>(i));
    (ids.is_cell(target) ? cells : text).push_back(target);
  }
  const auto rows_of = [&](const std::vector<int64_t>& rows) {
    return ops_->take_rows(state_WD, Tensor::of_ints({static_cast<int64_t>(rows.size())}, rows));
  };
  at::Tensor loss = torch::zeros({}, at::kFloat);
  if (!text.empty()) {
    const Tensor rows = cells.empty() ? state_WD : rows_of(text_rows);
    const at::Tensor nats = nats_of(unwrap(model_->logits(rows)), text);
    found.nats += nats.item<double>();
    found.tokens += static_cast<int64_t>(text.size());
    loss = loss + nats;
  }
  if (!cells.empty()) loss = loss + cell_loss(rows_of(cell_rows), cells, found);
  return loss;
}

// Notes what it finds; gives the sum of all losses over the lesson's tokens.
at::Tensor Worker::forward(const Lesson& lesson) {
  Cache cache = cache_for(lesson);
  losses_.begin(lesson.batch);
  at::Tensor loss = losses_of(lesson, model_->states(lesson.batch, cache), lessons_);
  if (losses_.total().defined()) loss = loss + losses_.total();
  if (config_.mtp_weight == 0 || lesson.draft_rows.empty()) return loss;
  Tensor next_T = Tensor::of_ints({lesson.batch.rows()}, lesson.next_ids);
  Tensor draft = model_->draft_logits(lesson.batch, next_T, cache);
  if (!draft.defined()) return loss;
  at::Tensor rows = at::tensor(lesson.draft_rows, at::kLong);
  const at::Tensor nats = nats_of(unwrap(draft).index_select(0, rows), lesson.draft_targets);
  lessons_.draft_nats += nats.item<double>();
  return loss + nats * config_.mtp_weight;
}

// Nothing of the model itself wants a gradient, so only what the head makes of it is recorded.
at::Tensor Worker::forward_draft(const Lesson& lesson, Lessons& found, AuxiliaryLosses* observer) {
  const BlockLesson& blocks = lesson.blocks;
  if (blocks.starts.empty()) return {};
  Cache cache = cache_for(lesson);
  const at::Tensor judge_WV = unwrap(model_->logits(model_->states(lesson.batch, cache)));
  if (observer) {  // all blocks are one sequence to the balance: a block is too short for one
    Batch rows;
    rows.append(0, 0, blocks.before);
    observer->begin(rows);
    model_->watch(observer);
  }
  const DraftBlocks guess = model_->draft_blocks(blocks.starts, blocks.before, cache);
  if (observer) model_->watch(nullptr);
  const DraftLoss loss =
      draft_loss(unwrap(guess.logits_NV), unwrap(guess.confidence_N1).squeeze(1), judge_WV, blocks,
                 {config_.draft_likelihood, config_.draft_match, config_.draft_confidence});
  note(blocks, loss, found);
  return loss.sum;
}

void Worker::note(const BlockLesson& blocks, const DraftLoss& loss, Lessons& found) const {
  const size_t block = static_cast<size_t>(model_config_.draft.block);
  for (std::vector<double>* sums : {&found.guessed, &found.agreed, &found.overlap})
    sums->resize(block);
  const float* nats = loss.nats_N.data_ptr<float>();
  const float* overlap = loss.overlap_N.data_ptr<float>();
  const bool* agrees = loss.agrees_N.data_ptr<bool>();
  for (size_t i = 0; i < blocks.weights.size(); ++i) {
    if (blocks.weights[i] == 0) continue;
    found.guessed[i % block] += 1;
    found.agreed[i % block] += agrees[i] ? 1 : 0;
    found.overlap[i % block] += static_cast<double>(overlap[i]);
    found.draft_nats += static_cast<double>(nats[i]);
  }
  found.nats += loss.sum.item<double>();
  found.tokens += blocks.guesses;
}

Status Worker::learn(const Lesson& lesson, double scale, bool dense) {
  model_->options().dense_selection = dense;
  at::Tensor loss;
  if (config_.draft_of.empty()) {
    model_->watch(&losses_);
    loss = forward(lesson);
    model_->watch(nullptr);
  } else {
    loss = forward_draft(lesson, lessons_, &losses_);
    if (!loss.defined()) return Ok{};  // no place for a guess
    if (losses_.total().defined()) loss = loss + losses_.total();
  }
  double rows = static_cast<double>(lesson.batch.rows());
  lessons_.balance += losses_.balance() * rows;
  lessons_.indexer += losses_.indexer() * rows;
  lessons_.rows += lesson.batch.rows();
  if (!std::isfinite(loss.item<double>()))
    return fail("the loss is ", loss.item<double>(), "; the first tensor that is not finite is ",
                first_not_finite(lesson));
  (loss * scale).backward();
  return Ok{};
}

std::string Worker::first_not_finite(const Lesson& lesson) {
  for (const Parameter& parameter : parameters_.all())
    if (!is_finite(parameter.value)) return parameter.spec.name;
  FiniteWatch watch;
  model_->watch(&watch);
  measure(lesson, model_->options().dense_selection);
  model_->watch(nullptr);
  return watch.found().empty() ? "the loss itself" : watch.found();
}

Lessons Worker::measure(const Lesson& lesson, bool dense) {
  at::NoGradGuard no_gradients;
  model_->options().dense_selection = dense;
  Lessons found;
  if (config_.draft_of.empty()) {
    Cache cache = cache_for(lesson);
    losses_of(lesson, model_->states(lesson.batch, cache), found);
  } else {
    forward_draft(lesson, found, nullptr);
  }
  return found;
}

}  // namespace hadal
