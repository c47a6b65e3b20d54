// SPDX-License-Identifier: MIT
// From options to files.
#include "tools/draw.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>

#include "base/file.h"
#include "base/json.h"
#include "engine/fingerprint.h"
#include "media/read.h"
#include "media/write.h"
#include "tools/figures_text.h"
#include "tools/interrupt.h"
#include "tools/machine.h"
#include "tools/output.h"
#include "tools/preview.h"
#include "tools/version.h"

namespace hadal {
namespace {

constexpr int64_t kMostPictures = 1000;  // of one call
constexpr int64_t kUsualFrames = 9;      // of a clip: what nano was trained on
constexpr int64_t kCaptionTokens = 512;  // longer than any caption, or page of HTML

bool moves(FileKind kind) {
  return kind == FileKind::gif || kind == FileKind::mp4 || kind == FileKind::webm;
}

// Kinds whose frames are encoded one by one.
bool comes_frame_by_frame(FileKind kind) {
  return kind == FileKind::mp4 || kind == FileKind::webm;
}

Result<int64_t> side_of(std::string_view text, const std::string& size) {
  int64_t side = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), side);
  if (error != std::errc() || end != text.data() + text.size())
    return fail("--size ", printable(size), ", expected WIDTHxHEIGHT in pixels");
  return side;
}

Result<PictureRequest> request_of(const DrawTask& task, FileKind kind) {
  PictureRequest request;
  const DrawChoice& draw = task.draw;
  const size_t cross = draw.size.find('x');
  if (cross == std::string::npos)
    return fail("--size ", printable(draw.size), ", expected WIDTHxHEIGHT in pixels");
  TRY(request.width, side_of(std::string_view(draw.size).substr(0, cross), draw.size));
  TRY(request.height, side_of(std::string_view(draw.size).substr(cross + 1), draw.size));
  if (draw.frames && draw.seconds) return fail("--frames and --seconds are both given");
  request.fps = draw.fps;
  request.frames = moves(kind) ? kUsualFrames : 1;
  if (draw.frames) request.frames = *draw.frames;
  if (draw.seconds) {
    if (!(*draw.seconds > 0 && *draw.seconds <= 3600))
      return fail("--seconds ", *draw.seconds, ", expected more than 0, at most 3600");
    request.frames = std::max<int64_t>(1, std::lround(*draw.seconds * draw.fps));
  }
  if (request.frames > 1 && !moves(kind))
    return fail(task.draw.out, ": a file of this kind holds one frame, --frames is ",
                request.frames);
  request.guidance = draw.guidance;
  request.passes = draw.passes;
  request.temperature = task.sampling.temperature.value_or(kUsualTemperature);
  request.top_k = task.sampling.top_k;
  request.cancel = &interrupt_flag();
  request.keep_frames = !comes_frame_by_frame(kind);
  TRY_STATUS(check(request));
  return request;
}

// "out.png" -> "out-3.png" where there are several.
std::string numbered(const std::string& path, int64_t index, int64_t count) {
  if (count == 1) return path;
  const size_t dot = path.find_last_of('.');
  return path.substr(0, dot) + "-" + std::to_string(index + 1) + path.substr(dot);
}

Metadata metadata_for(const DrawTask& task, const PictureRequest& request, uint64_t seed,
                      const std::string& fingerprint) {
  return {{"prompt", task.prompt},
          {"seed", std::to_string(seed)},
          {"model", fingerprint},
          {"engine", engine_name()},
          {"size", task.draw.size},
          {"frames", std::to_string(request.frames)},
          {"fps", formatted("%g", request.fps)},
          {"guidance", formatted("%g", request.guidance)},
          {"temperature", formatted("%g", request.temperature)},
          {"top_k", std::to_string(request.top_k)},
          {"passes", std::to_string(request.passes)}};
}

Result<std::optional<CellClip>> first_frame(const DrawTask& task, const PictureRequest& request,
                                            const Studio& studio) {
  if (task.images.size() + task.videos.size() > 1 || !task.videos.empty())
    return fail("a drawing goes on from one --image at most");
  if (task.images.empty()) return std::optional<CellClip>();
  if (request.frames == 1)
    return fail(
        "--image is the first frame of a clip: expected --frames above 1 and a .mp4, "
        ".webm or .gif");
  TRY(Clip clip, read_media(task.images.front(),
                            {.width = request.width, .height = request.height, .frames = 1}));
  return std::optional<CellClip>(studio.encode(clip));
}

