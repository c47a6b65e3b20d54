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
#include "tools/studio.h"

namespace CLI {
class App;
}

namespace hadal {

struct DrawChoice {
  std::string out;  // empty: nothing is drawn
  std::string size = "64x64";
  std::optional<int64_t> frames;
  std::optional<double> seconds;
  double fps = kUsualFps;
  double guidance = kUsualGuidance;
  int64_t passes = 0;
  int64_t count = 1;
  std::string timeline;  // file; empty: none

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

// What a task asks for, checked before a model is opened.
Result<PictureRequest> plan_drawing(const DrawTask& task);

struct Drawn {
  std::vector<std::string> paths;  // of the files
  bool whole = true;               // false: stopped by Ctrl-C, with what was finished
  int64_t steps = 0;               // forward passes
  double seconds = 0;
  uint64_t seed = 0;  // of the first one
};
// Paints, with a preview on a terminal, and writes the files.
Result<Drawn> draw_with(Studio& studio, const DrawTask& task, const PictureRequest& request);
std::string cost_line(const Drawn& drawn, const PictureRequest& request);
// The caption of a file that a person or the network gave; most_tokens 0: a usual limit.
Result<std::string> describe_file(Studio& studio, const std::string& path, bool still,
                                  int64_t most_tokens);

// Writes the files and prints their paths.  Ctrl-C keeps what is finished.
Result<int> draw_pictures(const DrawTask& task);

// Whether a model reads pictures as cells (and not through a vision encoder).
bool reads_cells(const ModelConfig& config);
// Prints a caption for each file.
Result<int> describe_files(const DrawTask& task);

}  // namespace hadal
