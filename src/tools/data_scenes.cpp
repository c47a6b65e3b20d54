// SPDX-License-Identifier: MIT
// Scenes by lot into a gallery: the same options give the same bytes.
#include "tools/data_scenes.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include "base/random.h"
#include "scenes/film.h"
#include "scenes/gallery.h"
#include "scenes/still.h"

namespace hadal {

namespace {

struct SceneOptions {
  std::string out, split = "seen";
  int64_t count = 1000, size = 64, frames = 9;
  uint64_t seed = 1;
  double vague = 0;
  bool wordings = false, all_words = false;
};

Words words_of(const SceneOptions& options) {
  return options.all_words ? Words::all : Words::judged;
}

// The canonical wording, one of many, or a part of it.
template <typename Scene>
std::string caption_of(const Scene& scene, const SceneOptions& options, uint64_t seed) {
  Random random(seed_for(seed, "wording"));
  const int64_t wording = options.wordings ? random.below(kWordings) : 0;
  return random.uniform() < options.vague ? vague_caption(scene, random) : caption(scene, wording);
}

GalleryItem still_item(const SceneOptions& options, uint64_t seed, Split split) {
  const Still still = random_still(seed, split, words_of(options));
  return {"shapes", caption_of(still, options, seed), Clip{{draw_still(still, options.size)}, 8}};
}

GalleryItem film_item(const SceneOptions& options, uint64_t seed, Split split) {
  const FilmScene film = random_film(seed, split, words_of(options));
  return {"motion", caption_of(film, options, seed),
          draw_film(film, {.side = options.size, .frames = options.frames})};
}

using MakeItem = GalleryItem (*)(const SceneOptions&, uint64_t seed, Split);

Result<int> make_gallery(const SceneOptions& options, MakeItem make) {
  const Split split = *split_named(options.split);
  GalleryWriter writer;
  std::set<std::string> captions;
  for (int64_t i = 0; i < options.count; ++i) {
    const GalleryItem item = make(options, seed_for(options.seed, std::to_string(i)), split);
    captions.insert(item.caption);
    TRY_STATUS(writer.add(item));
  }
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld scenes, %zu different captions\n", options.out.c_str(),
              static_cast<long long>(writer.size()), captions.size());
  return 0;
}

CLI::App* add_action(CLI::App& data, Command& chosen, const char* name, const char* help,
                     const std::shared_ptr<SceneOptions>& options, MakeItem make) {
  CLI::App* command = data.add_subcommand(name, help);
  command->add_option("-o,--out", options->out, "Gallery to write")->required();
  command->add_option("--count", options->count, "Scenes")
      ->check(CLI::Range(int64_t{1}, int64_t{10'000'000}))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Another seed, other scenes")->capture_default_str();
  command->add_option("--size", options->size, "Pixels a side")
      ->check(CLI::Range(int64_t{32}, int64_t{1024}))
      ->capture_default_str();
  command
      ->add_option("--split", options->split,
                   "seen: without the held-out pairs of colour and form; unseen: only with them")
      ->check(CLI::IsMember({"seen", "unseen"}))
      ->capture_default_str();
  command->add_flag("--wordings", options->wordings, "Captions in several wordings");
  command->add_flag("--all-words", options->all_words,
                    "Ten more colours and ten more forms, which no judge knows");
  command
      ->add_option("--vague", options->vague,
                   "Share of captions that say only a part, to draw from: \"a star, on white\"")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->callback([options, make, &chosen] {
    chosen = [options, make] { return make_gallery(*options, make); };
  });
  return command;
}

}  // namespace

void add_scene_data(CLI::App& data, Command& chosen) {
  auto options = std::make_shared<SceneOptions>();
  add_action(data, chosen, "shapes", "Pictures of coloured forms, with captions", options,
             still_item)
      ->footer(
          "Example: hadal data shapes -o shapes.gallery --count 20000 --seed 1\n"
          "Captions read like \"a large red circle, top left, on white\".");
  CLI::App* motion = add_action(data, chosen, "motion", "Clips of forms that move, with captions",
                                options, film_item);
  motion->add_option("--frames", options->frames, "Frames a clip; 1 + 4k suits the tokenizer")
      ->check(CLI::Range(int64_t{2}, int64_t{257}))
      ->capture_default_str();
  motion->footer(
      "Example: hadal data motion -o motion.gallery --count 20000 --seed 1\n"
      "Captions read like \"a small blue square, middle right, moves left, on black\".");
}

}  // namespace hadal
