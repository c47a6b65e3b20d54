// SPDX-License-Identifier: MIT
// Training of a visual tokenizer: progress, log, and when to save.
#include "tools/train_tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/json.h"
#include "tools/interrupt.h"
#include "tools/pace.h"
#include "train/loss_plot.h"
#include "train/tokenizer_config.h"
#include "train/tokenizer_trainer.h"
#include "train/training_log.h"

namespace hadal {
namespace {

// {"step":…,"loss":…,"latent_frames":…,"rate":…,"norm":…,"seconds":…,"valid":…,"psnr":{"shapes":…}}
std::string log_line(const TokenizerStep& report, const std::optional<TokenizerHeldOut>& held_out,
                     double seconds) {
  nlohmann::ordered_json line = {{"step", report.step},
                                 {"loss", static_cast<float>(report.loss)},
                                 {"latent_frames", report.latent_frames},
                                 {"rate", static_cast<float>(report.rate)},
                                 {"norm", static_cast<float>(report.gradient_norm)},
                                 {"seconds", static_cast<float>(seconds)}};
  if (held_out) {
    line["valid"] = static_cast<float>(held_out->loss);
    for (const auto& [kind, set] : held_out->sets)
      line["psnr"][kind] = static_cast<float>(set.decibels / static_cast<double>(set.items));
  }
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void show(const TokenizerStep& report, const std::optional<TokenizerHeldOut>& held_out,
          double seconds, int64_t steps) {
  std::fprintf(stderr, "step %lld/%lld  loss %.4f  norm %.2f  %.2f s", (long long)report.step,
               (long long)steps, report.loss, report.gradient_norm, seconds);
  if (held_out) {
    std::fprintf(stderr, "  held-out %.4f", held_out->loss);
    for (const auto& [kind, set] : held_out->sets)
      std::fprintf(stderr, "  %s %.2f dB", printable(kind).c_str(),
                   set.decibels / static_cast<double>(set.items));
  }
  std::fprintf(stderr, "\n");
}

Status save(TokenizerTrainer& trainer, const TokenizerTrainConfig& config, const TrainingLog& log) {
  TRY_STATUS(trainer.save_state());
  TRY_STATUS(trainer.export_model(config.out));
  return write_loss_plot(config.out + "/loss.svg", "visual tokenizer", log.lines(), "loss");
}

// As many steps as fit into the minutes, from the pace of a trainer that is thrown away; the
// schedule keeps its proportions.
Status fit_into(double minutes, TokenizerTrainConfig& config) {
  constexpr int kSteps = 5;
  TRY(const std::unique_ptr<TokenizerTrainer> trainer, TokenizerTrainer::create(config));
  TRY(TokenizerStep first, trainer->step());  // not counted: memory is touched for the first time
  const SteadyClock::time_point begin = SteadyClock::now();
  for (int i = 0; i < kSteps; ++i) {
    TRY(first, trainer->step());
  }
  const double fitting = minutes * 60 / (seconds_since(begin) / kSteps);
  const double factor = fitting / static_cast<double>(config.steps);
  config.decay_start = static_cast<int64_t>(static_cast<double>(config.decay_start) * factor);
  config.steps = std::max<int64_t>(static_cast<int64_t>(fitting), 1);
  std::fprintf(stderr, "%.0f minutes: %lld steps, decay from step %lld\n", minutes,
               static_cast<long long>(config.steps), static_cast<long long>(config.decay_start));
  return Ok{};
}

Result<int> run_steps(TokenizerTrainer& trainer, const TokenizerTrainConfig& config,
                      TrainingLog& log, bool quiet) {
  InterruptGuard guard;
  while (trainer.steps_done() < config.steps) {
    const SteadyClock::time_point begin = SteadyClock::now();
    TRY(const TokenizerStep report, trainer.step());
    const double seconds = seconds_since(begin);
    std::optional<TokenizerHeldOut> held_out;
    if (!config.valid.empty() && is_due(report.step, config.validate_every, config.steps)) {
      TRY(held_out, trainer.validate());
    }
    LogLine entry{report.step, report.loss, {}};
    if (held_out) entry.valid = held_out->loss;
    TRY_STATUS(log.add(entry, log_line(report, held_out, seconds)));
    if (!quiet) show(report, held_out, seconds, config.steps);
    const bool stopped = interrupt_flag();
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

}  // namespace

Result<int> train_tokenizer(const TrainOptions& options) {
  std::vector<std::string> settings = options.settings;
  if (options.steps > 0) settings.push_back("steps=" + std::to_string(options.steps));
  TRY(TokenizerTrainConfig config, TokenizerTrainConfig::open(options.config, settings));
  if (options.minutes > 0) TRY_STATUS(fit_into(options.minutes, config));
  TRY(const std::unique_ptr<TokenizerTrainer> trainer, TokenizerTrainer::create(config));
  if (options.resume || !options.export_folder.empty()) {
    TRY(const bool found, trainer->resume());
    if (!options.export_folder.empty()) {
      if (!found) return fail(config.out, ": no state to export");
      TRY_STATUS(trainer->export_model(options.export_folder));
      return 0;
    }
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

}  // namespace hadal
