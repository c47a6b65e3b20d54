// SPDX-License-Identifier: MIT
// Orders to files.
#include "tools/serve_artist.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <mutex>
#include <span>

#include "base/random.h"
#include "engine/fingerprint.h"
#include "media/kind.h"
#include "media/read.h"
#include "media/write.h"
#include "tools/contact_sheet.h"
#include "tools/figures_text.h"
#include "tools/version.h"
#include "tools/visual_prompts.h"

namespace hadal {
namespace {

// Positions of all sequences of one order: what its caches may take beside the answers'.
constexpr int64_t kMostPositions = 1 << 16;
constexpr int64_t kMostCount = 10;  // as OpenAI has it
// Of the studio's session, which says what pictures show: beside the cells of the largest.
constexpr int64_t kWords = 256;
constexpr int64_t kMostCaption = 64;  // tokens
constexpr int64_t kSheetPictures = 16, kSheetColumns = 4;

// 0 to 1, of each cell's pixels on average.
std::vector<double> brightness_of_cells(const Picture& picture, const SpanSize& size,
                                        int64_t spatial) {
  std::vector<double> sums(static_cast<size_t>(size.cells())), counts(sums.size());
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x) {
      const size_t cell = static_cast<size_t>(y / spatial * size.columns + x / spatial);
      const uint8_t* rgb = picture.pixel(x, y);
      sums[cell] += (rgb[0] + rgb[1] + rgb[2]) / (3 * 255.0);
      ++counts[cell];
    }
  for (size_t cell = 0; cell < sums.size(); ++cell)
    sums[cell] = counts[cell] > 0 ? sums[cell] / counts[cell] : 0;
  return sums;
}

FrameSize stored_size_of(const std::string& file) {
  const std::span bytes(reinterpret_cast<const uint8_t*>(file.data()), file.size());
  return stored_size(kind_of_bytes(bytes), bytes);
}

// A visual tokenizer of its own, for pictures that come while another is painted.
struct Eyes {
  std::unique_ptr<Ops> ops;
  std::unique_ptr<VisualTokenizer> tokenizer;
};

class StudioArtist : public Artist {
 public:
  StudioArtist(Studio studio, std::string fingerprint, Eyes eyes)
      : studio_(std::move(studio)), fingerprint_(std::move(fingerprint)), eyes_(std::move(eyes)) {}

  ArtLimits limits() const override {
    const VisualVocabulary& visual = studio_.config().visual;
    const int64_t cell = studio_.visual->config().spatial;
    ArtLimits limits;
    limits.cell_side = cell;
    limits.longest_side = std::min<int64_t>(4096, visual.max_frame_cells * cell);
    limits.most_count = kMostCount;
    limits.usual_guidance = kUsualGuidance;
    limits.usual_temperature = kUsualTemperature;
    limits.most_frames = studio_.visual->frames(kMostPositions);
    // As large as a quarter of the largest frame: what models/nano was shown.
    const double side = std::sqrt(static_cast<double>(visual.max_frame_cells) / 4);
    limits.usual_width = limits.usual_height =
        cell * std::max<int64_t>(1, static_cast<int64_t>(side));
    return limits;
  }

  std::optional<ArtFault> fault_of(const ArtOrder& order) const override;
  Result<Artwork> make(const ArtOrder& order, ArtSink& sink,
                       const std::atomic<bool>& cancel) override;
  bool looks() const override { return true; }
  Result<std::vector<int64_t>> looking_at(const std::string& file,
                                          const std::optional<ClipPart>& part) override;

