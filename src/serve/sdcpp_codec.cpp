// SPDX-License-Identifier: MIT
// The words of stable-diffusion.cpp's server.
#include "serve/sdcpp_codec.h"

#include <utility>

#include "serve/base64.h"
#include "serve/image_codec.h"
#include "serve/sd_codec.h"
#include "serve/video_codec.h"

namespace hadal {
namespace {

using Ignored = std::vector<std::string>;

constexpr std::string_view kOnePicture = "a job has one picture to begin with";
constexpr std::string_view kNoSuchArt = "this model has no such art";
constexpr double kSdcppStrength = 0.75;

// What the order says in the words of OpenAI's APIs, and what of it means nothing here.
struct Rewritten {
  Form form;
  Ignored ignored;
};

void tell_sent(const JsonFields& fields, const OrderedJson& object, Ignored& ignored) {
  for (const std::string& name : fields.unread())
    if (!object[name].is_null()) ignored.push_back(fields.path(name));
}

ApiStatus read_weights(JsonFields& sampling, Rewritten& to) {
  TRY(const OrderedJson* const guidance, sampling.object("guidance"));
  if (!guidance) return Ok{};
  JsonFields inside(*guidance, sampling.path("guidance"));
  TRY(const std::optional<double> weight, inside.number("txt_cfg", 0, 100));
  if (weight) to.form.fields["guidance_scale"] = *weight;
  TRY(const OrderedJson* const layers, inside.object("slg"));
  if (layers) {
    JsonFields skipped(*layers, inside.path("slg"));
    TRY_STATUS(skipped.only("scale", {0}, kNoSuchArt));
  }
  tell_sent(inside, *guidance, to.ignored);
  return Ok{};
}

ApiStatus read_sampling(JsonFields& fields, Rewritten& to) {
  TRY(const OrderedJson* const sampling, fields.object("sample_params"));
  if (!sampling) return Ok{};
  JsonFields inside(*sampling, "sample_params");
  constexpr std::string_view kOnlyOne = "there is one, named hadal";
  TRY_STATUS(inside.only("sample_method", {"", "default", kSampler}, kOnlyOne));
  TRY_STATUS(inside.only("scheduler", {"", "default", kSampler}, kOnlyOne));
  TRY_STATUS(inside.only("custom_sigmas", {OrderedJson::array()}, kNoSuchArt));
  TRY(const std::optional<int64_t> steps, inside.integer("sample_steps", -1, 1000));
  if (steps && *steps >= 0) to.form.fields["num_inference_steps"] = *steps;
  TRY_STATUS(read_weights(inside, to));
  tell_sent(inside, *sampling, to.ignored);
  return Ok{};
}

// Of pictures and clips.
ApiResult<Rewritten> rewrite(JsonFields& fields) {
  Rewritten to;
  for (const char* name : {"prompt", "width", "height", "output_format"})
    if (fields.has(name)) to.form.fields[name] = fields.any(name);
  TRY(const std::optional<int64_t> seed, fields.integer("seed", -1, kMostSeed));
  if (seed.value_or(-1) >= 0) to.form.fields["seed"] = *seed;
  TRY_STATUS(fields.only("negative_prompt", {""}, "this model is guided by its prompt alone"));
  TRY_STATUS(fields.only("lora", {OrderedJson::array()}, "no other weights are loaded"));
  TRY_STATUS(read_sampling(fields, to));
  return to;
}

ApiStatus refuse_hires(JsonFields& fields) {
  TRY(const OrderedJson* const hires, fields.object("hires"));
  if (!hires) return Ok{};
  return JsonFields(*hires, "hires").only("enabled", {false}, kNoSuchArt);
}

ApiStatus read_init_image(JsonFields& fields, const std::string& name, Rewritten& to) {
  TRY(const std::optional<std::string> sent, fields.text("init_image"));
  if (sent && !sent->empty()) to.form.fields[name] = as_data_url(*sent);
  return Ok{};
}

std::string format_of(const ArtOrder& order) {
  const std::string type = media_type(order.kind);
  return type.substr(type.find('/') + 1);
}

std::string_view kind_of(const VideoJob& job) {
  return job.order.is_still() ? "img_gen" : "vid_gen";
}

std::string_view state_of(const VideoJob& job) {
  switch (job.status) {
    case VideoStatus::queued:
      return "queued";
    case VideoStatus::running:
      return "generating";
    case VideoStatus::completed:
      return "completed";
    case VideoStatus::failed:
      return job.error_code == kCancelled ? "cancelled" : "failed";
  }
  CHECK(false, "no such status");
}

OrderedJson result_of(const VideoJob& job, std::string_view bytes) {
  OrderedJson result = {{"output_format", format_of(job.order)}};
  if (job.order.is_still()) {
    result["images"] = {{{"index", 0}, {"b64_json", to_base64(bytes)}}};
    return result;
  }
  result["mime_type"] = media_type(job.order.kind);
  result["fps"] = job.order.fps;
  result["frame_count"] = all_frames(job);
  result["b64_json"] = to_base64(bytes);
  return result;
}

OrderedJson time_or_null(int64_t seconds) {
  return seconds == 0 ? OrderedJson() : OrderedJson(seconds);
}

// With which an order is filled up that says nothing but its prompt.
OrderedJson usual_order(const ArtLimits& limits) {
  return {{"prompt", ""},
          {"negative_prompt", ""},
          {"width", limits.usual_width},
          {"height", limits.usual_height},
          {"seed", -1},
          {"sample_params",
           {{"scheduler", kSampler},
            {"sample_method", kSampler},
            {"sample_steps", 0},
            {"guidance", {{"txt_cfg", limits.usual_guidance}}}}}};
}

}  // namespace

ApiResult<SdcppCall> read_img_gen(const OrderedJson& body, const ArtLimits& limits) {
  JsonFields fields(body, "");
  TRY(Rewritten to, rewrite(fields));
  TRY_STATUS(fields.only("batch_count", {1}, "a job makes one picture"));
  TRY_STATUS(fields.only("ref_images", {OrderedJson::array()}, kOnePicture));
  TRY_STATUS(fields.only("mask_image", {""}, "/v1/images/edits takes a mask"));
  for (const char* name : {"control_image", "ip_adapter_image"})
    TRY_STATUS(fields.only(name, {""}, kNoSuchArt));
  TRY_STATUS(fields.only("embed_image_metadata", {true}, "pictures say what they were made with"));
  TRY_STATUS(refuse_hires(fields));
  if (fields.has("output_compression"))
    to.form.fields["output_compression"] = fields.any("output_compression");
  TRY_STATUS(read_init_image(fields, "image", to));
  const bool given = to.form.fields.contains("image");
  if (given) {
    TRY(const std::optional<double> strength, fields.number("strength", 0, 1));
    to.form.fields["strength"] = strength.value_or(kSdcppStrength);
  }
  TRY(ImageCall call,
      read_image_call(to.form, limits, given ? ImageTask::edit : ImageTask::generate,
                      no_files(kOnePicture)));
  tell_sent(fields, body, to.ignored);
  return SdcppCall{std::move(call.order), std::move(to.ignored)};
}

ApiResult<SdcppCall> read_vid_gen(const OrderedJson& body, const ArtLimits& limits) {
  JsonFields fields(body, "");
  TRY(Rewritten to, rewrite(fields));
  TRY_STATUS(fields.only("end_image", {""}, "a clip goes on from its first frame"));
  TRY_STATUS(fields.only("control_frames", {OrderedJson::array()}, kNoSuchArt));
  if (!to.form.fields.contains("output_format")) to.form.fields["output_format"] = "webm";
  if (fields.has("fps")) to.form.fields["fps"] = fields.any("fps");
  TRY(const std::optional<int64_t> frames, fields.integer("video_frames", 2, 1 << 16));
  if (frames) to.form.fields["num_frames"] = *frames;
  TRY_STATUS(read_init_image(fields, "input_reference", to));
  TRY(VideoCall call, read_video_call(to.form, limits, no_files(kOnePicture)));
  tell_sent(fields, body, to.ignored);
  return SdcppCall{std::move(call.order), std::move(to.ignored)};
}

OrderedJson sdcpp_accepted_json(const VideoJob& job) {
  return {{"id", job.id},
          {"kind", kind_of(job)},
          {"status", state_of(job)},
          {"created", job.created},
          {"poll_url", "/sdcpp/v1/jobs/" + job.id}};
}

OrderedJson sdcpp_job_json(const VideoJob& job, std::string_view bytes, int64_t place) {
  OrderedJson told = {{"id", job.id},
                      {"kind", kind_of(job)},
                      {"status", state_of(job)},
                      {"created", job.created},
                      {"started", time_or_null(job.started)},
                      {"completed", time_or_null(job.completed)},
                      {"queue_position", job.status == VideoStatus::queued ? place : 0},
                      {"result", nullptr},
                      {"error", nullptr}};
  if (job.status == VideoStatus::completed) told["result"] = result_of(job, bytes);
  if (job.status == VideoStatus::failed)
    told["error"] = {{"code", job.error_code}, {"message", job.error_message}};
  return told;
}

OrderedJson sdcpp_capabilities(const std::string& model, const ArtLimits& limits,
                               int64_t longest_queue) {
  OrderedJson still = usual_order(limits), clip = still;
  still["strength"] = kSdcppStrength;
  still["batch_count"] = 1;
  still["output_format"] = "png";
  still["output_compression"] = 100;
  clip["video_frames"] = limits.usual_frames;
  clip["fps"] = limits.usual_fps;
  clip["output_format"] = "webm";
  const OrderedJson stills = {"png", "jpeg", "webp"}, clips = {"webm", "mp4", "gif"};
  OrderedJson features = {{"init_image", true},    {"lora", false},
                          {"vae_tiling", false},   {"cache", false},
                          {"cancel_queued", true}, {"cancel_generating", true}};
  OrderedJson of_stills = features, of_clips = features;
  for (const char* name :
       {"mask_image", "control_image", "ip_adapter_image", "ref_images", "hires"})
    of_stills[name] = false;
  for (const char* name : {"end_image", "control_frames", "high_noise_sample_params"})
    of_clips[name] = false;
  return {{"model", {{"name", model}, {"stem", model}, {"path", model}}},
          {"current_mode", "img_gen"},
          {"supported_modes", {"img_gen", "vid_gen"}},
          {"defaults", still},
          {"output_formats", stills},
          {"features", of_stills},
          {"defaults_by_mode", {{"img_gen", still}, {"vid_gen", clip}}},
          {"output_formats_by_mode", {{"img_gen", stills}, {"vid_gen", clips}}},
          {"features_by_mode", {{"img_gen", of_stills}, {"vid_gen", of_clips}}},
          {"samplers", OrderedJson::array({kSampler})},
          {"schedulers", OrderedJson::array({kSampler})},
          {"loras", OrderedJson::array()},
          {"upscalers", OrderedJson::array()},
          {"limits",
           {{"min_width", limits.least_side},
            {"max_width", limits.longest_side},
            {"min_height", limits.least_side},
            {"max_height", limits.longest_side},
            {"max_batch_count", 1},
            {"max_queue_size", longest_queue}}}};
}

}  // namespace hadal
