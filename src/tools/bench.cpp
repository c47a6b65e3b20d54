// SPDX-License-Identifier: MIT
// `hadal bench`.
#include "tools/bench.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "tools/bench_masks.h"
#include "tools/bench_measure.h"
#include "tools/bench_ops.h"
#include "tools/bench_report.h"
#include "tools/bench_serve.h"
#include "tools/bench_soak.h"
#include "tools/bench_verbs.h"
#include "tools/output.h"

namespace hadal {
namespace {

struct BenchCommand {
  BenchChoice choice;
  std::string json, svg, compare;
  bool processor_time = false;
  bool masks = false;  // what holding answers to forms costs, instead
};

// Held against one model's step, behind an empty context.
Result<int> bench_masks(BenchChoice choice) {
  choice.prefills = {};
  choice.contexts = {0};
  TRY(const BenchFigures figures, measure_bench(choice));
  TRY(const std::string costs, mask_costs(1 / figures.decode.front().rate));
  Output out;
  out.write(costs);
  TRY_STATUS(out.finish());
  return 0;
}

Result<int> bench_command(BenchCommand command) {
  if (command.processor_time && command.choice.model.threads != 1)
    return fail("--cpu-time counts the time of one thread; give --threads 1");
  command.choice.clock = command.processor_time ? Clock::processor : Clock::wall;
  if (command.masks) return bench_masks(command.choice);
  std::optional<BenchFigures> old;
  if (!command.compare.empty()) {
    TRY(old, read_bench(command.compare));
  }
  TRY(const BenchFigures figures, measure_bench(command.choice));
  Output out;
  out.write(bench_table(figures, old ? &*old : nullptr));
  if (!command.json.empty()) TRY_STATUS(write_file(command.json, bench_json(figures)));
  if (!command.svg.empty()) TRY_STATUS(write_file(command.svg, bench_svg(figures)));
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace

void add_bench(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("bench", "How fast a model runs here");
  auto options = std::make_shared<BenchCommand>();
  BenchChoice& choice = options->choice;
  command->add_option("--prefill", choice.prefills, "Lengths of the made-up prompts")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--contexts", choice.contexts, "Tokens before those that are decoded")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--tokens", choice.tokens, "Tokens to decode at each context")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--rounds", choice.rounds, "Times to measure; the medians count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--cpu-time", options->processor_time,
                    "Count the processor's time: for one thread beside busy neighbours");
  command->add_flag("--masks", options->masks,
                    "Instead: what holding an answer to a form costs a token, at 129,280 tokens");
  command->add_option("--json", options->json, "File for the figures");
  command->add_option("--svg", options->svg, "File for a plot");
  command->add_option("--compare", options->compare, "The JSON of an older run");
  add_model_options(*command, choice.model);
  command->footer(
      "Examples:\n"
      "  hadal bench\n"
      "  hadal bench --model DIR --prefill 512,4096 --contexts 0,16384 --json new.json\n"
      "  hadal bench --model DIR --compare old.json\n"
      "  hadal bench ops --threads 1");
  command->callback([options, command, &chosen] {
    if (command->get_subcommands().empty()) chosen = [options] { return bench_command(*options); };
  });
  add_bench_ops(*command, chosen);
  add_bench_serve(*command, chosen);
  add_bench_soak(*command, chosen);
  add_bench_verbs(*command, chosen);
}

}  // namespace hadal
