// SPDX-License-Identifier: MIT
// Pictures, in and out.
#include "serve/image_codec.h"

#include <algorithm>

#include "serve/accounts.h"
#include "serve/base64.h"
#include "serve/random_id.h"
#include "serve/reply_writer.h"
#include "serve/text_call.h"

namespace hadal {
namespace {

constexpr size_t kMostPrompt = 32'000;  // bytes, as OpenAI has it; captions are far shorter
constexpr int64_t kBest = 100;          // of output_compression

ApiStatus read_side(JsonFields& fields, std::string_view name, int64_t& side) {
  TRY(const std::optional<int64_t> given, fields.integer(name, 1, 1 << 16));
  side = given.value_or(side);
  return Ok{};
}

// Fields of other painters, whose absence would change what is painted.
ApiStatus refuse_unknown_arts(JsonFields& fields) {
  TRY_STATUS(fields.only("negative_prompt", {""}, "this model is guided by its prompt alone"));
  TRY_STATUS(fields.only("true_cfg_scale", {1}, "guidance_scale is what there is"));
  TRY_STATUS(fields.only("lora", {OrderedJson::array()}, "no other weights are loaded"));
  return Ok{};
}

ApiStatus read_format(JsonFields& fields, ImageCall& call) {
  TRY(const std::optional<std::string> format, fields.text("output_format"));
  call.facts.format = format.value_or("png");
  if (call.facts.format == "png")
    call.order.kind = FileKind::png;
  else if (call.facts.format == "jpeg")
    call.order.kind = FileKind::jpeg;
  else if (call.facts.format == "webp")
    call.order.kind = FileKind::webp;
  else
    return bad_field("output_format", "expected png, jpeg or webp");
  TRY(const std::optional<int64_t> quality, fields.integer("output_compression", 0, kBest));
  call.order.quality = quality.value_or(kBest);
  if (call.order.quality < kBest && call.order.kind == FileKind::png)
    return bad_field("output_compression", "is ", call.order.quality,
                     ", a PNG is exact and has no other quality");
  return Ok{};
}

// What may be asked for, but means nothing here; named in the reply's header.
ApiResult<std::vector<std::string>> read_manners(JsonFields& fields, ImageCall& call) {
  std::vector<std::string> ignored;
  for (const std::string name : {"quality", "style", "moderation", "input_fidelity"}) {
    TRY(const std::optional<std::string> manner, fields.text(name));
    if (manner && *manner != "auto") ignored.push_back(name);
  }
  TRY(const std::optional<std::string> form, fields.text("response_format"));
  if (form && *form != "b64_json" && *form != "url")
    return bad_field("response_format", "expected b64_json, or url");
  // Events of a stream have one form.
  call.facts.by_url = form == "url" && !call.stream;
  if (form == "url" && call.stream) ignored.emplace_back("response_format");
  TRY_STATUS(fields.only("background", {"auto", "opaque"}, "pictures have no transparent pixels"));
  return ignored;
}

ApiStatus read_given(const Form& form, JsonFields& fields, const ArtLimits& limits, ImageTask task,
                     const FileReader& files, ArtOrder& order) {
  TRY(std::optional<std::string> mask, read_picture(form, fields, "mask", files));
  if (mask && task == ImageTask::vary)
    return bad_field("mask", "the whole picture is drawn anew; edits take a mask");
  const bool listed = fields.has("images") || form.has_file("images");
  if (listed && (fields.has("image") || form.has_file("image")))
    return bad_field("images", "stands beside image, expected one picture in all");
  TRY(std::optional<std::string> picture,
      read_picture(form, fields, listed ? "images" : "image", files));
  if (!picture) return bad_field("image", "is missing, expected a picture");
  order.first_frame = std::move(*picture);
  if (task == ImageTask::vary) {
    order.redraws = true;
    return Ok{};
  }
  TRY(const std::optional<double> strength, fields.number("strength", 0, 1));
  if (mask || strength) {
    TRY_STATUS(fields.only("num_frames", {1}, "a picture that is painted over stays a picture"));
    // What a mask leaves open is painted anew unless a part of it is to shine through.
    order.region = std::move(mask).value_or("");
    order.region_is_transparent = !order.region.empty();
    return paint_over(strength.value_or(1), limits, order);
  }
  order.ends_as_still = true;
  TRY(const std::optional<int64_t> frames, fields.integer("num_frames", 2, 1 << 16));
  order.frames = frames.value_or(limits.usual_frames);
  return Ok{};
}

class ImageWriter : public PictureWriter {
 public:
  explicit ImageWriter(ImageFacts facts) : facts_(std::move(facts)) {}