 private:
  PictureRequest request_of(const ArtOrder& order) const;
  int64_t latent_frames(const ArtOrder& order) const {
    return studio_.visual->latent_frames(order.frames);
  }
  int64_t frame_cells(const ArtOrder& order) const {
    return studio_.visual->cells(order.width) * studio_.visual->cells(order.height);
  }
  // What an order brings along, made ready.
  struct Given {
    std::string caption;            // the prompt, or what the picture shows
    std::optional<CellClip> first;  // that is gone on from
    std::optional<CellClip> under;  // that is painted over
    std::vector<size_t> region;     // cells of it that may be
    int64_t looked = 0;             // cells of the picture that is redrawn or painted over
    std::vector<Picture> before;    // frames of the clip that is extended, but for its last
  };
  Result<Given> given_of(const ArtOrder& order);
  Result<Given> paper_of(const ArtOrder& order) const;
  Result<std::vector<bool>> cells_shown(const ArtOrder& order, const SpanSize& size) const;
  CellClip begun_on(const ArtOrder& order, const Given& given, uint64_t seed) const;
  Result<CellClip> cells_of(const std::string& picture, const VisualTokenizer& eyes) const;
  Result<CellClip> cells_of_clip(const std::string& file, const ClipPart& part,
                                 const VisualTokenizer& eyes) const;
  Result<ArtFile> file_of(const ArtOrder& order, const Given& given, uint64_t seed,
                          Clip clip) const;
  Metadata metadata_of(const ArtOrder& order, const std::string& caption, uint64_t seed) const;

