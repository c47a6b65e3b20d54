// SPDX-License-Identifier: MIT
// Stills side by side; of clips, every frame in a row of its own.
#include "tools/data_show.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "media/write.h"
#include "scenes/gallery.h"
#include "tools/contact_sheet.h"

namespace hadal {
namespace {

struct ShowOptions {
  std::string gallery, out;
  int64_t first = 0, count = 64, columns = 0;
};

Result<int> show(const ShowOptions& options) {
  TRY(const Gallery gallery, Gallery::open(options.gallery));
  if (options.first >= gallery.size())
    return fail(options.gallery, ": ", gallery.size(), " items, asked for item ", options.first);
  const int64_t end = std::min(gallery.size(), options.first + options.count);
  std::vector<Picture> frames;
  int64_t longest = 1;
  for (int64_t item = options.first; item < end; ++item) {
    const Clip clip = gallery.clip(item);
    longest = std::max(longest, static_cast<int64_t>(clip.frames.size()));
    frames.insert(frames.end(), clip.frames.begin(), clip.frames.end());
    std::printf("%6lld  %s, %lld of %lld × %lld  %s\n", static_cast<long long>(item),
                printable(std::string(gallery.kind(item))).c_str(),
                static_cast<long long>(gallery.frames(item)),
                static_cast<long long>(gallery.width(item)),
                static_cast<long long>(gallery.height(item)),
                printable(std::string(gallery.caption(item))).c_str());
  }
  if (options.out.empty()) return 0;
  const int64_t columns = options.columns > 0 ? options.columns : longest > 1 ? longest : 16;
  TRY_STATUS(write_media(options.out, Clip{{contact_sheet(frames, columns)}, 1}, {}));
  std::printf("%s\n", options.out.c_str());
  return 0;
}

}  // namespace

void add_show_data(CLI::App& data, Command& chosen) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command = data.add_subcommand("show", "Look at a gallery: captions, and one picture");
  command->add_option("gallery", options->gallery, "Gallery to look at")->required();
  command->add_option("-o,--out", options->out, "Picture to write");
  command->add_option("--first", options->first, "Item to begin at")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  command->add_option("--count", options->count, "Items")
      ->check(CLI::Range(int64_t{1}, int64_t{4096}))
      ->capture_default_str();
  command->add_option("--columns", options->columns, "Frames in a row (default: 16, or one clip)")
      ->check(CLI::Range(int64_t{1}, int64_t{1024}));
  command->callback([options, &chosen] { chosen = [options] { return show(*options); }; });
  command->footer("Example:\n  hadal data show names.gallery -o names.png --count 64");
}

}  // namespace hadal
