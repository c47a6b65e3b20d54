// SPDX-License-Identifier: MIT
// Prompts are read, frames are opened, cells are drawn, frames are handed out.
#include "engine/painter.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

#include "base/random.h"

namespace hadal {
namespace {

constexpr int64_t kMostPasses = 64;     // one pass a cell of nano's frames
constexpr int64_t kMostRows = 1 << 20;  // positions of all jobs together
constexpr int64_t kRowsAtOnce = 4096;   // of prompts

class Painter {
 public:
  Painter(Model& model, Ops& ops, const std::vector<PaintJob>& jobs, const PaintOptions& options)
      : model_(model),
        ops_(ops),
        jobs_(jobs),
        options_(options),
        visual_(model.config().visual),
        cells_(model.config()),
        guided_(options.guidance != 1),
        opening_(span_opening(visual_, options.size)),
        paintings_(jobs.size()),
        cache_(model.config(), ops,
               {.slots = slots(),
                .max_positions = longest(),
                .max_chunk = longest(),
                .rounding = model.options().rounding}) {}

  std::vector<Painting> run(const FrameSink& sink) {
    const auto begin = std::chrono::steady_clock::now();
    read_prompts();
    for (int64_t frame = 0; frame < options_.size.frames && !cancelled(); ++frame) {
      paint_frame(frame);
      if (cancelled()) break;
      for (size_t job = 0; job < jobs_.size(); ++job) {
        const std::span<const int64_t> cells(paintings_[job].cells);
        sink(job, frame, cells.last(static_cast<size_t>(options_.size.cells())));
      }
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    for (Painting& painting : paintings_) {
      painting.seconds = passed.count();
      painting.steps = steps_;
      const size_t frame = static_cast<size_t>(options_.size.cells());
      painting.cells.resize(painting.cells.size() / frame * frame);  // whole frames
    }
    return std::move(paintings_);
  }

 private:
  int64_t slots() const { return static_cast<int64_t>(jobs_.size()) * (guided_ ? 2 : 1); }
  // Slot 2j is job j with its caption and 2j+1 without; or slot j is job j.
  const std::vector<int64_t>& prompt_of(int64_t slot) const {
    const PaintJob& job = jobs_[static_cast<size_t>(job_of(slot))];
    return guided_ && slot % 2 == 1 ? job.without : job.prompt;
  }
  int64_t job_of(int64_t slot) const { return guided_ ? slot / 2 : slot; }
  int64_t longest() const {
    size_t prompt = 0;
    for (const PaintJob& job : jobs_)
      prompt = std::max({prompt, job.prompt.size(), job.without.size()});
    return static_cast<int64_t>(prompt + opening_.size()) +
           options_.size.frames * (options_.size.cells() + 1);
  }
  bool cancelled() const {
    return options_.cancel && options_.cancel->load(std::memory_order_relaxed);
  }

  void read_prompts() {
    lengths_.assign(static_cast<size_t>(slots()), 0);
    Batch batch;
    for (int64_t slot = 0; slot < slots(); ++slot) {
      std::vector<int64_t> ids = prompt_of(slot);
      ids.insert(ids.end(), opening_.begin(), opening_.end());
      if (batch.rows() > 0 && batch.rows() + static_cast<int64_t>(ids.size()) > kRowsAtOnce) {
        model_.states(batch, cache_);
        batch = {};
      }
      batch.append(slot, 0, ids);
      lengths_[static_cast<size_t>(slot)] = static_cast<int64_t>(ids.size());
    }
    model_.states(batch, cache_);
  }

  // The same ids after every sequence of a job; the states of their last rows.
  Tensor read(const std::vector<std::vector<int64_t>>& ids_of_job) {
    Batch batch;
    for (int64_t slot = 0; slot < slots(); ++slot) {
      const std::vector<int64_t>& ids = ids_of_job[static_cast<size_t>(job_of(slot))];
      batch.append(slot, lengths_[static_cast<size_t>(slot)], ids);
      batch.wanted.push_back(batch.rows() - 1);
      lengths_[static_cast<size_t>(slot)] += static_cast<int64_t>(ids.size());
    }
    ++steps_;
    return model_.states(batch, cache_);
  }

  void paint_frame(int64_t frame) {
    const bool given = frame == 0 && !jobs_.front().first_frame.empty();
    if (given) return copy_frame();
    if (options_.passes > 0) return refine_frame();
    Tensor states = read({jobs_.size(), std::vector<int64_t>{visual_.frame_id}});
    for (int64_t cell = 0; cell < options_.size.cells() && !cancelled(); ++cell) {
      const std::vector<Drawn> drawn = draw(states, std::vector<int64_t>(jobs_.size(), cell), 0);
      std::vector<std::vector<int64_t>> ids;
      for (size_t job = 0; job < jobs_.size(); ++job) {
        paintings_[job].cells.push_back(drawn[job].cell);
        ids.push_back({drawn[job].cell});
      }
      if ((cell + 1) % options_.size.columns == 0) show_rows(cell + 1);
      states = read(ids);
    }
  }

  // The first `decided` cells of the frame that is painted cell after cell.
  void show_rows(int64_t decided) {
    if (!options_.glimpse || decided == options_.size.cells()) return;
    for (size_t job = 0; job < jobs_.size(); ++job) {
      const std::span<const int64_t> done =
          std::span<const int64_t>(paintings_[job].cells).last(static_cast<size_t>(decided));
      std::vector<int64_t> frame(done.begin(), done.end());
      frame.resize(static_cast<size_t>(options_.size.cells()), visual_.mask_id);
      options_.glimpse(job, frame_of(static_cast<int64_t>(job)), frame);
    }
  }

  void copy_frame() {
    std::vector<std::vector<int64_t>> ids;
    for (size_t job = 0; job < jobs_.size(); ++job) {
      const std::vector<int64_t>& cells = jobs_[job].first_frame;
      paintings_[job].cells.insert(paintings_[job].cells.end(), cells.begin(), cells.end());
      ids.push_back({visual_.frame_id});
      ids.back().insert(ids.back().end(), cells.begin(), cells.end());
    }
    read(ids);
  }

  // ---- one cell of every job

  struct Drawn {
    int64_t cell = 0;
    double confidence = 0;  // sum of the log-probabilities of its codes
  };

  // `states` has a row a slot, for each of `per_job` cells; `places` says which cell of the frame.
  // Rows: slot after slot, cell after cell.
  std::vector<Drawn> draw(Tensor states, const std::vector<int64_t>& places, int64_t pass) {
    const int64_t groups = visual_.groups, rows = states.size(0);
    const int64_t per_slot = rows / slots();
    std::vector<Drawn> drawn(places.size());
    std::vector<std::vector<int64_t>> codes(places.size());
    for (int64_t g = 0; g < groups; ++g) {
      const Tensor logits = ops_.to_host(model_.code_logits(states, g));
      for (size_t i = 0; i < places.size(); ++i) {
        const int64_t job = static_cast<int64_t>(i) / per_slot;
        const int64_t cell = static_cast<int64_t>(i) % per_slot;
        const Sample sample = pick_token(guided_logits(logits, job, cell, per_slot),
                                         sampler_of(job), draw_number(job, places[i], g, pass));
        codes[i].push_back(sample.id);
        drawn[i].confidence += sample.logprob;
      }
      if (g + 1 == groups) break;
      Tensor chosen = Tensor::empty(DType::i64, {rows});
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t i = job_of(row / per_slot) * per_slot + row % per_slot;
        chosen.data<int64_t>()[row] = codes[static_cast<size_t>(i)].back();
      }
      states = model_.next_code_state(states, chosen, g);
    }
    for (size_t i = 0; i < places.size(); ++i) drawn[i].cell = cells_.pack(codes[i].data());
    return drawn;
  }

