// SPDX-License-Identifier: MIT
// The painter: spans of cells after prompts, several side by side.
//
//   std::vector<PaintJob> jobs = {{.prompt = ids, .without = ids_without_caption, .seed = 7}};
//   TRY(std::vector<Painting> paintings, paint(*model, ops, jobs, {.size = {8, 8}}, sink));
//
// Two ways from the same weights.  Cell after cell: every code is drawn from what stands before
// it.  Or in passes: all cells of a latent frame begin masked and see each other both ways; each
// pass decides the surest, by a cosine schedule (MaskGIT, arXiv 2202.04200), and the finished
// frame is read once more, causally.
// Guidance (arXiv 2207.12598): logits of each code are l∅ + s·(l - l∅), l∅ those of the same
// sequence without its caption, which runs beside it.
//
// A job's cells depend on its own prompt, options and seed alone: alone and in company, the same
// cells.  One thread at a time; `cancel` may be set from anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/sampler.h"
#include "model/model.h"
#include "model/visual_sequence.h"
#include "ops/ops.h"

namespace hadal {

struct PaintJob {
  std::vector<int64_t> prompt;       // what stands before <start>
  std::vector<int64_t> without;      // the same without the caption; needed for guidance
  std::vector<int64_t> first_frame;  // cells of latent frame 0, if it is given
  // In passes: what the first latent frames begin as, whole frames.  Cells of the mask's id are
  // painted, the others kept.
  std::vector<int64_t> begun = {};
  uint64_t seed = 0;
};

// A latent frame of a job that is not finished: cells that are not decided yet are the mask's id.
using GlimpseSink =
    std::function<void(size_t job, int64_t frame, std::span<const int64_t> cells_of_frame)>;

struct PaintOptions {
  SpanSize size;
  double guidance = 2;  // 1: none, and half the work
  int64_t passes = 0;   // of a latent frame; 0: cell after cell
  double temperature = 1;
  int64_t top_k = 0;  // of a group's codes; 0: all
  const std::atomic<bool>* cancel = nullptr;
  GlimpseSink glimpse = {};  // after each row of cells, or pass, that does not finish the frame
};
Status check(const PaintOptions& options, const VisualVocabulary& visual);

struct Painting {
  std::vector<int64_t> cells;  // packed ids, frame by frame; fewer after a cancellation
  double seconds = 0;          // of the whole call
  int64_t steps = 0;           // forward passes of the whole call, prompt not counted
};

// Called with each finished latent frame of a job.
using FrameSink =
    std::function<void(size_t job, int64_t frame, std::span<const int64_t> cells_of_frame)>;

Result<std::vector<Painting>> paint(Model& model, Ops& ops, const std::vector<PaintJob>& jobs,
                                    const PaintOptions& options, const FrameSink& sink);

}  // namespace hadal
