// SPDX-License-Identifier: MIT
// From files to embeddings.
#include "tools/shown.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <utility>

#include "media/keyframes.h"
#include "media/read.h"
#include "media/resample.h"
#include "text/prompt.h"
#include "tools/progress.h"

namespace hadal {
namespace {

constexpr uint8_t kGround = 127;  // around a picture whose shape is not the grid's (§7.2)

// A frame at the smallest size that the model is made for, if it is larger.
Picture smallest(const Picture& frame, const VisionConfig& config) {
  const double pixels = static_cast<double>(frame.width * frame.height);
  const double scale = std::sqrt(static_cast<double>(config.min_pixels) / pixels);
  if (config.min_pixels == 0 || scale >= 1) return frame;
  const auto side = [&](int64_t length) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(length) * scale));
  };
  return resized(frame, side(frame.width), side(frame.height));
}

std::string time_label(double seconds) {
  const int64_t tenths = std::llround(seconds * 10);
  char text[32];
  std::snprintf(text, sizeof text, "[%lld:%02lld.%lld]", static_cast<long long>(tenths / 600),
                static_cast<long long>(tenths / 10 % 60), static_cast<long long>(tenths % 10));
  return text;
}

std::vector<int64_t> spans_of(const Shown& shown) {
  std::vector<int64_t> spans;
  for (const Shown::Item& item : shown.items) spans.push_back(item.plan.span());
  return spans;
}

}  // namespace

Result<Shown::Item> shown_picture(const Picture& picture, std::string label,
                                  const VisionConfig& config) {
  TRY(const ImagePlan plan, plan_image(config, picture.width, picture.height));
  return Shown::Item{std::move(label), plan, fitted(picture, plan.width, plan.height, kGround), {}};
}

// So many a second that the whole part fits the limits.
Result<ReadRequest> frames_to_show(const MediaInfo& info, const ClipPart& part) {
  const ReadLimits limits;
  const double seconds = info.fps > 0 ? static_cast<double>(info.frames) / info.fps : 0;
  if (part.start > 0 && part.start >= seconds)
    return fail("start: ", part.start, " s, but the clip is ", seconds, " s long");
  const double length =
      (part.end > 0 ? std::min(part.end, std::max(seconds, part.start)) : seconds) - part.start;
  const int64_t pixels = std::max<int64_t>(1, info.width * info.height);
  const int64_t most = std::clamp<int64_t>(limits.total_pixels / pixels, 1, kVideoFrames);
  const auto frames_at = [&](double fps) { return std::max(1.0, std::round(length * fps)); };
  if (part.fps > 0 && frames_at(part.fps) > static_cast<double>(most))
    return fail("fps: ", part.fps, " a second are ", frames_at(part.fps), " frames in ", length,
                " s, expected at most ", most, " frames");
  ReadRequest request;
  request.start = part.start;
  request.fps = std::min(kVideoFps, length > 0 ? static_cast<double>(most) / length : kVideoFps);
  if (part.fps > 0) request.fps = part.fps;
  request.frames = most;
  if (part.end > 0) request.frames = std::min(most, static_cast<int64_t>(frames_at(request.fps)));
  return request;
}

Result<std::vector<Shown::Item>> shown_clip(const Clip& clip, double start,
                                            const VisionConfig& config) {
  std::vector<Shown::Item> items;
  for (int64_t frame : changed_frames(clip)) {
    const Picture& picture = clip.frames[static_cast<size_t>(frame)];
    const double seconds = start + (clip.fps > 0 ? static_cast<double>(frame) / clip.fps : 0);
    TRY(Shown::Item item, shown_picture(smallest(picture, config), time_label(seconds), config));
    items.push_back(std::move(item));
  }
  return items;
}

Result<Shown> read_shown(const ShownFiles& files, const VisionConfig& config) {
  Shown shown;
  for (const std::string& path : files.images) {
    TRY(const Clip clip, read_media(path, {.frames = 1}));
    if (clip.frames.empty()) return fail(path, ": no picture in it");
    TRY(Shown::Item item, shown_picture(clip.frames.front(), "", config));
    shown.items.push_back(std::move(item));
  }
  for (const std::string& path : files.videos) {
    TRY(const MediaInfo info, read_media_info(path));
    TRY(const ReadRequest request, frames_to_show(info, {}));
    TRY(const Clip clip, read_media(path, request));
    TRY(std::vector<Shown::Item> items, shown_clip(clip, 0, config));
    std::move(items.begin(), items.end(), std::back_inserter(shown.items));
  }
  return shown;
}

std::vector<Block> shown_blocks(const Shown& shown, const std::string& text) {
  std::vector<Block> blocks;
  for (const Shown::Item& item : shown.items) {
    if (!item.label.empty()) blocks.push_back({.text = item.label});
    blocks.push_back({.kind = Block::Kind::image, .type = "image"});
  }
  if (!text.empty() || blocks.empty()) blocks.push_back({.text = text});
  return blocks;
}

Result<SeenPrompt> look_at(Shown& shown, const std::vector<int64_t>& ids, const OpenModel& open,
                           bool quiet) {
  const ModelConfig& config = open.config();
  if (shown.items.empty()) return SeenPrompt{ids, {}};
  TRY(ExpandedPrompt prompt, expand_images(ids, config.image_id.value_or(-1), spans_of(shown)));
  if (static_cast<int64_t>(prompt.ids.size()) > open.session->capacity())
    return fail("the prompt has ", prompt.ids.size(), " tokens with ", shown.items.size(),
                " pictures, the context holds ", open.session->capacity());
  SeenPrompt seen{std::move(prompt.ids), {}};
  std::vector<float> values;
  int64_t done = 0, all = 0;
  for (const Shown::Item& item : shown.items)
    if (!item.rows.defined()) all += item.plan.width * item.plan.height * 3;
  ProgressLine progress("looking at pictures", quiet);
  for (size_t i = 0; i < shown.items.size(); ++i) {
    Shown::Item& item = shown.items[i];
    if (!item.rows.defined()) {
      progress.show(done, all);
      done += item.plan.width * item.plan.height * 3;
      item.rows =
          open.model->look(item.plan, image_patches(config.vision, item.plan, item.picture.rgb));
    }
    for (int64_t row = 0; row < item.plan.span(); ++row)
      seen.given.rows.push_back(prompt.starts[i] + row);
    values.insert(values.end(), item.rows.data<float>(),
                  item.rows.data<float>() + item.rows.count());
  }
  seen.given.values_ND =
      Tensor::of_floats({static_cast<int64_t>(seen.given.rows.size()), config.width}, values);
  return seen;
}

}  // namespace hadal
