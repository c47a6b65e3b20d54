// SPDX-License-Identifier: MIT
// Named pictures into a gallery: Unicode's names, Noto's pictures, the same bytes every time.
#include "tools/data_names.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "scenes/drawing.h"
#include "scenes/emoji_list.h"
#include "scenes/film.h"
#include "scenes/gallery.h"
#include "scenes/glyph_font.h"
#include "scenes/named_pictures.h"

namespace hadal {

namespace {

constexpr int64_t kListLimit = 16 << 20;  // bytes; version 15 has 0.6 MB
// Two pictures nearer than this would be taken for one another after a codec of 24 dB.
constexpr double kApart = 20;
constexpr double kFill = 15.0 / 16;  // of the side; the rest is a border
// Of a moving picture's side to the diameter of a form of the same size: pictures have corners.
constexpr double kSpriteScale = 1.25;

struct NameOptions {
  std::string out, ground = "white";
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
  std::string list = "/usr/share/unicode/emoji/emoji-test.txt";
  int64_t size = 64, names = 400;
  int64_t count = 1000, frames = 9;  // of sprites that move
  uint64_t seed = 1;
};

struct NamedSprite {
  std::string name;
  Sprite sprite;
};

Status need_file(const std::string& path, const char* package) {
  if (!is_file(path)) return fail(path, ": not there; Debian's package ", package, " brings it");
  return Ok{};
}

Picture portrait(const Sprite& sprite, const NameOptions& options) {
  const double middle = static_cast<double>(options.size) / 2;
  Picture picture = blank(options.size, rgb_of(*ground_named(options.ground)));
  lay(picture, sprite, {middle, middle, 2 * middle * kFill});
  return picture;
}

// The first names of the list whose pictures can be told apart.
Result<std::vector<NamedSprite>> choose_sprites(const NameOptions& options) {
  TRY_STATUS(need_file(options.font, "fonts-noto-color-emoji"));
  TRY_STATUS(need_file(options.list, "unicode-data"));
  TRY(GlyphFont font, GlyphFont::open(options.font));
  TRY(std::string text, read_file(options.list, kListLimit));
  TRY(std::vector<EmojiName> names, parse_emoji_list(text, options.list));
  std::vector<NamedSprite> sprites;
  NamedPictures chosen;
  for (const EmojiName& emoji : names) {
    if (chosen.size() == options.names) break;
    TRY(std::optional<Sprite> sprite, font.draw(emoji.code));
    if (!sprite) continue;
    const Picture picture = portrait(*sprite, options);
    if (chosen.distance(picture) < kApart) continue;
    chosen.add(emoji.name, picture);
    sprites.push_back({emoji.name, std::move(*sprite)});
  }
  if (chosen.size() < options.names)
    return fail("only ", chosen.size(), " of ", names.size(), " emoji are distinct, expected ",
                options.names);
  return sprites;
}

Result<int> make_names(const NameOptions& options) {
  TRY(const std::vector<NamedSprite> sprites, choose_sprites(options));
  GalleryWriter writer;
  for (const NamedSprite& named : sprites)
    TRY_STATUS(writer.add({"names", named.name, Clip{{portrait(named.sprite, options)}, 8}}));
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld named pictures\n", options.out.c_str(),
              static_cast<long long>(writer.size()));
  return 0;
}

// The first object of a film by lot, with a picture in its stead.
GalleryItem moving_sprite(const NamedSprite& named, const NameOptions& options, uint64_t seed) {
  FilmScene film = random_film(seed, Split::seen);
  while (film.plot == Plot::crossing)
    film = random_film(seed = seed_for(seed, "next"), Split::seen);
  const Actor& actor = film.actors[0];
  const double scale = static_cast<double>(options.size) / kBoard;
  Clip clip;
  clip.fps = 8;
  for (int64_t i = 0; i < options.frames; ++i) {
    const double time = static_cast<double>(i) / static_cast<double>(options.frames - 1);
    const Pose pose = pose_of(film, 0, time);
    Picture& frame = clip.frames.emplace_back(blank(options.size, rgb_of(film.ground)));
    lay(frame, named.sprite,
        {scale * pose.x, scale * pose.y, scale * 2 * kSpriteScale * pose.radius});
  }
  return {
      "sprites",
      detail::join_text("a ", word(actor.object.size), " ", named.name, ", ", phrase(actor.place),
                        ", ", words(actor.motion), ", on ", word(film.ground)),
      std::move(clip)};
}

Result<int> make_moving_sprites(const NameOptions& options) {
  TRY(const std::vector<NamedSprite> sprites, choose_sprites(options));
  GalleryWriter writer;
  for (int64_t i = 0; i < options.count; ++i) {
    const uint64_t seed = seed_for(options.seed, std::to_string(i));
    const NamedSprite& named = sprites[static_cast<size_t>(i % options.names)];
    TRY_STATUS(writer.add(moving_sprite(named, options, seed)));
  }
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld clips of %lld pictures that move\n", options.out.c_str(),
              static_cast<long long>(writer.size()), static_cast<long long>(options.names));
  return 0;
}

// What both kinds take.
CLI::App* add_kind(CLI::App& data, const char* name, const char* help,
                   const std::shared_ptr<NameOptions>& options) {
  CLI::App* command = data.add_subcommand(name, help);
  command->add_option("-o,--out", options->out, "Gallery to write")->required();
  command->add_option("--names", options->names, "How many pictures")
      ->check(CLI::Range(int64_t{1}, int64_t{4000}))
      ->capture_default_str();
  command->add_option("--size", options->size, "Pixels a side")
      ->check(CLI::Range(int64_t{32}, int64_t{1024}))
      ->capture_default_str();
  command->add_option("--font", options->font, "Of package fonts-noto-color-emoji")
      ->capture_default_str();
  command->add_option("--list", options->list, "Of package unicode-data")->capture_default_str();
  return command;
}

}  // namespace

void add_name_data(CLI::App& data, Command& chosen) {
  auto options = std::make_shared<NameOptions>();
  CLI::App* stills = add_kind(data, "emoji", "Pictures of things with their names", options);
  stills->add_option("--ground", options->ground, "Colour behind them")
      ->check(CLI::IsMember({"white", "grey", "black"}))
      ->capture_default_str();
  stills->callback([options, &chosen] { chosen = [options] { return make_names(*options); }; });
  stills->footer(
      "Example: hadal data emoji -o names.gallery --names 400\n"
      "The pictures are Noto Color Emoji (SIL Open Font License 1.1), the names Unicode's.");

  CLI::App* clips = add_kind(data, "sprites", "Clips of such pictures that move", options);
  clips->add_option("--count", options->count, "Clips")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  clips->add_option("--frames", options->frames, "Frames a clip; 1 + 4k suits the tokenizer")
      ->check(CLI::Range(int64_t{2}, int64_t{257}))
      ->capture_default_str();
  clips->add_option("--seed", options->seed, "Another seed, other clips")->capture_default_str();
  clips->callback(
      [options, &chosen] { chosen = [options] { return make_moving_sprites(*options); }; });
  clips->footer(
      "Example: hadal data sprites -o sprites.gallery --names 100 --count 2000\n"
      "Captions read like \"a large dog face, middle left, moves right, on white\".");
}

}  // namespace hadal