// Frames on their way into files: films are encoded as they come, so that a long one needs no more
// memory than its file.
class PictureFiles {
 public:
  PictureFiles(const DrawTask& task, const PictureRequest& request, size_t count)
      : task_(task), request_(request), kind_(kind_of_name(task.draw.out)), items_(count) {}

  Status open(const std::vector<PictureOrder>& orders, const std::string& fingerprint) {
    for (size_t i = 0; i < items_.size(); ++i) {
      Item& item = items_[i];
      item.path = numbered(task_.draw.out, static_cast<int64_t>(i), task_.draw.count);
      item.metadata = metadata_for(task_, request_, orders[i].seed, fingerprint);
      if (!comes_frame_by_frame(kind_)) continue;
      TRY(FilmEncoder film,
          FilmEncoder::open({kind_, request_.width, request_.height, request_.fps}, item.metadata,
                            item.path));
      item.film = std::make_unique<FilmEncoder>(std::move(film));
    }
    return Ok{};
  }
  // Frames of a film; the first failure is told by write().
  void add(size_t order, const Clip& frames) {
    if (!comes_frame_by_frame(kind_)) return;
    for (const Picture& frame : frames.frames)
      if (status_) status_ = items_[order].film->add(frame);
  }
  // Everything that has a frame; the paths of the files.
  Result<std::vector<std::string>> write(const std::vector<Picturing>& made) {
    TRY_STATUS(status_);
    std::vector<std::string> paths;
    for (size_t i = 0; i < made.size(); ++i) {
      Item& item = items_[i];
      if (item.film ? item.film->frames() == 0 : made[i].clip.frames.empty()) continue;
      if (item.film) {
        TRY(const std::string bytes, item.film->finish());
        TRY_STATUS(write_file(item.path, bytes));
      } else {
        TRY_STATUS(write_media(item.path, made[i].clip, item.metadata));
      }
      paths.push_back(item.path);
    }
    return paths;
  }

 private:
  struct Item {
    std::string path;
    Metadata metadata;
    std::unique_ptr<FilmEncoder> film;
  };
  const DrawTask& task_;
  const PictureRequest& request_;
  FileKind kind_;
  std::vector<Item> items_;
  Status status_ = Ok{};
};

// What every latent frame took, as lines of JSON.  The processor's seconds, of all threads, say the
// same beside busy neighbours.
class Timeline {
 public:
  static Result<Timeline> open(const std::string& path) {
    Timeline timeline;
    if (path.empty()) return timeline;
    timeline.file_.reset(std::fopen(path.c_str(), "w"));
    if (!timeline.file_) return fail(path, ": cannot be written: ", std::strerror(errno));
    return timeline;
  }
  void add(size_t order, int64_t frame) {
    if (!file_) return;
    const Clock::time_point now = Clock::now();
    std::fprintf(file_.get(),
                 "{\"picture\":%zu,\"latent_frame\":%lld,\"seconds\":%.6f,"
                 "\"processor_seconds\":%.6f,\"resident\":%lld}\n",
                 order, static_cast<long long>(frame),
                 std::chrono::duration<double>(now - last_).count(),
                 static_cast<double>(std::clock() - last_clock_) / CLOCKS_PER_SEC,
                 static_cast<long long>(resident_bytes()));
    std::fflush(file_.get());
    last_ = now;
    last_clock_ = std::clock();
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  Clock::time_point last_ = Clock::now();
  std::clock_t last_clock_ = std::clock();
};

}  // namespace

bool reads_cells(const ModelConfig& config) {
  return config.visual.drawn();
}

Result<PictureRequest> plan_drawing(const DrawTask& task) {
  const FileKind kind = kind_of_name(task.draw.out);
  if (kind == FileKind::unknown)
    return fail(task.draw.out,
                ": expected a name that ends in .png, .jpg, .webp, .gif, .mp4 or .webm");
  if (task.draw.count < 1 || task.draw.count > kMostPictures)
    return fail("-n ", task.draw.count, ", expected 1 to ", kMostPictures);
  return request_of(task, kind);
}