  Studio studio_;
  std::string fingerprint_;
  std::mutex looking_;  // of the eyes
  Eyes eyes_;
};

std::optional<ArtFault> StudioArtist::fault_of(const ArtOrder& order) const {
  const auto fault = [](const char* field, const auto&... parts) {
    return ArtFault{field, detail::join_text(parts...)};
  };
  const VisualVocabulary& visual = studio_.config().visual;
  const int64_t cell = studio_.visual->config().spatial, longest = limits().longest_side;
  const auto side_fits = [&](int64_t side) { return side >= 8 && side <= longest; };
  if (!side_fits(order.width) || !side_fits(order.height) ||
      frame_cells(order) > visual.max_frame_cells)
    return fault("size", "is ", order.width, "x", order.height, ", this model draws up to ",
                 visual.max_frame_cells, " cells of ", cell, "x", cell, " pixels, ",
                 cell * static_cast<int64_t>(std::sqrt(visual.max_frame_cells)), "x",
                 cell * static_cast<int64_t>(std::sqrt(visual.max_frame_cells)), " for example");
  const int64_t most_passes = std::min<int64_t>(64, frame_cells(order));
  if (order.passes > most_passes)
    return fault("num_inference_steps", "is ", order.passes, ", expected 0 to ", most_passes,
                 " for this size");
  if (order.frames < 1) return fault("num_frames", "is ", order.frames, ", expected 1 or more");
  const int64_t sequences = order.count * (order.guidance == 1 ? 1 : 2);
  const int64_t context = studio_.config().max_positions;
  const int64_t words = static_cast<int64_t>(studio_.open.tokenizer->encode(order.prompt).size());
  if (order.paint_over > 0 && order.passes == 0)
    return fault("num_inference_steps", "is ", order.passes,
                 ", what is given is painted over in passes, 1 or more");
  const bool goes_on = !order.first_frame.empty() && !order.redraws && order.paint_over == 0;
  const int64_t given = goes_on ? frame_cells(order) + kLongestSize : 0;
  const int64_t positions =
      words + given + 2 * kLongestSize + latent_frames(order) * (frame_cells(order) + 1);
  if (positions > context || positions > kMostPositions / sequences)
    return fault(order.frames > 1 ? "num_frames" : "n", "this order takes ", sequences,
                 " sequences of ", positions, " positions, at most ",
                 std::min(context, kMostPositions / sequences), " of each fit");
  return std::nullopt;
}

PictureRequest StudioArtist::request_of(const ArtOrder& order) const {
  PictureRequest request;
  request.width = order.width;
  request.height = order.height;
  request.frames = order.frames;
  request.fps = order.fps;
  request.guidance = order.guidance;
  request.passes = order.passes;
  request.temperature = order.temperature;
  request.top_k = order.top_k;
  return request;
}

// As large as a frame may be: larger pictures are made smaller, squarely, as `hadal generate` does.
Result<CellClip> StudioArtist::cells_of(const std::string& picture,
                                        const VisualTokenizer& eyes) const {
  constexpr const char* kName = "the picture";
  const int64_t most = studio_.config().visual.max_frame_cells;
  ReadRequest request{.frames = 1};
  const FrameSize size = stored_size_of(picture);
  if (size.width == 0 || eyes.cells(size.width) * eyes.cells(size.height) > most)
    request.width = request.height =
        static_cast<int64_t>(std::sqrt(static_cast<double>(most))) * eyes.config().spatial;
  TRY(const Clip clip, read_media_bytes(picture, kName, request));
  if (clip.frames.empty()) return fail(kName, ": there is none in the file");
  return encode_clip(eyes, studio_.config(), clip);
}

// All frames of the part, as `hadal generate --video` does, unless a rate is asked for.
Result<CellClip> StudioArtist::cells_of_clip(const std::string& file, const ClipPart& part,
                                             const VisualTokenizer& eyes) const {
  constexpr const char* kName = "the clip";
  const VisualVocabulary& visual = studio_.config().visual;
  TRY(const MediaInfo info, read_media_info_bytes(file, kName));
  const double seconds = info.fps > 0 ? static_cast<double>(info.frames) / info.fps : 0;
  if (part.start > 0 && part.start >= seconds)
    return fail("start: ", part.start, " s, but the clip is ", seconds, " s long");
  ReadRequest request{.frames = info.frames};
  if (!part.is_whole() && info.fps > 0) {
    const double end = part.end > 0 ? std::min(part.end, seconds) : seconds;
    request.fps = part.fps > 0 ? part.fps : info.fps;
    request.start = part.start;
    request.frames = std::max<int64_t>(1, std::llround((end - part.start) * request.fps));
  }
  FrameSize size{info.width, info.height};
  if (eyes.cells(size.width) * eyes.cells(size.height) > visual.max_frame_cells) {
    const double side = std::sqrt(static_cast<double>(visual.max_frame_cells));
    size.width = size.height = static_cast<int64_t>(side) * eyes.config().spatial;
    request.width = size.width;
    request.height = size.height;
  }
  const int64_t positions =
      eyes.latent_frames(request.frames) * (eyes.cells(size.width) * eyes.cells(size.height) + 1);
  if (positions > studio_.config().max_positions)
    return fail(request.frames, " frames take ", positions, " positions, the context has ",
                studio_.config().max_positions, "; show less of the clip, or with a lower fps");
  TRY(const Clip clip, read_media_bytes(file, kName, request));
  if (clip.frames.empty()) return fail(kName, ": there is no frame in the file");
  return encode_clip(eyes, studio_.config(), clip);
}

Result<std::vector<int64_t>> StudioArtist::looking_at(const std::string& file,
                                                      const std::optional<ClipPart>& part) {
  const std::lock_guard lock(looking_);
  TRY(const CellClip cells,
      part ? cells_of_clip(file, *part, *eyes_.tokenizer) : cells_of(file, *eyes_.tokenizer));
  return studio_.prompts().describe(cells);
}

Result<StudioArtist::Given> StudioArtist::given_of(const ArtOrder& order) {
  Given given;
  given.caption = order.prompt;
  if (order.first_frame.empty()) return given;
  if (order.paint_over > 0) return paper_of(order);
  if (order.redraws) {
    TRY(const CellClip cells, cells_of(order.first_frame, *studio_.visual));
    given.looked = static_cast<int64_t>(cells.cells.size());
    TRY(given.caption, studio_.describe(cells, kMostCaption));
    if (given.caption.empty()) return fail("image: the model has no words for what it shows");
    return given;
  }
  const ReadRequest whole{.width = order.width, .height = order.height};
  ReadRequest one = whole;
  one.frames = 1;
  TRY(Clip clip,
      read_media_bytes(order.first_frame, "the given picture", order.extends ? whole : one));
  if (clip.frames.empty()) return fail("the given picture: there is none in the file");
  Clip last;
  last.frames.push_back(std::move(clip.frames.back()));
  clip.frames.pop_back();
  given.first = studio_.encode(last);
  given.before = std::move(clip.frames);
  return given;
}

// The cells of a picture or clip, and which of them the region shows.
Result<StudioArtist::Given> StudioArtist::paper_of(const ArtOrder& order) const {
  const ReadRequest asked{.width = order.width, .height = order.height, .frames = order.frames};
  TRY(const Clip clip, read_media_bytes(order.first_frame, "the given picture", asked));
  if (static_cast<int64_t>(clip.frames.size()) != order.frames)
    return fail("the given picture: has ", clip.frames.size(), " frames, expected ", order.frames);
  Given given;
  given.caption = order.prompt;
  given.under = studio_.encode(clip);
  given.looked = static_cast<int64_t>(given.under->cells.size());
  const size_t count = static_cast<size_t>(given.under->size.cells());
  std::vector<bool> shown(count, true);
  if (!order.region.empty()) {
    TRY(shown, cells_shown(order, given.under->size));
  }
  for (size_t cell = 0; cell < given.under->cells.size(); ++cell)
    if (shown[cell % count]) given.region.push_back(cell);
  return given;
}

// Cells of a frame that the region lets be painted over: white, or transparent, on average.
Result<std::vector<bool>> StudioArtist::cells_shown(const ArtOrder& order,
                                                    const SpanSize& size) const {
  ReadRequest request{.width = order.width, .height = order.height, .frames = 1};
  if (order.region_is_transparent) request.shows = Shows::transparency;
  TRY(const Clip mask, read_media_bytes(order.region, "the mask", request));
  if (mask.frames.empty()) return fail("the mask: there is no picture in the file");
  const std::vector<double> white =
      brightness_of_cells(mask.frames.front(), size, studio_.visual->config().spatial);
  std::vector<bool> shown;
  for (const double brightness : white) shown.push_back(brightness > 0.5);
  if (order.region_is_transparent && std::find(shown.begin(), shown.end(), true) == shown.end())
    return fail(
        "mask: has no transparent part as large as a cell, expected one where the picture "
        "may change");
  return shown;
}

// The picture with a part of the region masked; each seed masks cells of its own.
CellClip StudioArtist::begun_on(const ArtOrder& order, const Given& given, uint64_t seed) const {
  CellClip begun = *given.under;
  std::vector<size_t> cells = given.region;
  Random random(seed_for(seed, "paint over"));
  for (size_t i = cells.size(); i > 1; --i)
    std::swap(cells[i - 1], cells[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
  cells.resize(
      static_cast<size_t>(std::lround(order.paint_over * static_cast<double>(cells.size()))));
  for (const size_t cell : cells) begun.cells[cell] = studio_.config().visual.mask_id;
  return begun;
}

// Of which previews are due: evenly over the painting, the finished picture not counted.
class Previews {
 public:
  Previews(const ArtOrder& order, ArtSink& sink) : each_(order.previews), sink_(sink) {}

  template <typename Look>
  void offer(size_t picture, double part, const Look& look) {
    int64_t& shown = shown_[picture];
    if (shown >= each_ || part * static_cast<double>(each_ + 1) < static_cast<double>(shown + 1))
      return;
    Clip still;
    still.frames.push_back(look());
    const Result<std::string> png = encode_media(still, FileKind::png, {});
    if (png) sink_.preview(static_cast<int64_t>(picture), shown++, *png);
  }

 private:
  int64_t each_;
  ArtSink& sink_;
  std::map<size_t, int64_t> shown_;
};

Result<Artwork> StudioArtist::make(const ArtOrder& order, ArtSink& sink,
                                   const std::atomic<bool>& cancel) {
  TRY(const Given given, given_of(order));
  std::vector<PictureOrder> orders;
  for (int64_t i = 0; i < order.count; ++i) {
    const uint64_t seed = order.seed + static_cast<uint64_t>(i);
    orders.push_back({given.caption, given.first, seed});
    if (given.under) orders.back().begun = begun_on(order, given, seed);
  }
  PictureRequest request = request_of(order);
  request.cancel = &cancel;
  Previews previews(order, sink);
  const int64_t cells = frame_cells(order);
  const double all = static_cast<double>(latent_frames(order) * cells);
  request.glimpse = [&](const Glimpse& glimpse) {
    const double part = static_cast<double>(glimpse.latent_frame * cells + glimpse.cells) / all;
    if (glimpse.order == 0) sink.progress(part);
    previews.offer(glimpse.order, part, glimpse.look);
  };
  TRY(std::vector<Picturing> made,
      studio_.paint(orders, request, [&](size_t picture, int64_t frame, const Clip& clip) {
        const double part = static_cast<double>((frame + 1) * cells) / all;
        if (picture == 0) sink.progress(part);
        if (part < 1) previews.offer(picture, part, [&] { return clip.frames.back(); });
      }));
  Artwork work;
  if (cancel) return work;
  work.given_cells = given.looked;
  for (size_t i = 0; i < made.size(); ++i) {
    const PictureOrder& one = orders[i];
    TRY(ArtFile file, file_of(order, given, one.seed, std::move(made[i].clip)));
    work.files.push_back(std::move(file));
    work.text_tokens += static_cast<int64_t>(studio_.open.tokenizer->encode(one.caption).size());
    const int64_t kept = one.first_frame ? cells : 0;
    work.given_cells += kept;
    work.output_cells += static_cast<int64_t>(made[i].cells.cells.size()) - kept;
  }
  return work;
}

Metadata StudioArtist::metadata_of(const ArtOrder& order, const std::string& caption,
                                   uint64_t seed) const {
  return {{"prompt", caption},
          {"seed", std::to_string(seed)},
          {"model", fingerprint_},
          {"engine", engine_name()},
          {"size", std::to_string(order.width) + "x" + std::to_string(order.height)},
          {"frames", std::to_string(order.frames)},
          {"fps", formatted("%g", order.fps)},
          {"guidance", formatted("%g", order.guidance)},
          {"temperature", formatted("%g", order.temperature)},
          {"top_k", std::to_string(order.top_k)},
          {"passes", std::to_string(order.passes)}};
}

Result<ArtFile> StudioArtist::file_of(const ArtOrder& order, const Given& given, uint64_t seed,
                                      Clip clip) const {
  if (clip.frames.empty()) return fail_machine("a painting without frames");
  ArtFile file;
  file.seed = seed;
  if (order.redraws) file.caption = given.caption;
  clip.frames.insert(clip.frames.begin(), given.before.begin(), given.before.end());
  if (order.ends_as_still) clip.frames.erase(clip.frames.begin(), clip.frames.end() - 1);
  TRY(file.bytes, encode_media(clip, order.kind, metadata_of(order, given.caption, seed), "picture",
                               order.quality));
  if (!order.gallery) return file;
  Clip still;
  still.frames.push_back(clip.frames.front());
  TRY(file.thumbnail, encode_media(still, FileKind::jpeg, {}));
  const int64_t count = static_cast<int64_t>(clip.frames.size());
  const int64_t shown = std::min(count, kSheetPictures);
  std::vector<Picture> pictures;
  for (int64_t i = 0; i < shown; ++i)
    pictures.push_back(clip.frames[static_cast<size_t>(i * count / shown)]);
  still.frames = {contact_sheet(pictures, kSheetColumns)};
  TRY(file.sheet, encode_media(still, FileKind::jpeg, {}));
  return file;
}

}  // namespace

Result<std::unique_ptr<Artist>> open_artist(const ModelChoice& choice) {
  TRY(const std::string folder, model_folder(choice));
  TRY(const ModelConfig config, ModelConfig::open(folder));
  if (!config.visual.drawn() || !VisualTokenizer::is_in(folder)) return std::unique_ptr<Artist>();
  ModelChoice quiet = choice;
  quiet.quiet = true;  // what there is to say of the model has been said
  quiet.context = std::min(config.max_positions, config.visual.max_frame_cells + kWords);
  TRY(Studio studio, open_studio(quiet));
  TRY(const std::string fingerprint, model_fingerprint(folder));
  Eyes eyes;
  TRY(eyes.ops, open_ops(quiet));
  TRY(eyes.tokenizer, VisualTokenizer::open(folder, *eyes.ops, config.visual.groups));
  return std::unique_ptr<Artist>(
      std::make_unique<StudioArtist>(std::move(studio), fingerprint, std::move(eyes)));
}

}  // namespace hadal
