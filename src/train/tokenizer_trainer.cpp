// SPDX-License-Identifier: MIT
// A step, its gradients and states, and what is measured on the way.
#include "train/tokenizer_trainer.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/json.h"
#include "model/visual_tokenizer.h"
#include "model/visual_tokenizer_quality.h"
#include "scenes/gallery.h"
#include "train/checkpoint.h"
#include "train/gradients.h"
#include "train/optimiser.h"
#include "train/side_by_side.h"
#include "train/tokenizer_parameters.h"
#include "train/tokenizer_samples.h"
#include "train/tokenizer_worker.h"

namespace hadal {
namespace {

// How much of the running scales a step keeps.
constexpr double kScaleMemory = 0.98;

class TrainerOfTokenizer final : public TokenizerTrainer {
 public:
  TrainerOfTokenizer(TokenizerTrainConfig config, Parameters parameters,
                     std::vector<Gallery> galleries, std::vector<Gallery> valid)
      : config_(std::move(config)),
        galleries_(std::move(galleries)),
        valid_(std::move(valid)),
        parameters_(std::move(parameters)),
        samples_(galleries_, config_),
        optimiser_(parameters_, optimiser_options()),
        scales_(unit_scales(config_.shape)) {}

  Status start() {
    for (int64_t i = 0; i < config_.threads; ++i) {
      TRY(std::unique_ptr<TokenizerWorker> worker, TokenizerWorker::create(config_, parameters_));
      workers_.push_back(std::move(worker));
    }
    return Ok{};
  }

  Result<TokenizerStep> step() override;
  int64_t steps_done() const override { return steps_done_; }
  int64_t parameter_count() const override { return parameters_.count(); }
  Result<TokenizerHeldOut> validate() override;
  Status save_state() override;
  Result<bool> resume() override;
  Status export_model(const std::string& folder) override {
    return write_tokenizer(folder, config_.shape, tokenizer_tensors(parameters_, scales_));
  }

 private:
  OptimiserOptions optimiser_options() const {
    return {config_.muon_momentum, config_.adam_beta1,   config_.adam_beta2,
            config_.adam_epsilon,  config_.weight_decay, 1};
  }
  bool is_before(double share) const {
    return static_cast<double>(steps_done_) < share * static_cast<double>(config_.steps);
  }
  Status learn(TokenizerStep& report);
  void follow_scales(const std::vector<CodeScales>& scales);
  Result<double> held_out_loss();
  Status restore_items(std::map<std::string, TokenizerSet>& sets);
  NamedState state_tensors();
  std::map<std::string, std::string> state_metadata(int64_t step) const;