  std::string preview(int64_t picture, int64_t number, std::string_view png) override {
    OrderedJson event = event_of("partial_image");
    event["output_format"] = "png";
    event["partial_image_index"] = number;
    event["image_index"] = picture;
    event["b64_json"] = to_base64(png);
    return sse(event, event_name("partial_image"));
  }
  std::string end(const Artwork& work, const std::optional<Bill>& bill) override {
    std::string text;
    for (size_t i = 0; i < work.files.size(); ++i) {
      OrderedJson event = event_of("completed");
      event["output_format"] = facts_.format;
      event["image_index"] = i;
      event["seed"] = work.files[i].seed;
      event["b64_json"] = to_base64(work.files[i].bytes);
      if (!work.files[i].caption.empty()) event["revised_prompt"] = work.files[i].caption;
      // Once for all: who adds up the events' usage must not count anything twice.
      if (i + 1 == work.files.size()) event["usage"] = usage(work, bill);
      text += sse(event, event_name("completed"));
    }
    return text;
  }
  std::string failed(const ApiError& error) override {
    OrderedJson event = OrderedJson::parse(error_body(error, ErrorFamily::openai, {}));
    event["type"] = "error";
    return sse(event, "error");
  }
  HttpReply whole(const Artwork& work, const std::optional<Bill>& bill) override {
    OrderedJson body = {{"created", facts_.created}, {"data", OrderedJson::array()}};
    for (const ArtFile& file : work.files) {
      body["data"].push_back(told(file));
      if (!file.caption.empty()) body["data"].back()["revised_prompt"] = file.caption;
    }
    add_look(body);
    body["output_format"] = facts_.format;
    body["usage"] = usage(work, bill);
    return {.status = 200, .body = dump_json(body)};
  }

 private:
  // Nothing is kept that an address could lead to: a URL holds the picture itself.
  OrderedJson told(const ArtFile& file) const {
    const std::string bytes = to_base64(file.bytes);
    if (!facts_.by_url) return {{"b64_json", bytes}, {"seed", file.seed}};
    return {{"url", "data:image/" + facts_.format + ";base64," + bytes}, {"seed", file.seed}};
  }
  std::string event_name(const std::string& what) const {
    return (facts_.task == ImageTask::edit ? "image_edit." : "image_generation.") + what;
  }
  OrderedJson event_of(const std::string& what) const {
    OrderedJson event = {{"type", event_name(what)}, {"created_at", facts_.created}};
    add_look(event);
    return event;
  }
  void add_look(OrderedJson& body) const {
    body["background"] = "opaque";
    body["quality"] = facts_.quality;
    body["size"] = facts_.size;
  }
  static OrderedJson usage(const Artwork& work, const std::optional<Bill>& bill) {
    const int64_t input = work.text_tokens + work.given_cells;
    OrderedJson usage = {
        {"input_tokens", input},
        {"output_tokens", work.output_cells},
        {"total_tokens", input + work.output_cells},
        {"input_tokens_details",
         {{"text_tokens", work.text_tokens}, {"image_tokens", work.given_cells}}},
        {"output_tokens_details", {{"text_tokens", 0}, {"image_tokens", work.output_cells}}}};
    if (bill) usage["cost"] = {{"currency", bill->currency}, {"amount", money_text(bill->amount)}};
    return usage;
  }

  ImageFacts facts_;
};

class FileWriter : public PictureWriter {
 public:
  explicit FileWriter(std::string type) : type_(std::move(type)) {}
  std::string preview(int64_t, int64_t, std::string_view) override { return ""; }
  std::string end(const Artwork&, const std::optional<Bill>&) override { return ""; }
  std::string failed(const ApiError&) override { return ""; }
  HttpReply whole(const Artwork& work, const std::optional<Bill>& bill) override {
    HttpReply reply{.status = 200, .body = work.files.at(0).bytes, .type = type_};
    reply.headers.emplace_back("x-hadal-seed", std::to_string(work.files[0].seed));
    if (bill)
      reply.headers.emplace_back("x-hadal-cost", money_text(bill->amount) + " " + bill->currency);
    return reply;
  }

