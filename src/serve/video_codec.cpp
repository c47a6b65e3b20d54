// SPDX-License-Identifier: MIT
// Videos, in and out.
#include "serve/video_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "serve/image_codec.h"
#include "serve/text_call.h"

namespace hadal {
namespace {

constexpr double kMostSeconds = 3600;
constexpr double kMostRate = 240;  // frames a second
constexpr std::string_view kVideoBegins = "the video that is gone on from begins it";

// "4", as OpenAI has it, or 4.
ApiResult<std::optional<double>> read_seconds(JsonFields& fields) {
  const OrderedJson& value = fields.any("seconds");
  if (!value.is_string()) return fields.number("seconds", 0, kMostSeconds);
  const std::string& text = value.get_ref<const std::string&>();
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, seconds);
  if (read.ec != std::errc() || read.ptr != end || !(seconds >= 0 && seconds <= kMostSeconds))
    return bad_field("seconds", "expected a number up to ", kMostSeconds);
  return std::optional<double>(seconds);
}

ApiStatus read_length(JsonFields& fields, const ArtLimits& limits, ArtOrder& order) {
  TRY(const std::optional<double> fps, fields.number("fps", 1, kMostRate));
  TRY(const std::optional<int64_t> frames, fields.integer("num_frames", 2, 1 << 16));
  TRY(const std::optional<double> seconds, read_seconds(fields));
  order.fps = fps.value_or(limits.usual_fps);
  order.frames = frames.value_or(limits.usual_frames);
  if (!seconds) return Ok{};
  if (frames) return bad_field("seconds", "is given beside num_frames");
  order.frames = std::lround(*seconds * order.fps);
  if (order.frames < 2)
    return bad_field("seconds", "is ", *seconds, ": a video has at least 2 frames, here of 1/",
                     order.fps, " s");
  return Ok{};
}

ApiStatus read_kind(JsonFields& fields, ArtOrder& order) {
  TRY(const std::optional<std::string> format, fields.text("output_format"));
  for (const FileKind kind : {FileKind::mp4, FileKind::webm, FileKind::gif})
    if (media_type(kind).ends_with("/" + format.value_or("mp4"))) {
      order.kind = kind;
      return Ok{};
    }
  return bad_field("output_format", "expected mp4, webm or gif");
}

std::string_view status_name(VideoStatus status) {
  switch (status) {
    case VideoStatus::queued:
      return "queued";
    case VideoStatus::running:
      return "in_progress";
    case VideoStatus::completed:
      return "completed";
    case VideoStatus::failed:
      return "failed";
  }
  CHECK(false, "no such status");
}

OrderedJson time_json(int64_t seconds) {
  return seconds == 0 ? OrderedJson() : OrderedJson(seconds);
}

OrderedJson or_null(const std::string& text, bool given) {
  return given && !text.empty() ? OrderedJson(text) : OrderedJson();
}

int64_t percent(const VideoJob& job, double part) {
  if (job.status == VideoStatus::completed) return 100;
  // 100 is said of what can be fetched.
  return job.status == VideoStatus::running ? std::min<int64_t>(99, std::lround(100 * part)) : 0;
}

}  // namespace

std::string media_type(FileKind kind) {
  switch (kind) {
    case FileKind::mp4:
      return "video/mp4";
    case FileKind::webm:
      return "video/webm";
    case FileKind::gif:
      return "image/gif";
    case FileKind::jpeg:
      return "image/jpeg";
    case FileKind::webp:
      return "image/webp";
    case FileKind::png:
      return "image/png";
    case FileKind::unknown:
      return "application/octet-stream";
  }
  CHECK(false, "no such kind");
}

ApiResult<VideoCall> read_video_call(const Form& form, const ArtLimits& limits,
                                     const FileReader& files) {
  JsonFields fields(form.fields, "");
  VideoCall call;
  TRY_STATUS(read_order(fields, limits, call.order));
  TRY(const std::optional<std::string> model, fields.text("model"));
  call.model = model.value_or("");
  TRY(call.user, read_user(fields));
  TRY_STATUS(fields.only("n", {1}, "a job is one video"));
  TRY_STATUS(fields.only("strength", {}, "a given frame is kept as it is"));
  TRY_STATUS(read_length(fields, limits, call.order));
  TRY_STATUS(read_kind(fields, call.order));
  TRY(std::optional<std::string> reference, read_picture(form, fields, "input_reference", files));
  call.order.first_frame = std::move(reference).value_or("");
  call.order.gallery = true;
  fields.tell_unread(call.ignored);
  for (const auto& [name, sent] : form.files)
    if (name != "input_reference") call.ignored.push_back(name);
  return call;
}

namespace {

// What a video made from another one takes over, and may therefore not be asked for.
ApiStatus keep_own(const Form& form, const std::vector<std::string_view>& names) {
  for (const std::string_view name : names)
    if (form.has_file(name) || (form.fields.contains(name) && !form.fields[name].is_null()))
      return bad_field(std::string(name), "is that of the video it is made from");
  return Ok{};
}

Form form_like(const Form& form, const VideoJob& source) {
  Form own{.fields = form.fields, .files = {}};
  own.fields.erase("video");
  own.fields["width"] = source.order.width;
  own.fields["height"] = source.order.height;
  own.fields["fps"] = source.order.fps;
  return own;
}

}  // namespace

int64_t all_frames(const VideoJob& job) {
  return job.order.frames + std::max<int64_t>(0, job.frames_before - 1);
}

