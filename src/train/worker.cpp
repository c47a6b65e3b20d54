// SPDX-License-Identifier: MIT
// Forward and backward of one micro-batch.
#include "train/worker.h"

#include <algorithm>
#include <cmath>

#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"

namespace hadal {

Lesson read_lesson(const std::vector<Shard>& shards, const MicroBatch& pieces) {
  Lesson lesson;
  int64_t slot = 0;
  for (const Piece& piece : pieces) {
    const Shard& shard = shards[static_cast<size_t>(piece.shard)];
    std::span<const int32_t> ids =
        shard.tokens(piece.document)
            .subspan(static_cast<size_t>(piece.first), static_cast<size_t>(piece.count));
    int64_t first = lesson.batch.rows(), count = piece.count;
    lesson.batch.append(slot++, 0, std::vector<int64_t>(ids.begin(), ids.end()));
    for (int64_t i = 0; i < count; ++i) {
      lesson.next_ids.push_back(i + 1 < count ? ids[static_cast<size_t>(i + 1)] : 0);
      if (i + 1 < count) {
        lesson.batch.wanted.push_back(first + i);
        lesson.targets.push_back(ids[static_cast<size_t>(i + 1)]);
      }
      if (i + 2 < count) {
        lesson.draft_rows.push_back(first + i);
        lesson.draft_targets.push_back(ids[static_cast<size_t>(i + 2)]);
      }
    }
    lesson.longest = std::max(lesson.longest, count);
    if (piece.first == 0) lesson.text_bytes += shard.text_bytes(piece.document);
  }
  return lesson;
}

int64_t shared_head_rows(const ModelConfig& config) {
  const VisualVocabulary& visual = config.visual;
  bool at_the_end = visual.first_id + visual.groups * visual.codes == config.vocab;
  return visual.groups > 0 && at_the_end ? config.vocab - visual.first_id : 0;
}

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
      losses_(model_config, {config.balance_weight, config.indexer_weight}),
      shared_rows_(shared_head_rows(model_config)) {}

Result<std::unique_ptr<Worker>> Worker::create(const TrainConfig& config,
                                               const ModelConfig& model_config,
                                               const Parameters& parameters,
                                               const std::vector<int32_t>& compressed_ids) {
  std::unique_ptr<Worker> worker(new Worker(config, model_config, parameters));
  TRY(worker->ops_, make_torch_ops("cpu"));
  ModelOptions options;
  options.rounding = config.rounding;
  TRY(worker->model_, Model::create(model_config, worker->parameters_.source(), *worker->ops_,
                                    options, compressed_ids));
  return worker;
}

void Worker::clear() {
  lessons_ = {};
  losses_.clear_loads();
}

// Sum of -log p(target) over the rows.
at::Tensor Worker::token_loss(const at::Tensor& logits, const std::vector<int64_t>& targets) const {
  at::Tensor all = logits;
  if (shared_rows_ > 0) {
    at::Tensor weight = torch::zeros({logits.size(1)}, at::kFloat);
    weight.data_ptr<float>()[logits.size(1) - 1] =
        static_cast<float>(std::log(static_cast<double>(shared_rows_)));
    all = logits + weight;
  }
  return at::cross_entropy_loss(all, at::tensor(targets, at::kLong), {}, at::Reduction::Sum);
}

// Notes what it finds; gives the sum of all losses over the lesson's tokens.
at::Tensor Worker::forward(const Lesson& lesson) {
  Cache cache(model_config_, *ops_,
              {.slots = static_cast<int64_t>(lesson.batch.spans.size()),
               .max_positions = lesson.longest,
               .max_chunk = lesson.longest});
  losses_.begin(lesson.batch);
  at::Tensor loss = token_loss(unwrap(model_->forward(lesson.batch, cache)), lesson.targets);
  lessons_.nats += loss.item<double>();
  if (losses_.total().defined()) loss = loss + losses_.total();
  if (config_.mtp_weight == 0 || lesson.draft_rows.empty()) return loss;
  Tensor next_T = Tensor::of_ints({lesson.batch.rows()}, lesson.next_ids);
  Tensor draft = model_->draft_logits(lesson.batch, next_T, cache);
  if (!draft.defined()) return loss;
  at::Tensor rows = at::tensor(lesson.draft_rows, at::kLong);
  at::Tensor draft_loss = token_loss(unwrap(draft).index_select(0, rows), lesson.draft_targets);
  lessons_.draft_nats += draft_loss.item<double>();
  return loss + draft_loss * config_.mtp_weight;
}

Status Worker::learn(const Lesson& lesson, double scale, bool dense) {
  model_->options().dense_selection = dense;
  model_->watch(&losses_);
  at::Tensor loss = forward(lesson);
  model_->watch(nullptr);
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

double Worker::measure(const Lesson& lesson, bool dense) {
  at::NoGradGuard no_gradients;
  Cache cache(model_config_, *ops_,
              {.slots = static_cast<int64_t>(lesson.batch.spans.size()),
               .max_positions = lesson.longest,
               .max_chunk = lesson.longest});
  model_->options().dense_selection = dense;
  return token_loss(unwrap(model_->forward(lesson.batch, cache)), lesson.targets).item<double>();
}

}  // namespace hadal
