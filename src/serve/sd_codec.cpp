// SPDX-License-Identifier: MIT
// AUTOMATIC1111's words for pictures.
#include "serve/sd_codec.h"

#include <array>
#include <cstdio>
#include <utility>
#include <vector>

#include "serve/base64.h"
#include "serve/reply_writer.h"

namespace hadal {
namespace {

constexpr std::string_view kNotNamed = "no file is taken here";

// Arts of that program which would make another picture.
ApiStatus refuse_arts(JsonFields& fields) {
  constexpr std::string_view kNoArt = "this model has no such art";
  TRY_STATUS(fields.only("negative_prompt", {""}, "this model is guided by its prompt alone"));
  for (const char* flag : {"enable_hr", "tiling", "restore_faces"})
    TRY_STATUS(fields.only(flag, {false}, kNoArt));
  TRY_STATUS(fields.only("styles", {OrderedJson::array()}, "there are no styles to name"));
  TRY_STATUS(fields.only("script_name", {""}, "there are no scripts to run"));
  TRY_STATUS(fields.only("alwayson_scripts", {OrderedJson::object()}, "there are no scripts"));
  TRY_STATUS(fields.only("subseed_strength", {0, 0.0}, kNoArt));
  return fields.only("sampler_name", {"", "Automatic", kSampler}, "there is one, named hadal");
}

// Settings for this request alone; those that mean nothing here are named in `ignored`.
ApiStatus read_settings(JsonFields& fields, const std::string& model,
                        std::vector<std::string>& ignored) {
  TRY(const OrderedJson* const settings, fields.object("override_settings"));
  if (!settings) return Ok{};
  JsonFields inside(*settings, "override_settings");
  TRY_STATUS(inside.only("sd_model_checkpoint", {"", model}, model + " is what is served"));
  inside.tell_unread(ignored);
  return Ok{};
}

void tell_ignored(const JsonFields& fields, const OrderedJson& body,
                  const std::vector<std::string>& settings, ImageCall& call) {
  for (const std::string& name : fields.unread())
    if (!body[name].is_null()) call.ignored.push_back(name);
  call.ignored.insert(call.ignored.end(), settings.begin(), settings.end());
}

// The same order in the words of OpenAI's images API.
ApiResult<Form> form_of(JsonFields& fields, const ArtLimits& limits) {
  Form form;
  for (const char* name : {"prompt", "width", "height"})
    if (fields.has(name)) form.fields[name] = fields.any(name);
  TRY(const std::optional<int64_t> seed, fields.integer("seed", -1, kMostSeed));
  if (seed.value_or(-1) >= 0) form.fields["seed"] = *seed;
  TRY(const std::optional<int64_t> steps, fields.integer("steps", 0, 1000));
  if (steps) form.fields["num_inference_steps"] = *steps;
  TRY(const std::optional<double> guidance, fields.number("cfg_scale", 0, 100));
  if (guidance) form.fields["guidance_scale"] = *guidance;
  TRY(const std::optional<int64_t> batch, fields.integer("batch_size", 1, limits.most_count));
  TRY(const std::optional<int64_t> rounds, fields.integer("n_iter", 1, limits.most_count));
  const int64_t count = batch.value_or(1) * rounds.value_or(1);
  if (count > limits.most_count)
    return bad_field("n_iter", "makes ", count, " pictures, at most ", limits.most_count);
  form.fields["n"] = count;
  return form;
}

// White where the picture may change.
ApiResult<std::string> read_region(JsonFields& fields) {
  TRY(const std::optional<std::string> sent, fields.text("mask"));
  if (!sent || sent->empty()) return std::string();
  constexpr std::string_view kAsItIs = "the mask is white where the picture may change";
  TRY_STATUS(fields.only("inpainting_mask_invert", {0, false}, kAsItIs));
  TRY_STATUS(fields.only("inpaint_full_res", {0, false}, "the picture is painted at its own size"));
  const OrderedJson wrapped = {{"mask", as_data_url(*sent)}};
  JsonFields inside(wrapped, "");
  TRY(std::optional<std::string> picture, read_picture({}, inside, "mask", no_files(kNotNamed)));
  return std::move(*picture);
}

class SdWriter : public PictureWriter {
 public:
  SdWriter(const ImageCall& call, std::string model)
      : order_(call.order), model_(std::move(model)) {}

