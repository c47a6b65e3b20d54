// SPDX-License-Identifier: MIT
// The studio: a model that draws, its tokenizers, and pictures made with them.
//
//   TRY(Studio studio, open_studio(choice));
//   TRY(auto clips, studio.paint({{.caption = "a red circle"}}, request, sink));
//
// Clips come back in the order of the orders; a batch of them is painted side by side.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/painter.h"
#include "tools/open_model.h"
#include "tools/visual_prompts.h"

namespace hadal {

// What nano draws best with, of guidance 1 to 3 and temperatures 0.05 to 1 (models/nano/visual).
constexpr double kUsualGuidance = 1;
constexpr double kUsualTemperature = 0.1;
constexpr int64_t kUsualFps = 8;  // of its clips

struct PictureOrder {
  std::string caption;
  std::optional<CellClip> first_frame;  // of a clip that goes on from it
  uint64_t seed = 0;
  std::optional<CellClip> begun = {};  // in passes: cells of the mask's id are painted
};

// A latent frame that is being painted: how many of its cells are decided, and how it looks so far
// (what is not decided yet is grey), if someone wants to see.
struct Glimpse {
  size_t order = 0;
  int64_t latent_frame = 0;
  int64_t cells = 0;
  std::function<Picture()> look;
};

struct PictureRequest {
  int64_t width = 64, height = 64;  // pixels
  int64_t frames = 1;               // of the clip; 1: a still
  double fps = kUsualFps;
  double guidance = kUsualGuidance;
  int64_t passes = 0;
  double temperature = kUsualTemperature;
  int64_t top_k = 0;
  // false: frames are handed to the sink and forgotten, so that a long clip needs no memory.
  bool keep_frames = true;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(const Glimpse&)> glimpse = {};
};

struct Picturing {
  Clip clip;  // empty with keep_frames off
  CellClip cells;
  double seconds = 0;  // of its batch
  int64_t steps = 0;   // forward passes of its batch
  bool whole = true;   // false: cancelled, the clip has the frames that were finished
};

// Frames of an order that are ready; called as they come.  `so_far` holds all of them, or (with
// keep_frames off) the new ones.
using PreviewSink = std::function<void(size_t order, int64_t latent_frame, const Clip& so_far)>;

struct Studio {
  OpenModel open;
  std::unique_ptr<VisualTokenizer> visual;  // empty: neither draws nor looks

  const ModelConfig& config() const { return open.config(); }
  VisualPrompts prompts() const { return {open.config(), *open.tokenizer}; }
  CellClip encode(const Clip& clip) const { return encode_clip(*visual, open.config(), clip); }

  Result<std::vector<Picturing>> paint(const std::vector<PictureOrder>& orders,
                                       const PictureRequest& request, const PreviewSink& sink);
  // The next latent frame of a span, as large as its cells are; `stream` is fresh for each span.
  Clip decode(const SpanSize& size, std::span<const int64_t> cells, VisualStream& stream) const;
  // How it looks while the first `cells` of it are decided.  Lends the studio.
  Glimpse glimpse(const SpanSize& size, std::vector<int64_t> cells,
                  const VisualStream& stream) const;
  // The caption of a picture or clip, by the likeliest words.
  Result<std::string> describe(const CellClip& clip, int64_t most_tokens);

 private:
  Result<std::vector<Picturing>> paint_batch(const std::vector<PictureOrder>& orders, size_t first,
                                             size_t count, const PictureRequest& request,
                                             const PreviewSink& sink);
};

Result<Studio> open_studio(const ModelChoice& choice);
Result<Studio> open_studio(OpenModel open);
// A model without a visual vocabulary stays as it is: `visual` is empty then.
Result<Studio> open_studio_if_it_draws(OpenModel open);
// The caller's mistakes about size and length, before anything is opened.
Status check(const PictureRequest& request);

}  // namespace hadal