  std::span<const float> guided_logits(const Tensor& logits, int64_t job, int64_t cell,
                                       int64_t per_slot) {
    const int64_t width = logits.size(1);
    const float* with =
        logits.data<float>() + ((guided_ ? 2 * job : job) * per_slot + cell) * width;
    if (!guided_) return {with, static_cast<size_t>(width)};
    const float* without = with + per_slot * width;
    guided_row_.resize(static_cast<size_t>(width));
    const float scale = static_cast<float>(options_.guidance);
    for (size_t i = 0; i < guided_row_.size(); ++i)
      guided_row_[i] = without[i] + scale * (with[i] - without[i]);
    return guided_row_;
  }

  SamplerOptions sampler_of(int64_t job) const {
    return {.temperature = options_.temperature,
            .top_k = std::min(options_.top_k, visual_.codes),
            .seed = jobs_[static_cast<size_t>(job)].seed};
  }
  // The latent frame that a job is at.
  int64_t frame_of(int64_t job) const {
    const std::vector<int64_t>& cells = paintings_[static_cast<size_t>(job)].cells;
    return static_cast<int64_t>(cells.size()) / options_.size.cells();
  }
  // Every draw of a job has a number of its own.
  int64_t draw_number(int64_t job, int64_t cell, int64_t group, int64_t pass) const {
    return ((frame_of(job) * kMostPasses + pass) * options_.size.cells() + cell) * visual_.groups +
           group;
  }

