// SPDX-License-Identifier: MIT
// Captions to prompts, cells to pixels.
#include "tools/studio.h"

#include <algorithm>
#include <cmath>

#include "engine/generator.h"

namespace hadal {
namespace {

// Pictures that are painted side by side: their steps share each read of the weights.
constexpr size_t kSideBySide = 16;
constexpr int64_t kLongestSide = 4096;  // pixels
constexpr int64_t kMostFrames = 100000;

SpanSize span_size(const PictureRequest& request, const VisualTokenizer& visual) {
  const bool moving = request.frames > 1;
  return {visual.cells(request.height), visual.cells(request.width),
          visual.latent_frames(request.frames), moving ? std::lround(request.fps) : 0};
}

Tensor codes_of(const ModelConfig& config, const SpanSize& size, std::span<const int64_t> cells) {
  const CellIds ids(config);
  Tensor codes = Tensor::empty(DType::i64, {size.rows, size.columns, config.visual.groups});
  for (int64_t i = 0; i < codes.count(); ++i)
    codes.data<int64_t>()[i] =
        ids.code(cells[static_cast<size_t>(i / config.visual.groups)], i % config.visual.groups);
  return codes;
}

// A frame whose undecided cells are the mask's: decoded with any cell in their place, then greyed.
Picture unfinished(const VisualTokenizer& visual, const ModelConfig& config, const SpanSize& size,
                   int64_t width, int64_t height, std::vector<int64_t> cells, VisualStream stream) {
  constexpr uint8_t kGrey = 128;
  const CellIds ids(config);
  std::vector<bool> open(cells.size());
  const auto decided =
      std::find_if(cells.begin(), cells.end(), [&](int64_t cell) { return ids.is_cell(cell); });
  const std::vector<int64_t> first_codes(static_cast<size_t>(config.visual.groups), 0);
  const int64_t filler = decided == cells.end() ? ids.pack(first_codes.data()) : *decided;
  for (size_t i = 0; i < cells.size(); ++i) {
    open[i] = !ids.is_cell(cells[i]);
    if (open[i]) cells[i] = filler;
  }
  const Tensor codes = codes_of(config, size, cells);
  Clip clip = clip_of(visual.decode(codes, height, width, stream), 1);
  Picture picture = std::move(clip.frames.back());
  const int64_t side = visual.config().spatial;
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      if (open[static_cast<size_t>(y / side * size.columns + x / side)])
        std::fill_n(picture.pixel(x, y), 3, kGrey);
  return picture;
}

}  // namespace

Status check(const PictureRequest& request) {
  if (request.width < 8 || request.height < 8 || request.width > kLongestSide ||
      request.height > kLongestSide)
    return fail("--size ", request.width, "x", request.height, ", expected sides of 8 to ",
                kLongestSide, " pixels");
  if (request.frames < 1 || request.frames > kMostFrames)
    return fail("--frames ", request.frames, ", expected 1 to ", kMostFrames);
  if (!(request.fps >= 1 && request.fps <= 240))
    return fail("--fps ", request.fps, ", expected 1 to 240");
  return Ok{};
}

Result<Studio> open_studio(const ModelChoice& choice) {
  TRY(OpenModel open, open_model(choice, {}));
  return open_studio(std::move(open));
}

Result<Studio> open_studio(OpenModel open) {
  Studio studio;
  studio.open = std::move(open);
  const ModelConfig& config = studio.open.config();
  if (!config.visual.drawn() || !VisualTokenizer::is_in(studio.open.folder))
    return fail(studio.open.folder, ": this model has no visual vocabulary: it cannot draw");
  TRY(studio.visual,
      VisualTokenizer::open(studio.open.folder, *studio.open.ops, config.visual.groups));
  const VisualTokenizerConfig& visual = studio.visual->config();
  if (visual.groups != config.visual.groups || visual.codes() != config.visual.codes)
    return fail(studio.open.folder, ": the visual tokenizer has ", visual.groups, " groups of ",
                visual.codes(), " codes, the model ", config.visual.groups, " of ",
                config.visual.codes);
  return studio;
}

Result<Studio> open_studio_if_it_draws(OpenModel open) {
  if (open.config().visual.drawn() && VisualTokenizer::is_in(open.folder))
    return open_studio(std::move(open));
  Studio studio;
  studio.open = std::move(open);
  return studio;
}

Result<std::vector<Picturing>> Studio::paint(const std::vector<PictureOrder>& orders,
                                             const PictureRequest& request,
                                             const PreviewSink& sink) {
  TRY_STATUS(check(request));
  std::vector<Picturing> all;
  for (size_t first = 0; first < orders.size(); first += kSideBySide) {
    const size_t count = std::min(kSideBySide, orders.size() - first);
    TRY(std::vector<Picturing> batch, paint_batch(orders, first, count, request, sink));
    for (Picturing& one : batch) all.push_back(std::move(one));
    if (request.cancel && request.cancel->load()) break;
  }
  return all;
}

Result<std::vector<Picturing>> Studio::paint_batch(const std::vector<PictureOrder>& orders,
                                                   size_t first, size_t count,
                                                   const PictureRequest& request,
                                                   const PreviewSink& sink) {
  const VisualPrompts asked = prompts();
  std::vector<PaintJob> jobs;
  for (size_t i = first; i < first + count; ++i) {
    const PictureOrder& order = orders[i];
    PaintJob& job = jobs.emplace_back();
    job.seed = order.seed;
    if (order.first_frame) {
      job.prompt = asked.animate(*order.first_frame, order.caption);
      job.without = asked.animate(*order.first_frame, "");
      job.first_frame = order.first_frame->cells;
    } else {
      job.prompt = asked.draw(order.caption);
      job.without = asked.draw("");
      if (order.begun) job.begun = order.begun->cells;
    }
  }
  PaintOptions options;
  options.size = span_size(request, *visual);
  options.guidance = request.guidance;
  options.passes = request.passes;
  options.temperature = request.temperature;
  options.top_k = request.top_k;
  options.cancel = request.cancel;

  std::vector<VisualStream> streams(count);
  std::vector<Clip> clips(count);
  std::vector<int64_t> shown(count);  // frames
  const auto finished = [&](size_t job, int64_t frame, std::span<const int64_t> cells) {
    const Tensor codes = codes_of(config(), options.size, cells);
    const Clip part =
        clip_of(visual->decode(codes, request.height, request.width, streams[job]), request.fps);
    Clip& clip = clips[job];
    clip.fps = request.fps;
    for (const Picture& picture : part.frames)
      if (shown[job]++ < request.frames) clip.frames.push_back(picture);
    if (sink) sink(first + job, frame, clip);
    if (!request.keep_frames) clip.frames.clear();
  };
  if (request.glimpse)
    options.glimpse = [&](size_t job, int64_t frame, std::span<const int64_t> cells) {
      const CellIds ids(config());
      const int64_t decided = std::count_if(cells.begin(), cells.end(),
                                            [&](int64_t cell) { return ids.is_cell(cell); });
      request.glimpse({first + job, frame, decided, [&] {
                         return unfinished(*visual, config(), options.size, request.width,
                                           request.height, {cells.begin(), cells.end()},
                                           streams[job]);
                       }});
    };
  TRY(std::vector<Painting> paintings,
      hadal::paint(*open.model, *open.ops, jobs, options, finished));
  std::vector<Picturing> made;
  for (size_t i = 0; i < count; ++i) {
    Picturing& one = made.emplace_back();
    one.clip = std::move(clips[i]);
    one.cells = {options.size, std::move(paintings[i].cells)};
    one.seconds = paintings[i].seconds;
    one.steps = paintings[i].steps;
    one.whole =
        static_cast<int64_t>(one.cells.cells.size()) == options.size.frames * options.size.cells();
  }
  return made;
}

Clip Studio::decode(const SpanSize& size, std::span<const int64_t> cells,
                    VisualStream& stream) const {
  const int64_t side = visual->config().spatial;
  return clip_of(visual->decode(codes_of(config(), size, cells), size.rows * side,
                                size.columns * side, stream),
                 static_cast<double>(size.fps > 0 ? size.fps : kUsualFps));
}

Glimpse Studio::glimpse(const SpanSize& size, std::vector<int64_t> cells,
                        const VisualStream& stream) const {
  const int64_t decided = static_cast<int64_t>(cells.size()), side = visual->config().spatial;
  cells.resize(static_cast<size_t>(size.cells()), config().visual.mask_id);
  return {0, stream.latent_frames, decided, [=, this] {
            return unfinished(*visual, config(), size, size.columns * side, size.rows * side, cells,
                              stream);
          }};
}

Result<std::string> Studio::describe(const CellClip& clip, int64_t most_tokens) {
  const std::vector<int64_t> prompt = prompts().describe(clip);
  TRY_STATUS(open.session->extend(prompt, nullptr));
  GenerateOptions options;
  options.sampler.temperature = 0;
  options.max_tokens = most_tokens;
  options.end_ids = open.end_ids();
  std::string text;
  generate(*open.session, options, [&](const Sample& token) {
    const int32_t id = static_cast<int32_t>(token.id);
    if (!open.tokenizer->is_special(id)) text += open.tokenizer->token_bytes(id);
    return Flow::go_on;
  });
  return text;
}

}  // namespace hadal