Result<Drawn> draw_with(Studio& studio, const DrawTask& task, const PictureRequest& request) {
  TRY(const std::optional<CellClip> first, first_frame(task, request, studio));
  Drawn drawn;
  drawn.seed =
      task.sampling.seed ? *task.sampling.seed : std::random_device{}();  // 32 bits: easy to type
  std::vector<PictureOrder> orders;
  for (int64_t i = 0; i < task.draw.count; ++i)
    orders.push_back({task.prompt, first, drawn.seed + static_cast<uint64_t>(i)});
  TRY(const std::string fingerprint, model_fingerprint(studio.open.folder));
  PictureFiles files(task, request, orders.size());
  TRY_STATUS(files.open(orders, fingerprint));
  TRY(Timeline timeline, Timeline::open(task.draw.timeline));
  std::vector<Picturing> made;
  {
    const InterruptGuard guard;
    Preview preview(task.model.quiet, task.draw.count,
                    studio.visual->latent_frames(request.frames));
    PictureRequest watched = request;
    watched.glimpse = [&](const Glimpse& glimpse) { preview.glimpse(glimpse); };
    TRY(made, studio.paint(orders, watched, [&](size_t order, int64_t frame, const Clip& clip) {
      preview.show(order, frame, clip);
      files.add(order, clip);
      timeline.add(order, frame);
    }));
  }
  TRY(drawn.paths, files.write(made));
  drawn.whole = made.size() == orders.size();
  for (const Picturing& one : made) drawn.whole = drawn.whole && one.whole;
  if (!made.empty()) drawn.steps = made[0].steps;
  if (!made.empty()) drawn.seconds = made[0].seconds;
  return drawn;
}

std::string cost_line(const Drawn& drawn, const PictureRequest& request) {
  char text[160];
  std::snprintf(text, sizeof text, "%zu × %lld frames, %lld passes, %.2f s, seed %llu",
                drawn.paths.size(), static_cast<long long>(request.frames),
                static_cast<long long>(drawn.steps), drawn.seconds,
                static_cast<unsigned long long>(drawn.seed));
  return text;
}

Result<int> draw_pictures(const DrawTask& task) {
  TRY(const PictureRequest request, plan_drawing(task));
  TRY(Studio studio, open_studio(task.model));
  TRY(const Drawn drawn, draw_with(studio, task, request));
  for (const std::string& path : drawn.paths) std::printf("%s\n", path.c_str());
  if (!task.model.quiet && !drawn.paths.empty()) note_line(cost_line(drawn, request));
  return drawn.whole ? 0 : kInterruptedExit;
}

Result<std::string> describe_file(Studio& studio, const std::string& path, bool still,
                                  int64_t most_tokens) {
  const int64_t f = studio.visual->config().spatial;
  const int64_t most = studio.config().visual.max_frame_cells;
  ReadRequest request{.frames = still ? 1 : 0};
  // As large as a frame may be: larger files are made smaller, squarely.
  const int64_t side = static_cast<int64_t>(std::sqrt(static_cast<double>(most))) * f;
  TRY(const MediaInfo info, read_media_info(path));
  if (studio.visual->cells(info.width) * studio.visual->cells(info.height) > most)
    request.width = request.height = side;
  TRY(const Clip clip, read_media(path, request));
  return studio.describe(studio.encode(clip), most_tokens > 0 ? most_tokens : kCaptionTokens);
}

Result<int> describe_files(const DrawTask& task) {
  TRY(Studio studio, open_studio(task.model));
  for (const bool still : {true, false})
    for (const std::string& path : still ? task.images : task.videos) {
      TRY(const std::string said, describe_file(studio, path, still, task.sampling.max_tokens));
      std::printf("%s\n", said.c_str());
    }
  return 0;
}

void add_draw_options(CLI::App& command, DrawChoice& choice) {
  command.add_option("-o,--out", choice.out,
                     "Draw: a picture (.png, .jpg, .webp) or a clip (.mp4, .webm, .gif)");
  command.add_option("--size", choice.size, "Of what is drawn, WIDTHxHEIGHT in pixels")
      ->capture_default_str();
  command.add_option("--frames", choice.frames, "Of a clip (usual: 9)");
  command.add_option("--seconds", choice.seconds, "Of a clip, instead of --frames");
  command.add_option("--fps", choice.fps, "Frames a second")->capture_default_str();
  command.add_option("--guidance", choice.guidance, "How much the prompt weighs; 1: as it is")
      ->capture_default_str();
  command.add_option("--passes", choice.passes,
                     "Refine each latent frame in so many passes; 0: cell after cell");
  command.add_option(
      "--timeline", choice.timeline,
      "File for what every latent frame took: seconds, processor seconds, resident bytes "
      "(JSON Lines)");
  command.add_option("-n,--count", choice.count, "Pictures, with seeds one after the other")
      ->capture_default_str();
}

}  // namespace hadal
