// SPDX-License-Identifier: MIT
// Every item of a gallery is encoded once, and written as one document a task.
#include "tools/data_visual.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/cpu_ops.h"
#include "scenes/gallery.h"
#include "tools/open_model.h"
#include "tools/visual_prompts.h"
#include "train/shard.h"

namespace hadal {
namespace {

struct VisualOptions {
  std::string config, tokenizer, visual, out;
  std::vector<std::string> galleries, tasks;
  int64_t first = 0, count = 0;
};

// What a shard is made with.
struct Makers {
  ModelConfig config;
  std::string tokenizer_json;
  std::unique_ptr<Tokenizer> text;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<VisualTokenizer> visual;
};

Result<Makers> open_makers(const VisualOptions& options) {
  Makers makers;
  TRY(makers.config, ModelConfig::open(options.config));
  if (!makers.config.visual.drawn())
    return fail(options.config, ": no visual vocabulary (hadal.visual)");
  TRY(makers.tokenizer_json, read_tokenizer_json(options.tokenizer));
  TRY(Tokenizer text, Tokenizer::parse(makers.tokenizer_json, options.tokenizer));
  makers.text = std::make_unique<Tokenizer>(std::move(text));
  makers.ops = make_cpu_ops({});
  TRY(makers.visual,
      VisualTokenizer::open(options.visual, *makers.ops, makers.config.visual.groups));
  const VisualTokenizerConfig& visual = makers.visual->config();
  const VisualVocabulary& words = makers.config.visual;
  if (visual.groups != words.groups || visual.codes() != words.codes)
    return fail(options.visual, ": ", visual.groups, " groups of ", visual.codes(),
                " codes, the vocabulary has ", words.groups, " of ", words.codes);
  return makers;
}

void add_document(const VisualPrompts::Document& document, const Makers& makers,
                  int64_t caption_bytes, ShardWriter& writer) {
  const CellIds cells(makers.config);
  const std::span<const int64_t> ids(document.ids);
  const std::vector<int32_t> given =
      cells.to_tokens(ids.first(static_cast<size_t>(document.given)));
  writer.add(cells.to_tokens(ids), caption_bytes, static_cast<int64_t>(given.size()));
}

// One picture, and then two, and so on: the questions of the task "asked".
size_t pictures_in(int64_t item) {
  return item % 3 == 0 ? 1 : 2;
}

Result<int64_t> add_gallery(const std::string& path, const VisualOptions& options,
                            const Makers& makers, ShardWriter& writer) {
  TRY(const Gallery gallery, Gallery::open(path));
  const VisualPrompts prompts(makers.config, *makers.text);
  const auto asked = [&](const char* task) {
    return std::find(options.tasks.begin(), options.tasks.end(), task) != options.tasks.end();
  };
  std::vector<VisualPrompts::Item> asked_for;
  const int64_t last =
      options.count > 0 ? std::min(gallery.size(), options.first + options.count) : gallery.size();
  for (int64_t item = options.first; item < last; ++item) {
    const CellClip clip = encode_clip(*makers.visual, makers.config, gallery.clip(item));
    if (clip.size.cells() > makers.config.visual.max_frame_cells)
      return fail(path, ": item ", item, " has ", clip.size.cells(), " cells a frame, at most ",
                  makers.config.visual.max_frame_cells);
    const std::string caption(gallery.caption(item));
    const int64_t bytes = static_cast<int64_t>(caption.size());
    if (asked("draw")) add_document(prompts.draw_document(caption, clip), makers, 0, writer);
    if (asked("describe"))
      add_document(prompts.describe_document(caption, clip), makers, bytes, writer);
    if (asked("animate") && clip.size.frames > 1)
      add_document(prompts.animate_document(caption, clip), makers, 0, writer);
    asked_for.push_back({caption, clip});
    if (asked("asked") && asked_for.size() == pictures_in(item)) {
      TRY(const VisualPrompts::Document document, prompts.asked_document(asked_for));
      add_document(document, makers, 0, writer);
      asked_for.clear();
    }
    if (item % 1000 == 999)
      std::fprintf(stderr, "%s: %lld of %lld\n", path.c_str(), static_cast<long long>(item + 1),
                   static_cast<long long>(last));
  }
  return std::max<int64_t>(last - options.first, 0);
}

Result<int> make_visual_shard(const VisualOptions& options) {
  TRY(const Makers makers, open_makers(options));
  ShardWriter writer(fingerprint(makers.tokenizer_json), makers.config.vocab);
  int64_t items = 0;
  for (const std::string& path : options.galleries) {
    TRY(const int64_t added, add_gallery(path, options, makers, writer));
    items += added;
  }
  if (writer.documents() == 0)
    return fail(options.out, ": no documents: no item of the galleries fits a task");
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld items, %lld documents, %lld tokens\n", options.out.c_str(),
              static_cast<long long>(items), static_cast<long long>(writer.documents()),
              static_cast<long long>(writer.token_count()));
  return 0;
}

}  // namespace

void add_visual_data(CLI::App& data, Command& chosen) {
  auto options = std::make_shared<VisualOptions>();
  CLI::App* command = data.add_subcommand("visual", "Encode galleries into a shard of documents");
  command->add_option("--config", options->config, "config.json of the model")->required();
  command->add_option("--tokenizer", options->tokenizer, "tokenizer.json")->required();
  command->add_option("--visual", options->visual, "Folder of the visual tokenizer")->required();
  command->add_option("--gallery", options->galleries, "Galleries, one after the other")
      ->required();
  command
      ->add_option("--task", options->tasks,
                   "draw, describe, animate (from the first frame), or asked (a chat whose answer "
                   "holds one picture, or two); may be repeated")
      ->required()
      ->check(CLI::IsMember({"draw", "describe", "animate", "asked"}));
  command->add_option("--first", options->first, "First item of each gallery")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--count", options->count, "Items of each gallery; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--out", options->out, "Shard to write")->required();
  command->footer(
      "Example:\n"
      "  hadal data visual --config config.json --tokenizer tokenizer.json --visual . \\\n"
      "    --gallery shapes.gallery --task draw --task describe --out shapes.shard");
  command->callback(
      [options, &chosen] { chosen = [options] { return make_visual_shard(*options); }; });
}

}  // namespace hadal
