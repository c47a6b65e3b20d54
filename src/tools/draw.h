// SPDX-License-Identifier: MIT
// `hadal generate -o FILE`: pictures and clips from a prompt, or from a first frame and a prompt;
// and captions of files, for models with a visual vocabulary.
//
//   hadal generate --prompt 'a large red circle, top left, on white' -o out.png
//   hadal generate --prompt 'a small blue square, middle right, moves left, on black' -o out.mp4
//   hadal generate --image first.png --prompt '…' -o out.gif
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/options.h"

namespace CLI {
class App;
}

namespace hadal {

struct DrawChoice {
  std::string out;  // empty: nothing is drawn
  std::string size = "64x64";
  std::optional<int64_t> frames;
  std::optional<double> seconds;
  double fps = 8;
  double guidance = 2;
  int64_t passes = 0;
  int64_t count = 1;

  bool asked() const { return !out.empty(); }
};

void add_draw_options(CLI::App& command, DrawChoice& choice);

struct DrawTask {
  ModelChoice model;
  SamplingChoice sampling;
  DrawChoice draw;
  std::string prompt;
  std::vector<std::string> images, videos;  // what is given
};

// Writes the files and prints their paths.  Ctrl-C keeps what is finished.
Result<int> draw_pictures(const DrawTask& task);

// Whether a model reads pictures as cells (and not through a vision encoder).
bool reads_cells(const ModelConfig& config);
// Prints a caption for each file.
Result<int> describe_files(const DrawTask& task);

}  // namespace hadal
