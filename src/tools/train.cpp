// SPDX-License-Identifier: MIT
// The command: options, progress, when to save.
#include "tools/train.h"

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/engram_keys.h"
#include "text/tokenizer.h"
#include "tools/interrupt.h"
#include "tools/open_model.h"
#include "tools/pace.h"
#include "tools/train_options.h"
#include "tools/train_tokenizer.h"
#include "train/loss_plot.h"
#include "train/tokenizer_config.h"
#include "train/train_config.h"
#include "train/trainer.h"
#include "train/training_log.h"

namespace hadal {

namespace {

// What the published folder holds besides config.json and the weights.
Status copy_tokenizer(const TrainConfig& config) {
  if (config.tokenizer.empty()) return Ok{};
  TRY(const std::string json, read_tokenizer_json(config.tokenizer));
  return write_file(config.out + "/tokenizer.json", json);
}

Result<std::vector<int32_t>> engram_map(const TrainConfig& config) {
  TRY(ModelConfig model, config.model_config());
  if (!model.engram.present()) return std::vector<int32_t>{};
  if (config.tokenizer.empty())
    return fail("the model has Engram layers: 'tokenizer' must be given, its map is made from it");
  TRY(Tokenizer tokenizer, Tokenizer::open(config.tokenizer));
  return compressed_token_map(tokenizer, model.vocab);
}

// The rate at which steps are done, from those since the start of this process.
class Pace {
 public:
  void add(double seconds, int64_t tokens) {
    // The last twenty steps or so decide: the first ones are slower.
    seconds_ = 0.95 * seconds_ + seconds;
    tokens_ = 0.95 * tokens_ + static_cast<double>(tokens);
    steps_ = 0.95 * steps_ + 1;
  }
  double tokens_per_second() const { return tokens_ / seconds_; }
  double seconds_per_step() const { return seconds_ / steps_; }