  std::string preview(int64_t, int64_t, std::string_view) override { return {}; }
  std::string end(const Artwork&, const std::optional<Bill>&) override { return {}; }
  std::string failed(const ApiError&) override { return {}; }
  HttpReply whole(const Artwork& work, const std::optional<Bill>&) override {
    OrderedJson body = {{"images", OrderedJson::array()}};
    for (const ArtFile& file : work.files) body["images"].push_back(to_base64(file.bytes));
    body["parameters"] = {{"prompt", order_.prompt},         {"width", order_.width},
                          {"height", order_.height},         {"steps", order_.passes},
                          {"cfg_scale", order_.guidance},    {"seed", order_.seed},
                          {"batch_size", work.files.size()}, {"n_iter", 1},
                          {"sampler_name", kSampler}};
    if (order_.paint_over > 0) body["parameters"]["denoising_strength"] = order_.paint_over;
    body["info"] = dump_json(info(work));
    return {.status = 200, .body = dump_json(body)};
  }

 private:
  OrderedJson info(const Artwork& work) const {
    OrderedJson told = {{"prompt", order_.prompt}, {"negative_prompt", ""},
                        {"seed", order_.seed},     {"width", order_.width},
                        {"height", order_.height}, {"sampler_name", kSampler},
                        {"steps", order_.passes},  {"cfg_scale", order_.guidance},
                        {"sd_model_name", model_}, {"batch_size", work.files.size()}};
    for (const ArtFile& file : work.files) {
      told["all_prompts"].push_back(order_.prompt);
      told["all_seeds"].push_back(file.seed);
      told["infotexts"].push_back(infotext(file.seed));
    }
    return told;
  }
  // The line that such programs show under a picture.
  std::string infotext(uint64_t seed) const {
    std::array<char, 32> guidance{};
    std::snprintf(guidance.data(), guidance.size(), "%g", order_.guidance);
    return order_.prompt + "\nSteps: " + std::to_string(order_.passes) +
           ", Sampler: " + std::string(kSampler) + ", CFG scale: " + guidance.data() +
           ", Seed: " + std::to_string(seed) + ", Size: " + std::to_string(order_.width) + "x" +
           std::to_string(order_.height) + ", Model: " + model_;
  }

  const ArtOrder order_;
  const std::string model_;
};

}  // namespace

std::string as_data_url(const std::string& sent) {
  return sent.starts_with("data:") ? sent : "data:image/png;base64," + sent;
}

ApiResult<ImageCall> read_txt2img(const OrderedJson& body, const ArtLimits& limits,
                                  const std::string& model) {
  JsonFields fields(body, "");
  TRY_STATUS(refuse_arts(fields));
  TRY_STATUS(fields.only("init_images", {OrderedJson::array()}, "use img2img"));
  std::vector<std::string> settings;
  TRY_STATUS(read_settings(fields, model, settings));
  TRY(const Form form, form_of(fields, limits));
  TRY(ImageCall call, read_image_call(form, limits, ImageTask::generate, no_files(kNotNamed)));
  tell_ignored(fields, body, settings, call);
  return call;
}

ApiResult<ImageCall> read_img2img(const OrderedJson& body, const ArtLimits& limits,
                                  const std::string& model) {
  constexpr double kUsualStrength = 0.75;  // that program's
  JsonFields fields(body, "");
  TRY_STATUS(refuse_arts(fields));
  TRY_STATUS(fields.only("resize_mode", {0}, "a picture of another shape is cut to the asked one"));
  std::vector<std::string> settings;
  TRY_STATUS(read_settings(fields, model, settings));
  TRY(Form form, form_of(fields, limits));
  TRY(const OrderedJson* const pictures, fields.array("init_images"));
  const size_t count = pictures ? pictures->size() : 0;
  if (count != 1 || !pictures->front().is_string())
    return bad_field("init_images", "found ", count, ", expected one picture in base64");
  TRY(const std::optional<double> strength, fields.number("denoising_strength", 0, 1));
  if (strength == 0.0)
    return bad_field("denoising_strength", "is 0, which would leave the picture as it is");
  form.fields["image"] = as_data_url(pictures->front().get<std::string>());
  form.fields["strength"] = strength.value_or(kUsualStrength);
  TRY(ImageCall call, read_image_call(form, limits, ImageTask::edit, no_files(kNotNamed)));
  TRY(call.order.region, read_region(fields));
  tell_ignored(fields, body, settings, call);
  return call;
}

std::unique_ptr<PictureWriter> make_sd_writer(const ImageCall& call, const std::string& model) {
  return std::make_unique<SdWriter>(call, model);
}

}  // namespace hadal
