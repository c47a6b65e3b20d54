// SPDX-License-Identifier: MIT
// Options that several commands share.
#include "tools/options.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/file.h"
#include "base/json.h"
#include "tools/machine.h"

namespace hadal {

namespace fs = std::filesystem;

void add_model_options(CLI::App& command, ModelChoice& choice) {
  command.add_option("--model", choice.folder,
                     "Folder with config.json, safetensors and tokenizer.json "
                     "(default: $HADAL_MODEL, else models/nano)");
  command.add_option("--backend", choice.backend,
                     "What computes: cpu, reference, torch or torch:DEVICE, if built");
  command.add_option("--threads", choice.threads, "Threads to compute with (default: all cores)")
      ->check(CLI::Range(1, 4096));
  command.add_flag("!--no-pinning", choice.pinned,
                   "Let threads move between processors (default: they stay, if there is one for "
                   "each processor that the process may use)");
  command
      .add_option("--weights", choice.weights,
                  "Where weights lie: file (pages of their files), memory (large pages, faster to "
                  "read), auto (memory where a model stays and they fit twice)")
      ->check(CLI::IsMember({"auto", "file", "memory"}));
  command
      .add_option("--rounding", choice.rounding,
                  "Roundings of cache rows and activations: published (as trained), none")
      ->check(CLI::IsMember({"published", "none"}))
      ->capture_default_str();
  command
      .add_option("--context", choice.context,
                  "Most tokens of prompt and answer (default: what fits, up to 32768)")
      ->check(CLI::PositiveNumber);
  command.add_flag("--quiet", choice.quiet, "No progress and no line of speed on stderr");
}

void add_sampling_options(CLI::App& command, SamplingChoice& choice) {
  command.add_option("--temperature", choice.temperature, "0: always the likeliest (default: 1)");
  command.add_option("--top-k", choice.top_k, "Sample from the k likeliest (default: all)");
  command.add_option("--top-p", choice.top_p,
                     "Sample from the likeliest that reach this share (default: 0.95; V4: 1)");
  command.add_option("--min-p", choice.min_p,
                     "Leave out what is less likely than this times the likeliest (default: 0)");
  command.add_option("--seed", choice.seed, "The same seed gives the same answer");
  command.add_option("--max-tokens", choice.max_tokens, "End an answer after so many tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--stop", choice.stops, "End before this text appears (may be repeated)")
      ->allow_extra_args(false);
}

Result<std::string> model_folder(const ModelChoice& choice) {
  std::string folder = choice.folder;
  if (folder.empty())
    if (const char* named = std::getenv("HADAL_MODEL")) folder = named;
  if (!folder.empty()) {
    if (is_folder(folder)) return folder;
    return fail(printable(folder), ": no such folder, expected a model's");
  }
  for (fs::path above = program_folder(); !above.empty(); above = above.parent_path()) {
    folder = (above / "models" / "nano").string();
    if (is_folder(folder)) return folder;
    if (above == above.root_path()) break;
  }
  return fail("no model: models/nano is not there; name a folder with --model or HADAL_MODEL");
}

Status check_sampling(const SamplingChoice& choice) {
  SamplingChoice with_seed = choice;
  with_seed.seed = 0;
  TRY([[maybe_unused]] const SamplerOptions options, sampler_options(with_seed, Family::v4));
  return Ok{};
}

Result<SamplerOptions> sampler_options(const SamplingChoice& choice, Family family) {
  SamplerOptions options;
  options.temperature = choice.temperature.value_or(1.0);
  options.top_p = choice.top_p.value_or(family == Family::v41 ? 0.95 : 1.0);
  options.top_k = choice.top_k;
  options.min_p = choice.min_p;
  // 32 bits: short enough to be typed again.
  options.seed = choice.seed ? *choice.seed : std::random_device()();
  TRY_STATUS(check(options));
  return options;
}

}  // namespace hadal
