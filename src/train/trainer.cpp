// SPDX-License-Identifier: MIT
// A step, its gradients and states.
#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <optional>
#include <thread>

#include "base/json.h"
#include "base/random.h"
#include "train/checkpoint.h"
#include "train/digit_rows.h"
#include "train/document_order.h"
#include "train/draft_lesson.h"
#include "train/gradients.h"
#include "train/optimiser.h"
#include "train/parameters.h"
#include "train/shard.h"
#include "train/side_by_side.h"
#include "train/worker.h"

namespace hadal {

namespace {

class TrainerOfModel final : public Trainer {
 public:
  TrainerOfModel(TrainConfig config, ModelConfig model_config, std::vector<Shard> shards,
                 std::vector<Shard> valid)
      : config_(std::move(config)),
        model_config_(std::move(model_config)),
        shards_(std::move(shards)),
        valid_(std::move(valid)),
        parameters_(model_config_, config_.seed,
                    config_.draft_of.empty() ? Learnt::model : Learnt::draft),
        order_(shards_, {config_.seed, config_.micro_tokens, config_.max_length}) {}

  Status start(const std::vector<int32_t>& compressed_ids) {
    std::optional<DigitRows> digits;
    if (config_.code_levels > 0) {
      TRY(digits, DigitRows::create(model_config_.visual, config_.code_levels));
      for (Parameter& parameter : parameters_.all())
        if (DigitRows::has_rows(parameter.spec)) digits->relate(parameter, config_.seed);
    }
    if (!config_.start_from.empty())
      TRY_STATUS(read_weights(config_.start_from, model_config_, parameters_));
    WeightSource others;
    if (!config_.draft_of.empty()) {
      TRY(others, open_weights(config_.draft_of, model_config_));
    }
    optimiser_ = std::make_unique<Optimiser>(
        parameters_,
        OptimiserOptions{config_.muon_momentum, config_.adam_beta1, config_.adam_beta2,
                         config_.adam_epsilon, config_.weight_decay, config_.engram_rate},
        digits);
    for (int64_t i = 0; i < config_.threads; ++i) {
      TRY(std::unique_ptr<Worker> worker,
          Worker::create(config_, model_config_, parameters_, others, compressed_ids));
      workers_.push_back(std::move(worker));
    }
    return Ok{};
  }

  Result<StepReport> step() override;
  int64_t steps_done() const override { return steps_done_; }
  int64_t parameter_count() const override { return parameters_.count(); }
  Result<HeldOut> validate(int64_t tokens) override;
  Status save_state() override;
  Result<bool> resume() override;
  Status export_model(const std::string& folder) override {
    if (config_.draft_of.empty()) return write_checkpoint(folder, model_config_, parameters_);
    return write_draft_head(folder, config_.draft_of, model_config_, parameters_);
  }

 private:
  bool dense_now() const {
    return config_.dense_attention || steps_done_ < config_.indexer_dense_steps;
  }
  // The blocks of guesses of a lesson, where a draft head learns; how many tokens are predicted.
  int64_t prepare(Lesson& lesson, uint64_t seed) const;
  Status learn(const std::vector<Lesson>& lessons, double scale);
  void gather(StepReport& report);
  void balance_routers();
  void balance(const std::string& name, const std::vector<const AuxiliaryLosses::Loads*>& parts);
  NamedState state_tensors();