  TokenizerTrainConfig config_;
  std::vector<Gallery> galleries_, valid_;
  Parameters parameters_;
  TokenizerSamples samples_;
  Optimiser optimiser_;
  CodeScales scales_;
  std::vector<std::unique_ptr<TokenizerWorker>> workers_;
  int64_t steps_done_ = 0;
};

Result<TokenizerStep> TrainerOfTokenizer::step() {
  TokenizerStep report;
  report.latent_frames = config_.accumulation * config_.latent_frames;
  TRY_STATUS(learn(report));
  std::vector<Parameters*> gradients;
  for (std::unique_ptr<TokenizerWorker>& worker : workers_)
    gradients.push_back(&worker->gradients());
  gather_gradients(parameters_, gradients);
  TRY(report.gradient_norm, clip_gradients(parameters_, config_.clip, steps_done_ + 1));
  report.rate = config_.schedule().rate(steps_done_);
  TRY_STATUS(optimiser_.step(report.rate, config_.threads));
  report.step = ++steps_done_;
  return report;
}

Status TrainerOfTokenizer::learn(TokenizerStep& report) {
  const size_t passes = static_cast<size_t>(config_.accumulation);
  const CodeNoise noise =
      is_before(config_.unrounded_until) ? CodeNoise::half_unrounded : CodeNoise::fewer_groups;
  // An encoder that stays as it is keeps its scales too.
  const bool follows = !config_.decoder_only && is_before(config_.fixed_scales_from);
  const ScaleSource source = follows ? ScaleSource::batch : ScaleSource::running;
  std::vector<double> losses(passes);
  std::vector<CodeScales> scales(passes);
  TRY_STATUS(side_by_side(
      config_.accumulation, config_.threads, [&](int64_t job, int64_t thread) -> Status {
        TokenizerWorker& worker = *workers_[static_cast<size_t>(thread)];
        const VisualLesson lesson =
            samples_.lesson(steps_done_ * config_.accumulation + job, noise);
        const size_t i = static_cast<size_t>(job);
        losses[i] =
            worker.learn(lesson, scales_, source, 1 / static_cast<double>(config_.accumulation));
        scales[i] = worker.batch_scales();
        return Ok{};
      }));
  for (double loss : losses) report.loss += loss / static_cast<double>(passes);
  if (!std::isfinite(report.loss))
    return fail("step ", steps_done_ + 1,
                ": the loss is not finite; the run stops, no weight has moved in this step");
  if (follows) follow_scales(scales);
  return Ok{};
}

// The first step gives the scales; later ones move them a little.
void TrainerOfTokenizer::follow_scales(const std::vector<CodeScales>& scales) {
  at::NoGradGuard no_gradients;
  const double memory = steps_done_ == 0 ? 0 : kScaleMemory;
  const double share = (1 - memory) / static_cast<double>(scales.size());
  scales_.mean.mul_(memory);
  scales_.variance.mul_(memory);
  for (const CodeScales& found : scales) {
    scales_.mean.add_(found.mean, share);
    scales_.variance.add_(found.variance, share);
  }
}

Result<TokenizerHeldOut> TrainerOfTokenizer::validate() {
  TokenizerHeldOut held_out;
  TRY(held_out.loss, held_out_loss());
  TRY_STATUS(restore_items(held_out.sets));
  return held_out;
}

// Lessons drawn from the validation galleries.
Result<double> TrainerOfTokenizer::held_out_loss() {
  constexpr int64_t kLessons = 8;
  TokenizerTrainConfig config = config_;
  config.train = config_.valid;
  const TokenizerSamples samples(valid_, config);
  double sum = 0;
  std::vector<double> losses(kLessons);
  TRY_STATUS(side_by_side(kLessons, config_.threads, [&](int64_t job, int64_t thread) -> Status {
    losses[static_cast<size_t>(job)] = workers_[static_cast<size_t>(thread)]->measure(
        samples.lesson(job, CodeNoise::none), scales_);
    return Ok{};
  }));
  for (double loss : losses) sum += loss;
  return sum / kLessons;
}

// Whole items through the tokenizer as it would be exported.
Status TrainerOfTokenizer::restore_items(std::map<std::string, TokenizerSet>& sets) {
  at::NoGradGuard no_gradients;
  std::map<std::string, Tensor> tensors;
  for (NamedTensor& named : tokenizer_tensors(parameters_, scales_))
    tensors[named.name] = named.tensor;
  const VisualTensorSource source = [&](const VisualTensor& tensor) -> Result<Weight> {
    return Weight{tensors.at(tensor.name), {}};
  };
  TRY(const std::unique_ptr<VisualTokenizer> tokenizer,
      VisualTokenizer::create(config_.shape, source, workers_.front()->ops()));
  for (size_t part = 0; part < valid_.size(); ++part) {
    const Gallery& gallery = valid_[part];
    const TokenizerSource& items_of = config_.valid[part];
    const int64_t all = items_of.count > 0 ? items_of.count : gallery.size() - items_of.first;
    const int64_t items = std::min(all, config_.validate_items);
    for (int64_t i = 0; i < items; ++i) {
      const int64_t item = items_of.first + i * all / items;
      const Tensor pixels = gallery.pixels(item);
      const Tensor restored =
          tokenizer->decode_clip(tokenizer->encode_clip(pixels), pixels.size(1), pixels.size(2));
      TokenizerSet& set = sets[std::string(gallery.kind(item))];
      ++set.items;
      set.decibels += psnr(pixels, restored.rows(0, pixels.size(0)));
    }
  }
  return Ok{};
}

NamedState TrainerOfTokenizer::state_tensors() {
  NamedState tensors;
  for (const Parameter& parameter : parameters_.all())
    tensors.emplace_back("weight." + parameter.spec.name, parameter.value.detach());
  tensors.emplace_back("scales.mean", scales_.mean);
  tensors.emplace_back("scales.variance", scales_.variance);
  for (auto& [name, tensor] : optimiser_.memory()) tensors.emplace_back(name, tensor);
  return tensors;
}

// What decides which lessons follow.
std::map<std::string, std::string> TrainerOfTokenizer::state_metadata(int64_t step) const {
  return {{"format", "hadal-train-visual-tokenizer-1"},
          {"step", std::to_string(step)},
          {"seed", std::to_string(config_.seed)},
          {"accumulation", std::to_string(config_.accumulation)},
          {"latent_frames", std::to_string(config_.latent_frames)}};
}

Status TrainerOfTokenizer::save_state() {
  TRY_STATUS(write_state(state_path(config_.out, steps_done_), state_tensors(),
                         state_metadata(steps_done_)));
  forget_old_states(config_.out);
  return Ok{};
}

Result<bool> TrainerOfTokenizer::resume() {
  const std::vector<int64_t> steps = saved_steps(config_.out);
  if (steps.empty()) return false;
  const std::string path = state_path(config_.out, steps.back());
  TRY(auto metadata, read_state(path, state_tensors()));
  for (const auto& [key, value] : state_metadata(steps.back()))
    if (metadata[key] != value)
      return fail(path, ": ", key, " is '", printable(metadata[key]), "', this run has '", value,
                  "'");
  steps_done_ = steps.back();
  optimiser_.set_steps_done(steps_done_);
  return true;
}

Result<std::vector<Gallery>> open_galleries(const std::vector<TokenizerSource>& sources) {
  std::vector<Gallery> galleries;
  for (const TokenizerSource& source : sources) {
    TRY(Gallery gallery, Gallery::open(source.gallery));
    if (gallery.size() == 0) return fail(source.gallery, ": the gallery is empty");
    if (source.first >= gallery.size() || source.count > gallery.size() - source.first)
      return fail(source.gallery, ": items ", source.first, " + ", source.count,
                  " are asked for, it has ", gallery.size());
    galleries.push_back(std::move(gallery));
  }
  return galleries;
}

}  // namespace

Result<std::unique_ptr<TokenizerTrainer>> TokenizerTrainer::create(
    const TokenizerTrainConfig& given) {
  TokenizerTrainConfig config = given;
  if (config.threads == 0)
    config.threads = std::max<int64_t>(1, std::thread::hardware_concurrency());
  use_one_thread_per_caller();
  TRY(std::vector<Gallery> galleries, open_galleries(config.train));
  TRY(std::vector<Gallery> valid, open_galleries(config.valid));
  std::error_code error;
  std::filesystem::create_directories(config.out, error);
  if (error) return fail_machine(config.out, ": ", error.message());
  TRY(Parameters parameters, tokenizer_parameters(config));
  auto trainer = std::make_unique<TrainerOfTokenizer>(config, std::move(parameters),
                                                      std::move(galleries), std::move(valid));
  TRY_STATUS(trainer->start());
  return std::unique_ptr<TokenizerTrainer>(std::move(trainer));
}

}  // namespace hadal