  // ---- a frame in passes

  void refine_frame() {
    const size_t count = static_cast<size_t>(options_.size.cells());
    std::vector<std::vector<int64_t>> frames(jobs_.size(),
                                             std::vector<int64_t>(count, visual_.mask_id));
    for (size_t job = 0; job < jobs_.size(); ++job) {
      const std::vector<int64_t>& begun = jobs_[job].begun;
      const auto first = paintings_[job].cells.size();
      if (first + count <= begun.size())
        frames[job].assign(begun.begin() + static_cast<long>(first),
                           begun.begin() + static_cast<long>(first + count));
    }
    masked_.clear();
    for (const std::vector<int64_t>& frame : frames)
      masked_.push_back(std::count(frame.begin(), frame.end(), visual_.mask_id));
    for (int64_t pass = 0; pass < options_.passes && !cancelled(); ++pass) {
      decide(frames, pass);
      if (!options_.glimpse || pass + 1 == options_.passes) continue;
      for (size_t job = 0; job < jobs_.size(); ++job)
        options_.glimpse(job, frame_of(static_cast<int64_t>(job)), frames[job]);
    }
    if (cancelled()) return;
    for (size_t job = 0; job < jobs_.size(); ++job) {
      paintings_[job].cells.insert(paintings_[job].cells.end(), frames[job].begin(),
                                   frames[job].end());
      frames[job].insert(frames[job].begin(), visual_.frame_id);
    }
    read(frames);
  }

  // One pass: every masked cell is drawn, the surest are kept.
  void decide(std::vector<std::vector<int64_t>>& frames, int64_t pass) {
    const int64_t count = options_.size.cells();
    Batch batch;
    for (int64_t slot = 0; slot < slots(); ++slot) {
      std::vector<int64_t> block = {visual_.frame_id};
      const std::vector<int64_t>& frame = frames[static_cast<size_t>(job_of(slot))];
      block.insert(block.end(), frame.begin(), frame.end());
      const int64_t first = batch.rows();
      batch.append(slot, lengths_[static_cast<size_t>(slot)], block, /*two_way=*/true);
      for (int64_t cell = 0; cell < count; ++cell) batch.wanted.push_back(first + cell);
    }
    ++steps_;
    std::vector<int64_t> places;
    for (size_t job = 0; job < jobs_.size(); ++job)
      for (int64_t cell = 0; cell < count; ++cell) places.push_back(cell);
    const std::vector<Drawn> drawn = draw(model_.states(batch, cache_), places, pass);
    const double progress = static_cast<double>(pass + 1) / static_cast<double>(options_.passes);
    const double part = pass + 1 == options_.passes ? 0 : std::cos(std::numbers::pi / 2 * progress);
    for (size_t job = 0; job < jobs_.size(); ++job) {
      const int64_t left = static_cast<int64_t>(static_cast<double>(masked_[job]) * part);
      keep_surest(drawn, static_cast<int64_t>(job), left, pass, frames[job]);
    }
  }

  // Keeps all but `left` of the masked cells.  Early passes are noisy, so that a frame does not
  // fill up from its plainest corner.
  void keep_surest(const std::vector<Drawn>& drawn, int64_t job, int64_t left, int64_t pass,
                   std::vector<int64_t>& frame) {
    const double noise = options_.temperature *
                         (1 - static_cast<double>(pass + 1) / static_cast<double>(options_.passes));
    std::vector<std::pair<double, int64_t>> masked;  // unsure first
    for (int64_t cell = 0; cell < options_.size.cells(); ++cell) {
      if (frame[static_cast<size_t>(cell)] != visual_.mask_id) continue;
      Random random(seed_for(jobs_[static_cast<size_t>(job)].seed,
                             std::to_string(draw_number(job, cell, 0, pass))));
      const double gumbel = -std::log(-std::log(random.uniform()));
      const size_t place = static_cast<size_t>(job * options_.size.cells() + cell);
      masked.emplace_back(drawn[place].confidence + noise * gumbel, cell);
    }
    std::sort(masked.begin(), masked.end());
    for (size_t i = static_cast<size_t>(std::max<int64_t>(left, 0)); i < masked.size(); ++i) {
      const int64_t cell = masked[i].second;
      frame[static_cast<size_t>(cell)] =
          drawn[static_cast<size_t>(job * options_.size.cells() + cell)].cell;
    }
  }

