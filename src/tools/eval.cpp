// SPDX-License-Identifier: MIT
// The sub-commands of `hadal eval`.
#include "tools/eval.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "backends/backends.h"
#include "model/config.h"
#include "text/engram_keys.h"
#include "tools/eval_bpb.h"
#include "tools/eval_drafts.h"
#include "tools/eval_modes.h"
#include "tools/eval_needles.h"
#include "tools/eval_ngram.h"
#include "tools/eval_tokenizer.h"
#include "tools/eval_visual.h"
#include "tools/goldens.h"

namespace hadal {
namespace {

struct GoldensCommand {
  GoldenOptions goldens;
  BackendOptions backend{.name = built_backends().front()};
};

// The reference is held to a tenth of what back ends may deviate: their sums are f32.
constexpr double kReferenceTolerance = 1e-5;
constexpr double kBackendTolerance = 1e-4;

Result<std::vector<int32_t>> golden_token_map(const std::string& folder) {
  TRY(const ModelConfig config, ModelConfig::open(folder));
  if (!config.engram.present()) return std::vector<int32_t>{};
  TRY(const Tokenizer tokenizer, Tokenizer::open(folder + "/tokenizer.json"));
  return compressed_token_map(tokenizer, config.vocab);
}

Result<int> eval_goldens(GoldensCommand command) {
  TRY(const std::unique_ptr<Ops> ops, open_backend(command.backend));
  if (command.goldens.tolerance <= 0)
    command.goldens.tolerance =
        command.backend.name == "reference" ? kReferenceTolerance : kBackendTolerance;
  TRY(command.goldens.token_map, golden_token_map(command.goldens.folder));
  TRY(const GoldenReport report, check_goldens(command.goldens, *ops));
  return print_report(report, command.goldens, ops->name(), std::cout) ? 0 : 1;
}

void add_goldens(CLI::App& eval, Command& chosen) {
  CLI::App* command =
      eval.add_subcommand("goldens", "Hold a back end to a folder of the published code's outputs");
  auto options = std::make_shared<GoldensCommand>();
  options->goldens.tolerance = 0;
  command->add_option("DIR", options->goldens.folder, "Folder with config, weights, expectations")
      ->required();
  command->add_option("--backend", options->backend.name, "Back end to check")
      ->capture_default_str();
  command->add_option("--device", options->backend.device, "Device of the torch back end");
  command->add_option("--threads", options->backend.threads, "Threads; 0: one a core")
      ->check(CLI::Range(0, 4096));
  command->add_option("--expected", options->goldens.expected,
                      "Another expected.safetensors than the folder's own");
  command
      ->add_option("--tolerance", options->goldens.tolerance,
                   "Largest relative L2 (1e-5 for the reference, 1e-4 for others)")
      ->check(CLI::PositiveNumber);
  command->footer(
      "Example:\n  hadal eval goldens tests/goldens/v41-tiny --backend cpu\n"
      "Exits with 1 where a tolerance is broken or a greedy id differs.");
  command->callback([options, &chosen] { chosen = [options] { return eval_goldens(*options); }; });
}

}  // namespace

void add_eval(CLI::App& program, Command& chosen) {
  CLI::App* eval = program.add_subcommand("eval", "Measure a model or a back end");
  eval->require_subcommand(1);
  add_goldens(*eval, chosen);
  add_bpb(*eval, chosen);
  add_drafts(*eval, chosen);
  add_modes(*eval, chosen);
  add_needles(*eval, chosen);
  add_ngram(*eval, chosen);
  add_tokenizer(*eval, chosen);
  add_visual_eval(*eval, chosen);
}

}  // namespace hadal
