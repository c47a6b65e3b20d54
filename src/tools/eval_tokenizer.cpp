// SPDX-License-Identifier: MIT
// Every item there and back, and sums by set.
#include "tools/eval_tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/json.h"
#include "model/visual_tokenizer.h"
#include "model/visual_tokenizer_quality.h"
#include "scenes/film_check.h"
#include "scenes/gallery.h"
#include "scenes/still_check.h"
#include "tools/pace.h"
#include "tools/progress.h"
#include "tools/score.h"
#include "tools/visual_prompts.h"

namespace hadal {
namespace {

constexpr int64_t kSmallestForSsim = 11;  // pixels of a side

struct TokenizerOptions {
  std::string model;
  std::vector<std::string> galleries;
  std::string restored;  // a gallery of what came back; empty: not written
  BackendOptions backend{.name = built_backends().front()};
  int64_t first = 0;   // item of each gallery
  int64_t limit = 0;   // items of each gallery; 0: all
  int64_t groups = 0;  // decoded from so many; 0: all
  bool quiet = false;
};

// What is summed up over the items of one set.
struct Set {
  int64_t items = 0, items_with_ssim = 0, frames = 0, latent_frames = 0, cells = 0;
  double decibels = 0, ssim = 0, worst = kMostDecibels;
  double encode_seconds = 0, decode_seconds = 0;
  std::vector<std::vector<int64_t>> uses;       // [groups][codes]
  std::set<std::vector<int64_t>> combinations;  // of all groups of a cell
  Score judged;                                 // of scenes, read back from what was restored
};

void count_codes(const Tensor& codes, Set& set) {
  const int64_t groups = codes.size(-1);
  for (int64_t i = 0; i < codes.count(); i += groups) {
    const int64_t* cell = codes.data<int64_t>() + i;
    for (int64_t g = 0; g < groups; ++g)
      ++set.uses[static_cast<size_t>(g)][static_cast<size_t>(cell[g])];
    set.combinations.emplace(cell, cell + groups);
  }
  set.latent_frames += codes.size(0);
  set.cells += codes.count() / groups;
}

Tensor measure(const VisualTokenizer& tokenizer, const Tensor& pixels, Set& set) {
  SteadyClock::time_point begin = SteadyClock::now();
  const Tensor codes = tokenizer.encode_clip(pixels);
  set.encode_seconds += seconds_since(begin);
  begin = SteadyClock::now();
  const Tensor decoded = tokenizer.decode_clip(codes, pixels.size(1), pixels.size(2));
  set.decode_seconds += seconds_since(begin);
  const Tensor restored = decoded.rows(0, pixels.size(0));
  const double decibels = psnr(pixels, restored);
  ++set.items;
  set.frames += pixels.size(0);
  set.decibels += decibels;
  set.worst = std::min(set.worst, decibels);
  if (std::min(pixels.size(1), pixels.size(2)) >= kSmallestForSsim) {
    set.ssim += ssim(pixels, restored);
    ++set.items_with_ssim;
  }
  count_codes(codes, set);
  return restored;
}

double perplexity(const std::vector<int64_t>& uses) {
  double sum = 0, nats = 0;
  for (int64_t count : uses) sum += static_cast<double>(count);
  for (int64_t count : uses)
    if (count > 0)
      nats -= static_cast<double>(count) / sum * std::log(static_cast<double>(count) / sum);
  return std::exp(nats);
}

void print(const std::string& kind, const Set& set, const VisualTokenizerConfig& config) {
  const double items = static_cast<double>(set.items), frames = static_cast<double>(set.frames);
  const double bits_of_cell =
      static_cast<double>(config.groups) * std::log2(static_cast<double>(config.codes()));
  std::printf("%s: %lld items, %lld frames  PSNR %.2f dB (worst %.2f)", printable(kind).c_str(),
              static_cast<long long>(set.items), static_cast<long long>(set.frames),
              set.decibels / items, set.worst);
  if (set.items_with_ssim > 0)
    std::printf("  SSIM %.4f", set.ssim / static_cast<double>(set.items_with_ssim));
  std::printf(
      "\n  %.0f bits a cell, %.0f an item, %.0f a frame;  encode %.2f, decode %.2f ms a frame\n",
      bits_of_cell, bits_of_cell * static_cast<double>(set.cells) / items,
      bits_of_cell * static_cast<double>(set.cells) / frames, 1e3 * set.encode_seconds / frames,
      1e3 * set.decode_seconds / frames);
  std::printf("  codes used (perplexity) of %lld by group:",
              static_cast<long long>(config.codes()));
  for (const std::vector<int64_t>& uses : set.uses)
    std::printf("  %lld (%.1f)",
                static_cast<long long>(
                    uses.size() - static_cast<size_t>(std::count(uses.begin(), uses.end(), 0))),
                perplexity(uses));
  std::printf(";  %zu combinations in %lld cells\n", set.combinations.size(),
              static_cast<long long>(set.cells));
  if (!set.judged.empty()) set.judged.print("  judged");
}

// Scenes are read back from their pixels: whether their captions still tell the truth.
void judge(const std::string& kind, const std::string& caption, const Clip& restored, Set& set) {
  if (kind == "shapes") {
    const Result<Still> still = parse_still(caption);
    if (still) add_verdict(set.judged, "read back", check_still(*still, restored.frames[0]));
  } else if (kind == "motion") {
    const Result<FilmScene> film = parse_film(caption);
    if (film) add_verdict(set.judged, "read back", check_film(*film, restored));
  }
}

Result<int> evaluate(const TokenizerOptions& options) {
  TRY(const std::unique_ptr<Ops> ops, open_backend(options.backend));
  TRY(const std::unique_ptr<VisualTokenizer> tokenizer,
      VisualTokenizer::open(options.model, *ops, options.groups));
  const VisualTokenizerConfig& config = tokenizer->config();
  std::map<std::string, Set> sets;
  GalleryWriter restored;
  for (const std::string& path : options.galleries) {
    TRY(const Gallery gallery, Gallery::open(path));
    int64_t end = gallery.size();
    if (options.limit > 0) end = std::min(end, options.first + options.limit);
    ProgressLine progress("restoring " + path, options.quiet);
    for (int64_t item = options.first; item < end; ++item) {
      const std::string kind(gallery.kind(item));
      Set& set = sets[kind];
      set.uses.resize(static_cast<size_t>(config.groups),
                      std::vector<int64_t>(static_cast<size_t>(config.codes())));
      const Clip clip =
          clip_of(measure(*tokenizer, gallery.pixels(item), set), gallery.clip(item).fps);
      const std::string caption(gallery.caption(item));
      judge(kind, caption, clip, set);
      if (!options.restored.empty()) TRY_STATUS(restored.add({kind, caption, clip}));
      progress.show(item + 1, end);
    }
  }
  for (const auto& [kind, set] : sets) print(kind, set, config);
  if (!options.restored.empty()) TRY_STATUS(restored.write(options.restored));
  return 0;
}

}  // namespace

void add_tokenizer(CLI::App& eval, Command& chosen) {
  CLI::App* command = eval.add_subcommand(
      "tokenizer", "How well pictures and clips come back from the visual tokenizer's codes");
  auto options = std::make_shared<TokenizerOptions>();
  command->add_option("--model", options->model, "Folder with visual_tokenizer.json")->required();
  command->add_option("--gallery", options->galleries, "Galleries to restore")->required();
  command->add_option("--restored", options->restored, "Write what came back as a gallery");
  command->add_option("--first", options->first, "Begin at this item of each gallery")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  command->add_option("--limit", options->limit, "Only so many items of each gallery")
      ->check(CLI::PositiveNumber);
  command->add_option("--groups", options->groups, "Restore from the first groups of codes alone")
      ->check(CLI::Range(1, 64));
  command->add_option("--backend", options->backend.name, "Back end to run on")
      ->capture_default_str();
  command->add_option("--threads", options->backend.threads, "Threads; 0: one a core")
      ->check(CLI::Range(0, 4096));
  command->add_flag("--quiet", options->quiet, "No progress on stderr");
  command->footer(
      "Example:\n  hadal eval tokenizer --model models/nano --gallery held-out.gallery");
  command->callback([options, &chosen] { chosen = [options] { return evaluate(*options); }; });
}

}  // namespace hadal