ApiResult<VideoCall> read_remix(const Form& form, const ArtLimits& limits, const VideoJob& source) {
  TRY_STATUS(keep_own(form, {"size", "width", "height", "fps", "num_frames", "seconds",
                             "input_reference", "video"}));
  Form own = form_like(form, source);
  own.fields["num_frames"] = all_frames(source);
  return read_video_call(own, limits, no_files(kVideoBegins));
}

ApiResult<std::string> read_source_id(const Form& form) {
  if (form.has_file("video"))
    return bad_field("video",
                     "a file, expected {\"id\": …} of a video that was made here; edits "
                     "take files");
  JsonFields fields(form.fields, "");
  if (fields.any("video").is_string()) return fields.needed_text("video");
  TRY(const OrderedJson* const video, fields.object("video"));
  if (!video) return bad_field("video", "is missing, expected {\"id\": …}");
  JsonFields inside(*video, "video");
  return inside.needed_text("id");
}

ApiResult<VideoCall> read_extension(const Form& form, const ArtLimits& limits,
                                    const VideoJob& source) {
  TRY_STATUS(keep_own(form, {"size", "width", "height", "fps", "input_reference"}));
  TRY(VideoCall call, read_video_call(form_like(form, source), limits, no_files(kVideoBegins)));
  // The last frame of the video is the first of those that are painted.
  ++call.order.frames;
  call.order.extends = true;
  const int64_t all = all_frames(source) + call.order.frames - 1;
  if (all > limits.most_frames)
    return bad_field("seconds", "the whole would have ", all, " frames, at most ",
                     limits.most_frames);
  return call;
}

namespace {

ApiResult<VideoCall> read_painted_over(Form form, const ArtLimits& limits) {
  constexpr double kUsualStrength = 0.6;  // what is there shines through
  JsonFields fields(form.fields, "");
  TRY(const std::optional<double> strength, fields.number("strength", 0, 1));
  form.fields.erase("strength");
  TRY(VideoCall call, read_video_call(form, limits, no_files(kVideoBegins)));
  TRY_STATUS(paint_over(strength.value_or(kUsualStrength), limits, call.order));
  return call;
}

}  // namespace

ApiResult<VideoCall> read_video_edit(const Form& form, const ArtLimits& limits,
                                     const VideoJob& source) {
  TRY_STATUS(keep_own(
      form, {"size", "width", "height", "fps", "num_frames", "seconds", "input_reference"}));
  Form own = form_like(form, source);
  own.fields["num_frames"] = all_frames(source);
  return read_painted_over(std::move(own), limits);
}

ApiResult<std::optional<std::string>> read_sent_clip(const Form& form, const FileReader& files) {
  JsonFields fields(form.fields, "");
  const OrderedJson& video = fields.any("video");
  const bool names_one =
      (video.is_object() && video.contains("id")) ||
      (video.is_string() && !video.get_ref<const std::string&>().starts_with("data:"));
  if (names_one && !form.has_file("video")) return std::optional<std::string>();
  return read_clip(form, fields, "video", files);
}

ApiResult<VideoCall> read_clip_edit(const Form& form, const ArtLimits& limits,
                                    const MediaInfo& clip) {
  if (clip.frames < 2 || clip.fps <= 0)
    return bad_field("video", "has ", clip.frames, " frames, expected a clip of 2 or more");
  TRY_STATUS(keep_own(form, {"input_reference"}));
  const double seconds = static_cast<double>(clip.frames) / clip.fps;
  Form own{.fields = form.fields, .files = {}};
  own.fields.erase("video");
  JsonFields fields(form.fields, "");
  TRY(const std::optional<double> fps, fields.number("fps", 1, kMostRate));
  TRY(const std::optional<int64_t> frames, fields.integer("num_frames", 2, 1 << 16));
  const bool timed = fields.has("seconds");
  // The clip keeps its pace: what is not asked for follows from its length.
  if (!fps)
    own.fields["fps"] =
        std::clamp(frames ? static_cast<double>(*frames) / seconds : clip.fps, 1.0, kMostRate);
  if (!frames && !timed)
    own.fields["num_frames"] =
        fps ? std::max<int64_t>(2, std::llround(*fps * seconds)) : clip.frames;
  TRY(VideoCall call, read_painted_over(std::move(own), limits));
  if (call.order.frames > clip.frames)
    return bad_field(timed    ? "seconds"
                     : frames ? "num_frames"
                              : "fps",
                     "asks for ", call.order.frames, " frames, the clip has ", clip.frames);
  return call;
}

OrderedJson video_json(const VideoJob& job, const std::string& model, double part) {
  const ArtOrder& order = job.order;
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%g",
                static_cast<double>(all_frames(job)) / order.fps);
  const bool edited = order.paint_over > 0;
  OrderedJson error;
  if (job.status == VideoStatus::failed)
    error = {{"code", job.error_code}, {"message", job.error_message}};
  return {{"id", job.id},
          {"object", "video"},
          {"model", model},
          {"status", status_name(job.status)},
          {"progress", percent(job, part)},
          {"created_at", job.created},
          {"completed_at", time_json(job.status == VideoStatus::completed ? job.completed : 0)},
          {"expires_at", time_json(job.expires)},
          {"prompt", order.prompt},
          {"size", std::to_string(order.width) + "x" + std::to_string(order.height)},
          {"seconds", seconds.data()},
          {"remixed_from_video_id", or_null(job.made_from, !order.extends && !edited)},
          {"extended_from_video_id", or_null(job.made_from, order.extends)},
          {"edited_from_video_id", or_null(job.made_from, edited)},
          {"error", std::move(error)},
          {"seed", order.seed},
          {"num_frames", all_frames(job)},
          {"fps", order.fps}};
}

}  // namespace hadal
