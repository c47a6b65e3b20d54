// SPDX-License-Identifier: MIT
// Positions by the grammar of spans, bytes by the packed cache, passes by both ways to draw.
#include "tools/inspect_clip.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "model/figures.h"
#include "model/visual_sequence.h"
#include "model/visual_tokenizer_network.h"
#include "tools/figures_text.h"

namespace hadal {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kLongestNetwork = 1 << 20;  // bytes of visual_tokenizer.json
constexpr int64_t kLargestSide = 1 << 16;     // pixels
constexpr int64_t kMostFrames = int64_t{1} << 32;

Result<VisualTokenizerConfig> network_of(const std::string& path) {
  std::string name = path + "/visual_tokenizer.json";
  if (!is_folder(path) && path.ends_with(".json"))
    name = path.substr(0, path.size() - 5) + "/visual_tokenizer.json";
  TRY(const std::string text, read_file(name, kLongestNetwork));
  return VisualTokenizerConfig::parse(text, name);
}

Result<int64_t> frames_of(const ClipChoice& choice) {
  if (choice.frames && choice.seconds) return fail("--frames and --seconds exclude each other");
  if (choice.frames) return *choice.frames;
  if (!choice.seconds) return int64_t{1};
  const double frames = std::round(*choice.seconds * static_cast<double>(choice.fps));
  if (!(frames >= 1 && frames <= static_cast<double>(kMostFrames)))
    return fail("--seconds ", *choice.seconds, " at ", choice.fps, " frames a second: ", frames,
                " frames, expected 1 … 2^32");
  return static_cast<int64_t>(frames);
}

}  // namespace

void add_clip_options(CLI::App& command, ClipChoice& choice) {
  command.add_option("--clip", choice.size,
                     "What a picture or clip of WIDTHxHEIGHT pixels costs this model");
  command.add_option("--frames", choice.frames, "Frames of it (default: one, a still)")
      ->check(CLI::Range(int64_t{1}, kMostFrames));
  command.add_option("--seconds", choice.seconds, "Seconds of it, instead of --frames")
      ->check(CLI::PositiveNumber);
  command.add_option("--fps", choice.fps, "Frames a second")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->capture_default_str();
  command.add_option("--passes", choice.passes, "Passes of refinement a latent frame")
      ->check(CLI::Range(int64_t{1}, int64_t{1024}))
      ->capture_default_str();
}

Result<OrderedJson> clip_json(const ClipChoice& choice, const ModelConfig& config,
                              const std::string& path) {
  if (!config.visual.drawn()) return fail(path, ": this model has no visual vocabulary");
  int width = 0, height = 0, read = 0;
  if (std::sscanf(choice.size.c_str(), "%5dx%5d%n", &width, &height, &read) != 2 ||
      read != static_cast<int>(choice.size.size()) || width < 1 || height < 1 ||
      width > kLargestSide || height > kLargestSide)
    return fail("--clip ", choice.size, ": expected WIDTHxHEIGHT in pixels, as 1280x720");
  TRY(const VisualTokenizerConfig network, network_of(path));
  TRY(const int64_t frames, frames_of(choice));
  const int64_t latent = 1 + (frames - 1 + network.temporal - 1) / network.temporal;
  const int64_t rows = (height + network.spatial - 1) / network.spatial;
  const int64_t columns = (width + network.spatial - 1) / network.spatial;
  const SpanSize size{rows, columns, latent, frames > 1 ? choice.fps : 0};
  // <start> size <data>, then <frame> and its cells for every latent frame, then <end>.
  const int64_t cells = latent * rows * columns;
  const int64_t positions =
      static_cast<int64_t>(span_opening(config.visual, size).size()) + latent + cells + 1;
  const PackedCache cache = packed_cache(config);
  return OrderedJson{{"width", width},
                     {"height", height},
                     {"frames", frames},
                     {"fps", choice.fps},
                     {"cell_pixels", network.spatial},
                     {"group_frames", network.temporal},
                     {"latent_frames", latent},
                     {"rows", rows},
                     {"columns", columns},
                     {"cells", cells},
                     {"positions", positions},
                     {"context", config.max_positions},
                     {"fits_frame", rows * columns <= config.visual.max_frame_cells},
                     {"max_frame_cells", config.visual.max_frame_cells},
                     {"bits", static_cast<double>(cells * config.visual.groups) *
                                  std::log2(static_cast<double>(config.visual.codes))},
                     {"packed_cache_bytes", cache.at(positions)},
                     {"passes_cell_by_cell", positions},
                     {"passes_refined", latent * (choice.passes + 2) + positions - latent - cells},
                     {"refinement", choice.passes}};
}

void print_clip(const OrderedJson& figures, std::ostream& out) {
  const int64_t frames = figures["frames"], positions = figures["positions"];
  const int64_t context = figures["context"], refinement = figures["refinement"];
  out << "\n"
      << (frames > 1 ? "Clip" : "Picture") << " of " << figures["width"] << " × "
      << figures["height"];
  if (frames > 1) out << ", " << frames << " frames, " << figures["fps"] << " a second";
  out << "\n  " << padded("latent frames", 20) << figures["latent_frames"] << " of "
      << figures["rows"] << " × " << figures["columns"] << " cells; a cell is "
      << figures["cell_pixels"] << " × " << figures["cell_pixels"] << " pixels of "
      << figures["group_frames"] << " frames\n";
  if (!figures["fits_frame"].get<bool>())
    out << "  " << padded("", 20) << "too large: a frame may have " << figures["max_frame_cells"]
        << " cells\n";
  out << "  " << padded("positions", 20) << positions << ", "
      << share_text(static_cast<double>(positions), static_cast<double>(context))
      << " of the context" << (positions > context ? ": too long" : "") << "\n  "
      << padded("cache, packed", 20) << decimal_bytes(figures["packed_cache_bytes"].get<double>())
      << "\n  " << padded("passes", 20) << figures["passes_cell_by_cell"] << " cell by cell, "
      << figures["passes_refined"] << " refined (" << refinement << " a latent frame)\n  "
      << padded("codes", 20) << decimal_bytes(figures["bits"].get<double>() / 8) << "\n";
}

}  // namespace hadal
