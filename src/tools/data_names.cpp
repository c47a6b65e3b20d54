// SPDX-License-Identifier: MIT
// Named pictures into a gallery: Unicode's names, Noto's pictures, the same bytes every time.
#include "tools/data_names.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "scenes/drawing.h"
#include "scenes/emoji_list.h"
#include "scenes/gallery.h"
#include "scenes/glyph_font.h"
#include "scenes/named_pictures.h"

namespace hadal {

namespace {

constexpr int64_t kListLimit = 16 << 20;  // bytes; version 15 has 0.6 MB
// Two pictures nearer than this would be taken for one another after a codec of 24 dB.
constexpr double kApart = 20;
constexpr double kFill = 15.0 / 16;  // of the side; the rest is a border

struct NameOptions {
  std::string out, ground = "white";
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
  std::string list = "/usr/share/unicode/emoji/emoji-test.txt";
  int64_t size = 64, names = 400;
};

Status need_file(const std::string& path, const char* package) {
  if (!is_file(path)) return fail(path, ": not there; Debian's package ", package, " brings it");
  return Ok{};
}

Result<int> make_names(const NameOptions& options) {
  TRY_STATUS(need_file(options.font, "fonts-noto-color-emoji"));
  TRY_STATUS(need_file(options.list, "unicode-data"));
  TRY(GlyphFont font, GlyphFont::open(options.font));
  TRY(std::string text, read_file(options.list, kListLimit));
  TRY(std::vector<EmojiName> names, parse_emoji_list(text, options.list));
  const double middle = static_cast<double>(options.size) / 2;
  GalleryWriter writer;
  NamedPictures chosen;
  for (const EmojiName& emoji : names) {
    if (chosen.size() == options.names) break;
    TRY(std::optional<Sprite> sprite, font.draw(emoji.code));
    if (!sprite) continue;
    Picture picture = blank(options.size, rgb_of(*ground_named(options.ground)));
    lay(picture, *sprite, {middle, middle, 2 * middle * kFill});
    if (chosen.distance(picture) < kApart) continue;
    chosen.add(emoji.name, picture);
    TRY_STATUS(writer.add({"names", emoji.name, Clip{{std::move(picture)}, 8}}));
  }
  if (chosen.size() < options.names)
    return fail("only ", chosen.size(), " of ", names.size(), " emoji are distinct, expected ",
                options.names);
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld named pictures\n", options.out.c_str(),
              static_cast<long long>(writer.size()));
  return 0;
}

}  // namespace

void add_name_data(CLI::App& data, Command& chosen) {
  auto options = std::make_shared<NameOptions>();
  CLI::App* command = data.add_subcommand("emoji", "Pictures of things with their names");
  command->add_option("-o,--out", options->out, "Gallery to write")->required();
  command->add_option("--names", options->names, "How many")
      ->check(CLI::Range(int64_t{1}, int64_t{4000}))
      ->capture_default_str();
  command->add_option("--size", options->size, "Pixels a side")
      ->check(CLI::Range(int64_t{32}, int64_t{1024}))
      ->capture_default_str();
  command->add_option("--ground", options->ground, "Colour behind them")
      ->check(CLI::IsMember({"white", "grey", "black"}))
      ->capture_default_str();
  command->add_option("--font", options->font, "Of package fonts-noto-color-emoji")
      ->capture_default_str();
  command->add_option("--list", options->list, "Of package unicode-data")->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return make_names(*options); }; });
  command->footer(
      "Example: hadal data emoji -o names.gallery --names 400\n"
      "The pictures are Noto Color Emoji (SIL Open Font License 1.1), the names Unicode's.");
}

}  // namespace hadal