 private:
  double seconds_ = 0, tokens_ = 0, steps_ = 0;
};

void show(const StepReport& report, const std::optional<HeldOut>& held_out, const Pace& pace,
          int64_t steps) {
  double left = pace.seconds_per_step() * static_cast<double>(steps - report.step);
  std::fprintf(stderr, "step %lld/%lld  loss %.4f  norm %.2f  balance %.3f  indexer %.3f",
               static_cast<long long>(report.step), static_cast<long long>(steps), report.loss,
               report.gradient_norm, report.balance, report.indexer);
  if (report.draft > 0) std::fprintf(stderr, "  draft %.3f", report.draft);
  if (report.cells > 0) std::fprintf(stderr, "  cells %.3f", report.cell_loss);
  std::fprintf(stderr, "  %.0f tokens/s  %d:%02d left", pace.tokens_per_second(),
               static_cast<int>(left) / 60, static_cast<int>(left) % 60);
  if (held_out && held_out->tokens > 0) std::fprintf(stderr, "  held-out %.4f", held_out->loss());
  if (held_out && held_out->text_bytes > 0)
    std::fprintf(stderr, " (%.4f bits/byte)", held_out->bits_per_byte());
  if (held_out && !held_out->agreed.empty()) {
    std::fprintf(stderr, "  guesses that agree");
    for (double share : held_out->agreed) std::fprintf(stderr, " %.1f %%", 100 * share);
  }
  if (held_out && held_out->cells > 0)
    std::fprintf(stderr, "  held-out cells %.3f", held_out->cell_loss());
  std::fprintf(stderr, "\n");
}

Status save(Trainer& trainer, const TrainConfig& config, const TrainingLog& log) {
  TRY_STATUS(trainer.save_state());
  TRY_STATUS(trainer.export_model(config.out));
  std::string name = std::filesystem::path(config.model).parent_path().filename().string();
  return write_loss_plot(config.out + "/loss.svg", name, log.lines());
}

// How many steps fit into the minutes that are left, from the pace of the first ten; the schedule
// keeps its proportions.
void fit_into(double minutes, double seconds_per_step, TrainConfig& config) {
  double fitting = minutes * 60 / seconds_per_step;
  double factor = fitting / static_cast<double>(config.steps);
  config.decay_start = static_cast<int64_t>(static_cast<double>(config.decay_start) * factor);
  config.steps = std::max<int64_t>(static_cast<int64_t>(fitting), 1);
}

// Ten steps with a trainer that is thrown away.
Status measure(TrainConfig& config, const std::vector<int32_t>& compressed_ids, double minutes) {
  TRY(std::unique_ptr<Trainer> trainer, Trainer::create(config, compressed_ids));
  // Not counted: memory is touched for the first time.
  TRY(StepReport first, trainer->step());
  (void)first;
  constexpr int kSteps = 10;
  SteadyClock::time_point begin = SteadyClock::now();
  for (int i = 0; i < kSteps; ++i) {
    TRY(StepReport report, trainer->step());
    (void)report;
  }
  fit_into(minutes, seconds_since(begin) / kSteps, config);
  std::fprintf(stderr, "%.0f minutes: %lld steps, decay from step %lld\n", minutes,
               static_cast<long long>(config.steps), static_cast<long long>(config.decay_start));
  return Ok{};
}

Result<int> run_steps(Trainer& trainer, const TrainConfig& config, TrainingLog& log, bool quiet) {
  InterruptGuard guard;
  Pace pace;
  while (trainer.steps_done() < config.steps) {
    SteadyClock::time_point begin = SteadyClock::now();
    TRY(StepReport report, trainer.step());
    pace.add(seconds_since(begin), report.tokens);
    std::optional<HeldOut> held_out;
    if (!config.valid.empty() && is_due(report.step, config.validate_every, config.steps)) {
      TRY(held_out, trainer.validate(config.validate_tokens));
    }
    TRY_STATUS(log.add(report, held_out, pace.tokens_per_second()));
    if (!quiet) show(report, held_out, pace, config.steps);
    bool stopped = interrupt_flag();
    if (stopped || is_due(report.step, config.save_every, config.steps))
      TRY_STATUS(save(trainer, config, log));
    if (stopped) {
      std::fprintf(stderr, "stopped after step %lld; --resume goes on from here\n",
                   static_cast<long long>(report.step));
      return kInterruptedExit;
    }
  }
  return 0;
}

Result<int> train(const TrainOptions& options) {
  // Tiles keep enough of a factor to learn by (backends/torch/product.h); who asks for other loops
  // gets those.  Before the first product, which chooses for the whole run.
  setenv("HADAL_TORCH_KERNELS", "amx", /*overwrite=*/0);
  mallopt(M_ARENA_MAX, 1);  // what one thread gave back another can take
  TRY(const bool of_pictures, TokenizerTrainConfig::is_kind(options.config));
  if (of_pictures) return train_tokenizer(options);
  std::vector<std::string> settings = options.settings;
  if (options.steps > 0) settings.push_back("steps=" + std::to_string(options.steps));
  TRY(TrainConfig config, TrainConfig::open(options.config, settings));
  TRY(std::vector<int32_t> compressed_ids, engram_map(config));
  if (options.minutes > 0) TRY_STATUS(measure(config, compressed_ids, options.minutes));
  TRY(std::unique_ptr<Trainer> trainer, Trainer::create(config, compressed_ids));
  if (!options.export_folder.empty()) {
    TRY(bool found, trainer->resume());
    if (!found) return fail(config.out, ": no state to export");
    TRY_STATUS(trainer->export_model(options.export_folder));
    config.out = options.export_folder;
    TRY_STATUS(copy_tokenizer(config));
    return 0;
  }
  TRY_STATUS(copy_tokenizer(config));
  if (options.resume) {
    TRY(bool found, trainer->resume());
    if (!found) std::fprintf(stderr, "%s: no state yet, starting anew\n", config.out.c_str());
  }
  TRY(TrainingLog log, TrainingLog::open(config.out + "/log.jsonl", trainer->steps_done()));
  if (!options.quiet)
    std::fprintf(stderr, "%lld parameters, from step %lld to %lld\n",
                 static_cast<long long>(trainer->parameter_count()),
                 static_cast<long long>(trainer->steps_done()),
                 static_cast<long long>(config.steps));
  return run_steps(*trainer, config, log, options.quiet);
}

}  // namespace

void add_train(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("train", "Train a model from token shards");
  auto options = std::make_shared<TrainOptions>();
  command->add_option("config", options->config, "Training configuration (JSON)")->required();
  command->add_flag("--resume", options->resume, "Go on from the newest state in the out folder");
  command->add_option("--steps", options->steps, "Steps in all, instead of the configuration's")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--minutes", options->minutes,
                   "As many steps as fit, measured on ten of them at the start")
      ->check(CLI::PositiveNumber);
  command->add_option("--set", options->settings, "key=value, instead of the configuration's");
  command->add_option("--export", options->export_folder,
                      "Only write the newest state as a model into this folder");
  command->add_flag("--quiet", options->quiet, "No progress on stderr");
  command->callback([options, &chosen] { chosen = [options] { return train(*options); }; });
}

}  // namespace hadal