  Model& model_;
  Ops& ops_;
  const std::vector<PaintJob>& jobs_;
  PaintOptions options_;
  const VisualVocabulary& visual_;
  CellIds cells_;
  bool guided_;
  std::vector<int64_t> opening_;
  std::vector<Painting> paintings_;
  Cache cache_;
  std::vector<int64_t> lengths_;  // positions that each slot's sequence has
  std::vector<int64_t> masked_;   // cells of each job's frame that its passes have to decide
  std::vector<float> guided_row_;
  int64_t steps_ = 0;
};

Status check_job(const PaintJob& job, const PaintOptions& options, const ModelConfig& config,
                 bool first_frame) {
  const CellIds cells(config);
  const bool guided = options.guidance != 1;
  if (job.prompt.empty() || (guided && job.without.empty()))
    return fail("a picture's prompt has no tokens, expected at least 1");
  for (const std::vector<int64_t>* ids : {&job.prompt, &job.without, &job.first_frame})
    for (int64_t id : *ids)
      if (!cells.is_known(id)) return fail("token ", id, " of a picture's prompt is unknown");
  if (job.first_frame.empty() != !first_frame ||
      (first_frame && static_cast<int64_t>(job.first_frame.size()) != options.size.cells()))
    return fail("a first frame of ", job.first_frame.size(), " cells, expected ",
                options.size.cells(), " in every job or none");
  for (int64_t id : job.first_frame)
    if (!cells.is_cell(id)) return fail("a first frame holds token ", id, ", expected cells");
  const int64_t begun = static_cast<int64_t>(job.begun.size()), frame = options.size.cells();
  if (begun > 0 && (options.passes == 0 || first_frame || begun % frame != 0 ||
                    begun > frame * options.size.frames))
    return fail(begun, " cells are begun, expected none, or up to ", options.size.frames,
                " frames of ", frame, " with passes and without a first frame");
  for (int64_t id : job.begun)
    if (!cells.is_cell(id) && id != config.visual.mask_id)
      return fail("a frame begins with token ", id, ", expected cells or the mask");
  const int64_t length = static_cast<int64_t>(std::max(job.prompt.size(), job.without.size())) +
                         kLongestSize + options.size.frames * (options.size.cells() + 1);
  if (length > config.max_positions)
    return fail("the prompt and its span have ", length, " positions, the context holds ",
                config.max_positions);
  return Ok{};
}

}  // namespace

Status check(const PaintOptions& options, const VisualVocabulary& visual) {
  const SpanSize& size = options.size;
  if (!visual.drawn()) return fail("this model has no visual vocabulary: it cannot draw");
  if (size.rows < 1 || size.columns < 1 || size.rows > visual.max_frame_cells ||
      size.columns > visual.max_frame_cells || size.cells() > visual.max_frame_cells)
    return fail("a frame of ", size.rows, " × ", size.columns, " cells, this model draws up to ",
                visual.max_frame_cells);
  if (size.frames < 1 || size.frames > (1 << 16))
    return fail("a clip of ", size.frames, " latent frames, expected 1 to ", 1 << 16);
  if (options.passes < 0 || options.passes > std::min(kMostPasses, size.cells()))
    return fail("--passes ", options.passes, ", expected 0 to ",
                std::min(kMostPasses, size.cells()));
  if (!(options.guidance >= 0 && options.guidance <= 100))
    return fail("--guidance ", options.guidance, ", expected 0 to 100");
  return check(SamplerOptions{.temperature = options.temperature, .top_k = options.top_k});
}

Result<std::vector<Painting>> paint(Model& model, Ops& ops, const std::vector<PaintJob>& jobs,
                                    const PaintOptions& options, const FrameSink& sink) {
  const ModelConfig& config = model.config();
  TRY_STATUS(check(options, config.visual));
  if (jobs.empty()) return std::vector<Painting>{};
  const bool first_frame = !jobs.front().first_frame.empty();
  int64_t rows = 0;
  for (const PaintJob& job : jobs) {
    TRY_STATUS(check_job(job, options, config, first_frame));
    rows += options.size.frames * (options.size.cells() + 1);
  }
  if (rows > kMostRows)
    return fail(jobs.size(), " pictures at once are ", rows, " positions, at most ", kMostRows);
  return Painter(model, ops, jobs, options).run(sink);
}

}  // namespace hadal