  TrainConfig config_;
  ModelConfig model_config_;
  std::vector<Shard> shards_, valid_;
  Parameters parameters_;
  DocumentOrder order_;
  std::unique_ptr<Optimiser> optimiser_;
  std::vector<std::unique_ptr<Worker>> workers_;
  int64_t steps_done_ = 0;
};

Result<StepReport> TrainerOfModel::step() {
  StepReport report;
  std::vector<Lesson> lessons;
  for (int64_t i = 0; i < config_.accumulation; ++i) {
    const int64_t index = steps_done_ * config_.accumulation + i;
    lessons.push_back(read_lesson(shards_, order_.micro_batch(index), model_config_,
                                  {.seed = seed_for(config_.seed, "lesson" + std::to_string(index)),
                                   .caption_drop = config_.caption_drop,
                                   .block_share = config_.block_share,
                                   .engram_stray = config_.engram_stray,
                                   .said_drop = config_.said_drop}));
    report.tokens +=
        prepare(lessons.back(), seed_for(config_.seed, "blocks" + std::to_string(index)));
  }
  TRY_STATUS(learn(lessons, 1 / static_cast<double>(std::max<int64_t>(report.tokens, 1))));
  gather(report);
  TRY(report.gradient_norm, clip_gradients(parameters_, config_.clip, steps_done_ + 1));
  report.rate = config_.schedule().rate(steps_done_);
  TRY_STATUS(optimiser_->step(report.rate, config_.threads));
  balance_routers();
  report.step = ++steps_done_;
  return report;
}

int64_t TrainerOfModel::prepare(Lesson& lesson, uint64_t seed) const {
  if (config_.draft_of.empty()) return static_cast<int64_t>(lesson.targets.size());
  add_blocks(lesson, model_config_, config_.draft_share, seed);
  return lesson.blocks.guesses;
}

Status TrainerOfModel::learn(const std::vector<Lesson>& lessons, double scale) {
  for (std::unique_ptr<Worker>& worker : workers_) worker->clear();
  bool dense = dense_now();
  Status status = side_by_side(static_cast<int64_t>(lessons.size()), config_.threads,
                               [&](int64_t job, int64_t thread) {
                                 return workers_[static_cast<size_t>(thread)]->learn(
                                     lessons[static_cast<size_t>(job)], scale, dense);
                               });
  if (!status)
    return fail("step ", steps_done_ + 1, ": ", status.error().message,
                "; the run stops, no weight has moved in this step");
  return Ok{};
}

// The workers' gradients and figures, summed in their order.
void TrainerOfModel::gather(StepReport& report) {
  std::vector<Parameters*> gradients;
  for (std::unique_ptr<Worker>& worker : workers_) gradients.push_back(&worker->gradients());
  gather_gradients(parameters_, gradients);
  int64_t rows = 0, text = 0;
  double nats = 0, cell_nats = 0;
  for (std::unique_ptr<Worker>& worker : workers_) {
    const Lessons& found = worker->lessons();
    nats += found.nats;
    text += found.tokens;
    cell_nats += found.cell_nats;
    report.cells += found.cells;
    report.draft += found.draft_nats / static_cast<double>(std::max<int64_t>(report.tokens, 1));
    report.balance += found.balance;
    report.indexer += found.indexer;
    rows += found.rows;
  }
  if (text > 0) report.loss = nats / static_cast<double>(text);
  if (report.cells > 0) report.cell_loss = cell_nats / static_cast<double>(report.cells);
  report.balance /= static_cast<double>(std::max<int64_t>(rows, 1));
  report.indexer /= static_cast<double>(std::max<int64_t>(rows, 1));
}

// b_e += speed · sign(mean load - load_e)  (§10.5), text and pictures apart
void TrainerOfModel::balance_routers() {
  std::vector<const AuxiliaryLosses::Loads*> text, visual;
  for (std::unique_ptr<Worker>& worker : workers_) {
    text.push_back(&worker->losses().loads());
    visual.push_back(&worker->losses().visual_loads());
  }
  balance("gate.bias", text);
  balance("gate.bias_vl", visual);
}

void TrainerOfModel::balance(const std::string& name,
                             const std::vector<const AuxiliaryLosses::Loads*>& parts) {
  AuxiliaryLosses::Loads all_loads;
  for (const AuxiliaryLosses::Loads* part : parts)
    for (const auto& [layer, loads] : *part) {
      std::vector<int64_t>& sum = all_loads[layer];
      sum.resize(loads.size());
      for (size_t e = 0; e < loads.size(); ++e) sum[e] += loads[e];
    }
  for (const auto& [layer, loads] : all_loads) {
    const std::string block = layer < model_config_.layers
                                  ? "layers." + std::to_string(layer)
                                  : "mtp." + std::to_string(layer - model_config_.layers);
    Parameter* bias = parameters_.find(block + ".ffn." + name);
    if (bias == nullptr) continue;
    int64_t sum = 0;
    for (int64_t load : loads) sum += load;
    int64_t experts = static_cast<int64_t>(loads.size());
    float* value = bias->value.data_ptr<float>();
    for (int64_t e = 0; e < experts; ++e) {
      int64_t lack = sum - loads[static_cast<size_t>(e)] * experts;
      int sign = (lack > 0) - (lack < 0);
      value[e] += static_cast<float>(config_.balance_speed * sign);
    }
  }
}

void add_up(const std::vector<double>& part, std::vector<double>& sum) {
  sum.resize(std::max(sum.size(), part.size()));
  for (size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
}

Result<HeldOut> TrainerOfModel::validate(int64_t tokens) {
  HeldOut held_out;
  std::vector<Lesson> lessons;
  // Every shard has its share: text and pictures may be in files of their own.
  const int64_t share = tokens / std::max<int64_t>(1, static_cast<int64_t>(valid_.size()));
  for (const Shard& shard : valid_) {
    int64_t read = 0;
    for (const MicroBatch& pieces :
         in_file_order(shard, config_.micro_tokens, config_.max_length)) {
      if (read >= share) break;
      lessons.push_back(read_lesson({shard}, pieces, model_config_, {}));
      read += prepare(lessons.back(), seed_for(0, "held-out" + std::to_string(lessons.size())));
      if (config_.draft_of.empty()) held_out.text_bytes += lessons.back().text_bytes;
    }
  }
  std::vector<Lessons> found(lessons.size());
  bool dense = dense_now();
  TRY_STATUS(side_by_side(static_cast<int64_t>(lessons.size()), config_.threads,
                          [&](int64_t job, int64_t thread) -> Status {
                            size_t i = static_cast<size_t>(job);
                            found[i] =
                                workers_[static_cast<size_t>(thread)]->measure(lessons[i], dense);
                            return Ok{};
                          }));
  std::vector<double> guessed;
  for (const Lessons& part : found) {
    add_up(part.guessed, guessed);
    add_up(part.agreed, held_out.agreed);
    add_up(part.overlap, held_out.overlap);
    held_out.nats += part.nats;
    held_out.tokens += part.tokens;
    held_out.cell_nats += part.cell_nats;
    held_out.cells += part.cells;
  }
  for (size_t place = 0; place < guessed.size(); ++place) {
    held_out.agreed[place] /= std::max(guessed[place], 1.0);
    held_out.overlap[place] /= std::max(guessed[place], 1.0);
  }
  if (held_out.tokens + held_out.cells == 0) return fail("validation: no documents");
  return held_out;
}

NamedState TrainerOfModel::state_tensors() {
  NamedState tensors;
  for (const Parameter& parameter : parameters_.all())
    tensors.emplace_back("weight." + parameter.spec.name, parameter.value.detach());
  for (auto& [name, tensor] : optimiser_->memory()) tensors.emplace_back(name, tensor);
  return tensors;
}

Status TrainerOfModel::save_state() {
  TRY_STATUS(write_state(state_path(config_.out, steps_done_), state_tensors(),
                         {{"format", "hadal-train-1"},
                          {"step", std::to_string(steps_done_)},
                          {"seed", std::to_string(config_.seed)},
                          {"accumulation", std::to_string(config_.accumulation)},
                          {"micro_tokens", std::to_string(config_.micro_tokens)}}));
  forget_old_states(config_.out);
  return Ok{};
}

Result<bool> TrainerOfModel::resume() {
  std::vector<int64_t> steps = saved_steps(config_.out);
  if (steps.empty()) return false;
  std::string path = state_path(config_.out, steps.back());
  TRY(auto metadata, read_state(path, state_tensors()));
  std::map<std::string, std::string> expected = {
      {"format", "hadal-train-1"},
      {"step", std::to_string(steps.back())},
      {"seed", std::to_string(config_.seed)},
      {"accumulation", std::to_string(config_.accumulation)},
      {"micro_tokens", std::to_string(config_.micro_tokens)}};
  for (const auto& [key, value] : expected)
    if (metadata[key] != value)
      return fail(path, ": ", key, " is '", printable(metadata[key]), "', this run has '", value,
                  "'");
  steps_done_ = steps.back();
  optimiser_->set_steps_done(steps_done_);
  return true;
}

Result<std::vector<Shard>> open_shards(const std::vector<std::string>& paths,
                                       const ModelConfig& model, int64_t max_length) {
  std::vector<Shard> shards;
  for (const std::string& path : paths) {
    TRY(Shard shard, Shard::open(path));
    if (shard.vocab() > model.vocab)
      return fail(path, ": tokens of a vocabulary of ", shard.vocab(), ", the model has ",
                  model.vocab);
    TRY_STATUS(check_cells(shard, path, model, max_length));
    if (!shards.empty() && shard.tokenizer() != shards.front().tokenizer())
      return fail(path, ": tokenizer ", printable(shard.tokenizer()), ", the first shard's is ",
                  printable(shards.front().tokenizer()));
    shards.push_back(std::move(shard));
  }
  return shards;
}

}  // namespace

double HeldOut::bits_per_byte() const {
  return nats / std::numbers::ln2 / static_cast<double>(text_bytes);
}

Result<std::unique_ptr<Trainer>> Trainer::create(const TrainConfig& given,
                                                 const std::vector<int32_t>& compressed_ids) {
  TrainConfig config = given;
  if (config.threads == 0)
    config.threads = std::max<int64_t>(1, std::thread::hardware_concurrency());
  use_one_thread_per_caller();
  TRY(ModelConfig model_config, config.model_config());
  if (!config.draft_of.empty()) {
    if (model_config.draft.block == 0)
      return fail(config.model, ": dspark_block_size is 0: there are no draft stages to train");
    TRY_STATUS(check_has_no_head(config.draft_of));
  }
  TRY(std::vector<Shard> shards, open_shards(config.train, model_config, config.max_length));
  TRY(std::vector<Shard> valid, open_shards(config.valid, model_config, config.max_length));
  std::error_code error;
  std::filesystem::create_directories(config.out, error);
  if (error) return fail_machine(config.out, ": ", error.message());
  auto trainer =
      std::make_unique<TrainerOfModel>(config, model_config, std::move(shards), std::move(valid));
  TRY_STATUS(trainer->start(compressed_ids));
  return std::unique_ptr<Trainer>(std::move(trainer));
}

}  // namespace hadal