 private:
  std::string type_;
};

}  // namespace

ApiStatus paint_over(double strength, const ArtLimits& limits, ArtOrder& order) {
  constexpr int64_t kUsualPasses = 8;
  if (strength <= 0)
    return bad_field("strength",
                     "is 0, which would leave what is given as it is; expected up to 1");
  order.paint_over = strength;
  const auto cells = [&](int64_t side) { return (side + limits.cell_side - 1) / limits.cell_side; };
  if (order.passes == 0)
    order.passes = std::min(kUsualPasses, cells(order.width) * cells(order.height));
  return Ok{};
}

ApiStatus read_order(JsonFields& fields, const ArtLimits& limits, ArtOrder& order) {
  TRY(order.prompt, fields.needed_text("prompt"));
  if (order.prompt.empty() || order.prompt.size() > kMostPrompt)
    return bad_field("prompt", "has ", order.prompt.size(), " bytes, expected 1 to ", kMostPrompt);
  return read_painting(fields, limits, order);
}

ApiStatus read_painting(JsonFields& fields, const ArtLimits& limits, ArtOrder& order) {
  FormSize size{limits.usual_width, limits.usual_height};
  TRY(const std::optional<std::string> named, fields.text("size"));
  if (named && *named != "auto") {
    TRY(size, read_size(*named, "size"));
  }
  TRY_STATUS(read_side(fields, "width", size.width));
  TRY_STATUS(read_side(fields, "height", size.height));
  order.width = size.width;
  order.height = size.height;
  // Without a seed each request has its own, short enough to be typed.
  const std::string random = random_bytes(4);
  uint64_t own = 0;
  for (const char byte : random) own = own << 8 | static_cast<uint8_t>(byte);
  TRY(const std::optional<int64_t> seed, fields.integer("seed", 0, INT64_MAX - limits.most_count));
  order.seed = seed ? static_cast<uint64_t>(*seed) : own;
  TRY(const std::optional<double> guidance, fields.number("guidance_scale", 0, 100));
  order.guidance = guidance.value_or(limits.usual_guidance);
  TRY(const std::optional<int64_t> passes, fields.integer("num_inference_steps", 0, 1000));
  order.passes = passes.value_or(0);
  TRY(const std::optional<double> temperature, fields.number("temperature", 0, 2));
  order.temperature = temperature.value_or(limits.usual_temperature);
  TRY(const std::optional<int64_t> top_k, fields.integer("top_k", 0, 1 << 20));
  order.top_k = top_k.value_or(0);
  return refuse_unknown_arts(fields);
}

ApiStatus check_order(const Artist& artist, const ArtOrder& order) {
  const std::optional<ArtFault> fault = artist.fault_of(order);
  if (fault) return bad_field(fault->field, fault->message);
  return Ok{};
}

ApiResult<ImageCall> read_image_call(const Form& form, const ArtLimits& limits, ImageTask task,
                                     const FileReader& files) {
  JsonFields fields(form.fields, "");
  ImageCall call;
  if (task == ImageTask::vary) {
    TRY_STATUS(fields.only("prompt", {""}, "what the picture shows is drawn; edits take words"));
    TRY_STATUS(read_painting(fields, limits, call.order));
  } else {
    TRY_STATUS(read_order(fields, limits, call.order));
  }
  if (task != ImageTask::edit)
    TRY_STATUS(fields.only("strength", {}, "images/edits paints over a picture"));
  if (task == ImageTask::generate)
    TRY_STATUS(fields.only("mask", {}, "there is no picture that it could stand over"));
  TRY(const std::optional<std::string> model, fields.text("model"));
  call.model = model.value_or("");
  TRY(call.user, read_user(fields));
  TRY(const std::optional<int64_t> count, fields.integer("n", 1, limits.most_count));
  call.order.count = count.value_or(1);
  TRY_STATUS(read_format(fields, call));
  TRY(const std::optional<bool> stream, fields.flag("stream"));
  call.stream = stream.value_or(false);
  TRY(call.ignored, read_manners(fields, call));
  TRY(const std::optional<int64_t> previews, fields.integer("partial_images", 0, 3));
  call.order.previews = previews.value_or(0);
  if (call.order.previews > 0 && !call.stream)
    return bad_field("partial_images", "is ", call.order.previews, " without stream");
  if (task != ImageTask::generate) {
    TRY_STATUS(read_given(form, fields, limits, task, files, call.order));
  }
  call.facts = {.task = task,
                .created = std::time(nullptr),
                .size = std::to_string(call.order.width) + "x" + std::to_string(call.order.height),
                .format = call.facts.format,
                .by_url = call.facts.by_url};
  fields.tell_unread(call.ignored);
  for (const auto& [name, sent] : form.files)
    if (task == ImageTask::generate || (name != "image" && name != "images" && name != "mask"))
      call.ignored.push_back(name);
  return call;
}

std::unique_ptr<PictureWriter> make_image_writer(ImageFacts facts) {
  return std::make_unique<ImageWriter>(std::move(facts));
}

std::unique_ptr<PictureWriter> make_file_writer(std::string type) {
  return std::make_unique<FileWriter>(std::move(type));
}

}  // namespace hadal
